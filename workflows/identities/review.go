package identities

import (
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Verdicts of a campaign on an identity, beside AttestKeep and AttestRevoke.
const (
	AttestNarrow   = "narrow"
	AttestHandOver = "hand-over"
)

// WhyReview is why an identity is handed over that a reviewer gave to somebody else.
const WhyReview = "review"

// Review is what a campaign decided about an identity.
type Review struct {
	Run      workflows.ReviewID // the run of the campaign
	Item     string             // which item of which sheet
	Verdict  string             // a verdict; "suspend": nobody answered, and that follows
	By       workflows.PersonID // empty: nobody answered
	Reason   string
	Handover HandoverOpened // of AttestHandOver
}

// SilentSuspend is the verdict of nobody.
const SilentSuspend = "suspend"

// Reviewed records the verdict of a campaign and what follows from it at once: an identity that is revoked begins to be taken off, one that is
// given to somebody else is handed over, one that nobody answered for is suspended. What is off the books already stays so.
func Reviewed(f workflows.Facts, id workflows.IdentityID, v Review) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.IdentityStream(id)
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil || len(f.Histories[stream]) == 0 || s.Life.Retired {
		return out, err
	}
	by := workflows.System
	if v.By != "" {
		out.Add(stream, by, "", Attested{Review: v.Run, Item: v.Item, Verdict: v.Verdict, By: v.By})
	}
	switch v.Verdict {
	case AttestRevoke:
		if h := s.Life.Handover; h != nil && s.Life.Retirement == nil {
			out.Add(stream, by, "", HandoverLapsed{Handover: h.Handover, Why: "replaced"})
		}
		if s.Life.Retirement == nil {
			out.Add(stream, by, "", RetirementOpened{Items: RetireItems(s), Reason: strings.TrimSpace(v.Reason)})
		}
	case AttestHandOver:
		if s.Life.Retirement != nil {
			break
		}
		if h := s.Life.Handover; h != nil {
			out.Add(stream, by, "", HandoverLapsed{Handover: h.Handover, Why: "replaced"})
		}
		v.Handover.From = s.Entry().Owner
		out.Add(stream, by, "", v.Handover)
	case SilentSuspend:
		if s.Life.Suspended == nil && s.Life.Retirement == nil {
			out.Add(stream, by, "", Suspended{Why: SuspendedReview, Detail: strings.TrimSpace(v.Reason)})
		}
	}
	return out, nil
}

// Change is one field that says something else than before.
type Change struct {
	Field  string
	Before string
	After  string
}

// Changes are the fields in which two entries differ, but for when it was used last: that changes every day.
func Changes(before, after Entry) []Change {
	var out []Change
	for _, f := range fields() {
		a, b := f.value(&before), f.value(&after)
		if a != b && f.name != "last_used" {
			out = append(out, Change{f.name, strings.ReplaceAll(a, "\n", ", "), strings.ReplaceAll(b, "\n", ", ")})
		}
	}
	return out
}

// AtLastReview is what an identity's entry said when it was attested last; false when it never was.
func AtLastReview(h []workflows.Record) (Entry, bool) {
	for i := len(h) - 1; i >= 0; i-- {
		if _, ok := h[i].Event.(Attested); !ok {
			continue
		}
		s, err := FoldIdentity(h[:i])
		return s.Entry(), err == nil && i > 0
	}
	return Entry{}, false
}
