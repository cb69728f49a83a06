package workflows_test

import (
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// Enough counts different people, each for one place: seats are no people, and who stands in for somebody else counts as one with them.
func TestEnough(t *testing.T) {
	t.Parallel()
	seat := func(who string, parts ...int) workflows.Seat {
		return workflows.Seat{Person: person(who), Parts: parts}
	}
	inPlace := func(who, of string, parts ...int) workflows.Seat {
		return workflows.Seat{Person: person(who), For: person(of), Parts: parts}
	}
	plain := workflows.Stage{Name: "peers", Quorum: 2}
	both := workflows.Stage{Name: "both", Quorum: 2, Parts: []workflows.Part{{Name: "dba", Quorum: 1}, {Name: "sec", Quorum: 1}}}
	either := both
	either.AnyPart, either.Quorum = true, 1
	for name, tc := range map[string]struct {
		stage workflows.Stage
		seats []workflows.Seat
		want  bool
	}{
		"nobody":                      {plain, nil, false},
		"one":                         {plain, []workflows.Seat{seat("ann")}, false},
		"one, asked by two tiers":     {plain, []workflows.Seat{seat("ann"), seat("ann")}, false},
		"two":                         {plain, []workflows.Seat{seat("ann"), seat("bob")}, true},
		"a delegate beside themself":  {plain, []workflows.Seat{seat("ann"), inPlace("ann", "bob")}, false},
		"a delegate and who is away":  {plain, []workflows.Seat{seat("bob"), inPlace("dan", "bob")}, false},
		"a delegate and another":      {plain, []workflows.Seat{seat("ann"), inPlace("dan", "bob")}, true},
		"two of one part":             {both, []workflows.Seat{seat("ann", 0), seat("bob", 0)}, false},
		"one of each":                 {both, []workflows.Seat{seat("ann", 0), seat("cho", 1)}, true},
		"one who sits in both":        {both, []workflows.Seat{seat("ann", 0, 1)}, false},
		"one in two seats of two":     {both, []workflows.Seat{seat("ann", 0), seat("ann", 1)}, false},
		"the place is kept for her":   {both, []workflows.Seat{seat("ann", 0, 1), seat("bob", 0)}, true},
		"whom no part has":            {both, []workflows.Seat{seat("ann", 0), seat("dan")}, false},
		"one of either":               {either, []workflows.Seat{seat("cho", 1)}, true},
		"nobody of either":            {either, []workflows.Seat{seat("dan")}, false},
		"a delegate in another part":  {both, []workflows.Seat{seat("ann", 0), inPlace("ann", "cho", 1)}, false},
		"a delegate fills the second": {both, []workflows.Seat{seat("ann", 0), inPlace("dan", "cho", 1)}, true},
	} {
		if got := tc.stage.Enough(tc.seats); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
