package spec

import (
	"net/netip"

	"github.com/countersign-bot/countersign/workflows"
)

// maxChecks bounds the compensating controls of one exception: each is looked at every quarter of an hour.
const maxChecks = 8

func exceptionShape() shape {
	return object(
		key{"control", true, oneOf(workflows.Controls()...), "The control that is waived."},
		key{"checks", true, listOf(maxChecks, object(
			key{"kind", true, oneOf(workflows.CheckRotated, workflows.CheckFrom, workflows.CheckAlert, workflows.CheckVault), "rotated_within, used_from, alert_on_use or vault_scoped."},
			key{"within", false, span(maxSpan), "rotated_within: the secret was replaced within this time."},
			key{"from", false, listOf(maxChecks, line(maxLine)), "used_from: networks, such as 10.2.0.0/16; use from anywhere else fails."},
			key{"place", false, line(maxLine), "vault_scoped: what the reference of its secret begins with, such as vault:kv/legacy."},
		)), "What makes up for it, looked at every quarter of an hour; at least one."},
		key{"failed", false, oneOf(workflows.FailedSuspends, workflows.FailedRetires), "When a check fails or the exception ends: suspend (until somebody may say otherwise) or retire (for good). Default suspend."},
		key{"higher", true, line(maxLine), "Name of the step that is asked, too, from the fourth renewal on."},
	)
}

// exception holds a chain for exceptions to what an exception needs: an identity, an exit plan, checks that can be carried out, a higher step.
func (c *checker) exception(w *workflow) {
	is := w.kind() == workflows.KindException
	x := w.get("exception")
	switch {
	case is && x == nil && !hasBad(w.value):
		c.at(w.get("kind"), "exception: {control, checks, failed, higher}", "workflow %q approves exceptions, and does not say to what", w.id)
	case !is && x != nil && w.kind() != "":
		c.at(x, "kind: exception, or leave it out", "exception: only a workflow of kind exception has one")
	case is && (len(w.whom()) != 1 || w.whom()[0] != workflows.ForOwned):
		c.at(w.or("for"), "for: [owned]", "an exception is for a named identity only")
	}
	if !is || x == nil || hasBad(w.value) {
		return
	}
	plan := false
	for _, f := range w.list("fields") {
		plan = plan || f.str("name") == workflows.ExitPlan && f.str("type") == workflows.FieldText && !f.flag("optional")
	}
	if !plan {
		c.at(w.or("fields"), "fields: [{name: exit_plan, label: How it will not be needed any more, type: text}]", "workflow %q asks for no exit plan", w.id)
	}
	higher, others := false, 0
	for _, s := range w.stages {
		if s.str("name") == x.str("higher") {
			higher = true
		} else {
			others++
		}
	}
	if !higher || others == 0 {
		c.at(x.get("higher"), "name one of its steps, beside another one", "exception.higher: %q is not a further step of this workflow", x.str("higher"))
	}
	c.checks(x)
}

func (c *checker) checks(x *value) {
	list := x.list("checks")
	if len(list) == 0 {
		c.at(x.get("checks"), "checks: [{kind: rotated_within, within: 30d}]", "exception.checks: nothing makes up for the waived control")
	}
	for _, k := range list {
		kind := k.str("kind")
		for _, need := range []struct {
			name string
			of   string
			must bool
		}{{"within", workflows.CheckRotated, true}, {"from", workflows.CheckFrom, true}, {"place", workflows.CheckVault, false}} {
			switch {
			case kind == need.of && need.must && !k.has(need.name):
				c.at(k.get("kind"), need.name+": …", "exception.checks: %s needs %s", kind, need.name)
			case kind != need.of && kind != "" && k.has(need.name):
				c.at(k.or(need.name), "leave it out", "exception.checks: %s has no use for %s", kind, need.name)
			}
		}
		for _, n := range k.list("from") {
			if _, err := netip.ParsePrefix(n.scalar()); err != nil {
				c.at(n, "10.2.0.0/16, 2001:db8::/32, or one address with /32", "exception.checks: %q is no network", n.scalar())
			}
		}
	}
}

func exceptionOf(x *value) *workflows.ExceptionTerms {
	if x == nil {
		return nil
	}
	out := &workflows.ExceptionTerms{Control: x.str("control"), Failed: orElse(x.str("failed"), workflows.FailedSuspends), Higher: x.str("higher")}
	for _, k := range x.list("checks") {
		out.Checks = append(out.Checks, workflows.CheckTerms{Kind: k.str("kind"), Within: k.span("within", 0), From: k.strs("from"), Place: k.str("place")})
	}
	return out
}
