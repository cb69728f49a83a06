package spec

import (
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/countersign-bot/countersign/workflows"
)

func campaignsShape() shape {
	return object(key{"campaigns", true, listOf(maxCampaigns, object(
		key{"name", true, ident(), "Name of the campaign: `countersign identities campaign start NAME`."},
		key{"title", true, line(maxLine), "What it is, as reviewers read it."},
		key{"why", true, line(maxLine), "Why it is looked at this often: the rule or the risk analysis that says so. Stands in the report."},
		key{"of", true, oneOf(workflows.CampaignScopes()...), "What is looked at: identities of the inventory, standing access that sweeps found on targets, or runbooks."},
		key{"where", false, object(
			key{"kinds", false, listOf(maxGrants, matching("a kind of identity", `[a-z_]{2,40}`, "such as service_account")), "Only these kinds of identity."},
			key{"environment", false, line(maxLine), "Only this environment."},
			key{"managed_by", false, oneOf("internal", "contractor", "vendor", "low-code"), "Only what these manage."},
			key{"risks", false, listOf(4, oneOf("low", "medium", "high", "critical")), "Only these risks."},
			key{"targets", false, listOf(maxGrants, ident()), "Only what is on these targets."},
			key{"findings", false, listOf(maxGrants, matching("the code of a finding", `[a-z_]{2,40}`, "such as unused")), "Only identities with one of these findings."},
		), "Which of them. Default all."},
		key{"schedule", false, schedule(), "When it begins by itself, as a cron expression. Default never: on demand only."},
		key{"zone", false, zone(), "Time zone of the schedule. Default UTC."},
		key{"reviewer", false, oneOf(workflows.CampaignReviewers()...), "Who is asked first. Default owner."},
		key{"self_review", false, flag(), "Whether owners may look at what is their own. Default false: somebody else is asked."},
		key{"due", true, span(maxCampaignDue), "How long reviewers have."},
		key{"remind", false, listOf(maxReminders, span(maxCampaignDue)), "When reviewers are reminded, counted from the beginning. Default after half of the time."},
		key{"escalate", false, span(maxCampaignDue), "When somebody else is asked as well, counted from the beginning. Default after three quarters of the time."},
		key{"escalate_to", false, oneOf(workflows.ReviewByManager, workflows.ReviewByTargetOwner, workflows.ReviewBySecurity), "Who that is. Default the reviewer's manager."},
		key{"silence", true, oneOf(workflows.SilenceRevoke, workflows.SilenceSuspend, workflows.SilenceEscalate), "What happens to what nobody answered for: it is taken off, suspended, or security is told."},
		key{"acknowledge", false, listOf(maxMembers, personRef()), "Keys of managers, one of whom acknowledges the outcome."},
	)), "Campaigns: everything of a kind is looked at by somebody who answers for it."})
}

// maxBetween is the longest that may lie between two campaigns: PCI DSS 7.2.4 wants half a year.
const maxBetween = 187 * 24 * time.Hour

func (c *checker) checkCampaigns() {
	names := map[string]*value{}
	for _, v := range c.f.campaigns {
		c.once(names, "campaign", v.str("name"), v.or("name"))
		if hasBad(v) {
			continue
		}
		if s := v.get("schedule"); s != nil {
			if gap := widestGap(s.text); gap > maxBetween {
				c.at(s, "twice a year or more often", "this schedule leaves %d days between two campaigns; what stands is looked at every six months at least", int(gap.Hours()/24))
			}
		}
		due := v.span("due", 0)
		for _, r := range v.list("remind") {
			if d, err := ParseSpan(r.text); err == nil && d >= due {
				c.at(r, "a shorter time than due", "a reminder after the end reminds nobody: it is due after %s", due)
			}
		}
		if e := v.get("escalate"); e != nil && v.span("escalate", 0) >= due {
			c.at(e, "a shorter time than due", "an escalation after the end asks nobody: it is due after %s", due)
		}
		c.checkCampaignScope(v)
		for _, p := range v.list("acknowledge") {
			c.person(p, "manager")
		}
		c.unique(v.list("acknowledge"))
	}
}

func (c *checker) checkCampaignScope(v *value) {
	where := v.get("where")
	for _, t := range where.list("targets") {
		if _, ok := c.ix.targets[t.scalar()]; !ok {
			c.at(t, meantOr(t.scalar(), keys(c.ix.targets)), "unknown target %q", t.scalar())
		}
	}
	for _, name := range []string{"kinds", "environment", "managed_by", "risks", "findings"} {
		if x := where.get(name); x != nil && v.str("of") != workflows.CampaignIdentities {
			c.at(x, "leave it out", "a campaign of %s has no use for %s", v.str("of"), name)
		}
	}
	if x := where.get("targets"); x != nil && v.str("of") == workflows.CampaignRunbooks {
		c.at(x, "leave it out", "a campaign of runbooks has no use for targets")
	}
}

// widestGap is the longest time between the next occurrences of a schedule, for a bit more than a year.
func widestGap(schedule string) time.Duration {
	s, err := cron.ParseStandard(schedule)
	if err != nil {
		return 0
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end, widest := at.AddDate(2, 0, 0), time.Duration(0)
	for at = s.Next(at); at.Before(end) && !at.IsZero(); {
		next := s.Next(at)
		if next.IsZero() {
			return end.Sub(at)
		}
		widest = max(widest, next.Sub(at))
		if next.Sub(at) < workflows.Span(day).Duration() {
			next = next.Add(workflows.Span(day).Duration()) // several a day: look at one of each
		}
		at = next
	}
	return widest
}

func (c *compiler) campaigns() (out []workflows.CampaignPlan) {
	for _, v := range c.f.campaigns {
		p := workflows.CampaignPlan{
			Name: v.str("name"), Title: v.str("title"), Why: v.str("why"), Of: v.str("of"), Cron: v.str("schedule"), Zone: v.str("zone"),
			Reviewer: orElse(v.str("reviewer"), workflows.ReviewByOwner), Self: v.flag("self_review"), Due: v.span("due", 0),
			EscalateTo: orElse(v.str("escalate_to"), workflows.ReviewByManager), Silence: v.str("silence"), Acknowledge: c.list(v, "acknowledge"),
		}
		p.Escalate = v.span("escalate", p.Due/4*3)
		for _, r := range v.strs("remind") {
			if d, err := ParseSpan(r); err == nil {
				p.Remind = append(p.Remind, d)
			}
		}
		if v.get("remind") == nil {
			p.Remind = []workflows.Span{p.Due / 2}
		}
		slices.Sort(p.Remind)
		w := v.get("where")
		p.Where = workflows.CampaignScope{Kinds: w.strs("kinds"), Environment: w.str("environment"), ManagedBy: w.str("managed_by"), Risks: w.strs("risks"), Findings: w.strs("findings")}
		for _, t := range w.strs("targets") {
			p.Where.Targets = append(p.Where.Targets, workflows.TargetID(t))
		}
		out = append(out, p)
	}
	return out
}
