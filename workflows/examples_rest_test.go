package workflows_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// A change of a policy in words: what loosens has to be approved under the old one.
func ExampleCompare() {
	before := &workflows.Workflow{ID: "prod-db", Longest: 3600, ReasonMin: 20, Stages: []workflows.Stage{{Name: "Security", Quorum: 2}}}
	after := &workflows.Workflow{ID: "prod-db", Longest: 1800, ReasonMin: 20, Stages: []workflows.Stage{{Name: "Security", Quorum: 1}}}
	changes := workflows.Compare(before, after)
	for _, c := range changes {
		fmt.Println(c.Unit, "|", c.Text, "| loosens:", c.Loosens)
	}
	fmt.Println(workflows.Loosens(changes))
	// Output:
	// workflow/prod-db | the longest access becomes 30m, was 1h | loosens: false
	// workflow/prod-db | stage Security: the quorum becomes 1, was 2 | loosens: true
	// true
}

// A new chain loosens, since somebody may do more; one that goes does not.
func ExampleLoosens() {
	w := &workflows.Workflow{ID: "prod-db", Title: "Production database", Entitlements: []workflows.Entitlement{{Target: "pg-main", ID: "writer"}}}
	for _, changes := range [][]workflows.PolicyChange{workflows.Compare(nil, w), workflows.Compare(w, nil), workflows.Compare(w, w)} {
		fmt.Println(workflows.Loosens(changes), changes)
	}
	// Output:
	// true [{workflow/prod-db a new chain, "Production database", that grants pg-main/writer true}]
	// false [{workflow/prod-db the chain "Production database" is gone false}]
	// false []
}

// The offers that stand are those that nobody has answered and nothing has overtaken.
func ExampleOffersOf() {
	s := workflows.State{Offers: []workflows.Offer{
		{ID: "o_1", Status: workflows.OfferOutdated},
		{ID: "o_2", Status: workflows.OfferOpen, Terms: workflows.Terms{Seconds: 1800}},
		{ID: "o_3", Status: workflows.OfferDropped},
	}}
	for _, o := range workflows.OffersOf(s) {
		fmt.Println(o.ID, o.Terms.Seconds)
	}
	// Output: o_2 30m
}

// Terms replace what they name and leave the rest as it was asked.
func ExampleTerms_With() {
	asked := workflows.Form{Target: "pg-main", Entitlement: "writer", Seconds: 7200, Reason: "index is broken"}
	f := workflows.Terms{Seconds: 1800}.With(asked)
	fmt.Println(f.Target, f.Entitlement, f.Seconds, f.Reason)
	f = workflows.Terms{Target: "pg-main", Entitlement: "reader"}.With(asked)
	fmt.Println(f.Target, f.Entitlement, f.Seconds, f.Reason)
	// Output:
	// pg-main writer 30m index is broken
	// pg-main reader 2h index is broken
}

// People read a status in words.
func ExampleStatus_Words() {
	for _, s := range []workflows.Status{workflows.StatusOpen, workflows.StatusTimedOut, workflows.StatusApproved, workflows.StatusSuperseded} {
		fmt.Println(s.Words())
	}
	// Output:
	// waiting
	// timed out
	// approved
	// superseded
}

// Callers find a refusal below any error that wraps it; its text is what the person reads.
func ExampleRefusal() {
	err := fmt.Errorf("voting: %w", workflows.Refuse(workflows.CodeLate, "The deadline had passed.", "Ask again."))
	var r *workflows.Refusal
	fmt.Println(errors.As(err, &r), r.Code, r)
	// Output: true late The deadline had passed. Ask again.
}

// Access ends with what was asked, or with what caps it, whichever is first.
func ExampleState_Lasts() {
	now := workflows.Instant{UTC: workflows.StampOf(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))}
	s := workflows.State{Asked: workflows.Submitted{Seconds: 3600}}
	_, end := s.Lasts(now, 0)
	_, capped := s.Lasts(now, now.UTC.Add(20*time.Minute))
	s.Asked.NotBefore = now.UTC.Add(time.Hour)
	start, later := s.Lasts(now, 0)
	fmt.Println(end.UTC, capped.UTC)
	fmt.Println(start, later.UTC)
	// Output:
	// 2026-11-02T10:00:00.000000Z 2026-11-02T09:20:00.000000Z
	// 2026-11-02T10:00:00.000000Z 2026-11-02T11:00:00.000000Z
}

// Whichever clock comes first ends a grant, so that turning the wall clock back gives nobody more time.
func ExampleInstant_Reached() {
	deadline := workflows.Instant{UTC: 1000, Mono: 1000}
	fmt.Println(workflows.Instant{UTC: 999, Mono: 999}.Reached(deadline))
	fmt.Println(workflows.Instant{UTC: 0, Mono: 1000}.Reached(deadline), workflows.Instant{UTC: 1000}.Reached(deadline))
	fmt.Println(workflows.Instant{UTC: 1 << 60}.Reached(workflows.Instant{}))
	// Output:
	// false
	// true true
	// false
}

// A stream is named by its kind and the rest; two exist once and have no rest.
func ExampleStreamID() {
	for _, s := range []workflows.StreamID{workflows.RequestStream("r_1"), workflows.GrantStream("svc-deploy", "pg-main", "writer"), workflows.PolicyStream} {
		fmt.Printf("%s %q\n", s.Kind(), s.Rest())
	}
	// Output:
	// request "r_1"
	// grant "svc-deploy/pg-main/writer"
	// policy ""
}

// The empty selector names nobody, and so does one that only leaves people out.
func ExampleSelector_IsEmpty() {
	out := workflows.Selector{Exclude: []workflows.PersonID{"p_ann"}}
	fmt.Println(workflows.Selector{}.IsEmpty(), out.IsEmpty())
	out.Fallback = &workflows.Selector{Manager: true}
	fmt.Println(out.IsEmpty(), workflows.Selector{Fallback: &workflows.Selector{}}.IsEmpty())
	// Output:
	// true true
	// false true
}
