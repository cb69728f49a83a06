package spec

import (
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

func watchShape() shape {
	return object(key{"rules", true, listOf(maxWatch, object(
		key{"name", true, ident(), "Name of the rule. Findings carry it."},
		key{"signal", true, oneOf(workflows.WatchSignals()...), "What it looks for."},
		key{"times", false, number(2, maxTimes), "How often: of request_burst, denials, same_pair (both directions together) and break_glass within the time; of unusual_hour the requests that make a habit."},
		key{"within", false, span(maxSpan), "The time in which; of dormant_awake how long it slept; of first_target how long somebody must be known."},
		key{"seconds", false, number(1, 600), "fast_approval: an approval sooner than this after the stage was opened and its voter told. Default 5."},
		key{"unopened", false, flag(), "fast_approval: only those of somebody who had not opened the request, neither to read it nor on its page. Default false."},
		key{"targets", false, listOf(maxGrants, ident()), "Only what is about these targets. Default all."},
		key{"then", false, oneOf(workflows.ThenNotify, workflows.ThenStronger, workflows.ThenSuspend), "notify tells the security channel; stronger also wants one more person than usual for what is asked by or for whom it found, and lets nothing go without people; suspend also takes everything from the identity until two people release it. Default notify."},
		key{"for", false, span(maxSpan), "stronger: how long. Default 7d."},
	)), "Findings are recorded in the ledger, each once."})
}

// usualWatch is what a rule of a signal means where the file does not say.
func usualWatch(signal string) (times int, within workflows.Span) {
	switch signal {
	case workflows.SignalBurst:
		return 10, hour
	case workflows.SignalFirstTarget:
		return 0, 30 * day
	case workflows.SignalUnusualHour:
		return 20, 0
	case workflows.SignalSamePair:
		return 6, 30 * day
	case workflows.SignalDenials:
		return 5, day
	case workflows.SignalDormant:
		return 0, 90 * day
	case workflows.SignalBreakGlass:
		return 3, 30 * day
	}
	return 0, 0
}

const hour workflows.Span = 3600

// UsualWatch are rules for all signals with their usual numbers, for looking at a ledger of a folder that has none.
func UsualWatch() (out []workflows.WatchRule) {
	for _, s := range workflows.WatchSignals() {
		r := workflows.WatchRule{Name: strings.ReplaceAll(s, "_", "-"), Signal: s, Then: workflows.ThenNotify}
		r.Times, r.Within = usualWatch(s)
		if s == workflows.SignalFastApproval {
			r.Seconds = fastApproval
		}
		out = append(out, r)
	}
	return out
}

const fastApproval = 5 // seconds in which nobody reads a request

// aboutNoTarget tells whether what a signal counts need not be about a target, so that a rule cannot choose among them.
func aboutNoTarget(signal string) bool {
	return signal == workflows.SignalBreakGlass || signal == workflows.SignalDenials
}

func (c *checker) checkWatch() {
	names := map[string]*value{}
	for _, v := range c.f.watch {
		c.once(names, "rule", v.str("name"), v.or("name"))
		signal := v.str("signal")
		if hasBad(v) || signal == "" {
			continue
		}
		times, within := usualWatch(signal)
		for _, k := range []struct {
			name string
			fits bool
		}{
			{"times", times > 0},
			{"within", within > 0},
			{"seconds", signal == workflows.SignalFastApproval},
			{"unopened", signal == workflows.SignalFastApproval},
			{"targets", !aboutNoTarget(signal)},
		} {
			if x := v.get(k.name); x != nil && !k.fits {
				c.at(x, "leave it out", "a rule for %s has no use for %s", signal, k.name)
			}
		}
		if x := v.get("for"); x != nil && v.str("then") != workflows.ThenStronger {
			c.at(x, "leave it out", "only a rule with then: stronger has a use for for")
		}
		list := v.list("targets")
		c.unique(list)
		for _, t := range list {
			if _, ok := c.ix.targets[t.scalar()]; !ok {
				c.at(t, meantOr(t.scalar(), keys(c.ix.targets)), "unknown target %q", t.scalar())
			}
		}
	}
}

func (c *compiler) watch() (out []workflows.WatchRule) {
	for _, v := range c.f.watch {
		r := workflows.WatchRule{Name: v.str("name"), Signal: v.str("signal"), Then: orElse(v.str("then"), workflows.ThenNotify)}
		r.Times, r.Within = usualWatch(r.Signal)
		r.Times, r.Within = v.num("times", r.Times), v.span("within", r.Within)
		if r.Signal == workflows.SignalFastApproval {
			r.Seconds, r.Unopened = v.num("seconds", fastApproval), v.flag("unopened")
		}
		if r.Then == workflows.ThenStronger {
			r.For = v.span("for", 7*day)
		}
		for _, t := range v.strs("targets") {
			r.Targets = append(r.Targets, workflows.TargetID(t))
		}
		slices.Sort(r.Targets)
		out = append(out, r)
	}
	return out
}
