package identities

import "github.com/countersign-bot/countersign/workflows"

// Surveyed is how the inventory stood when it was counted, once in a week: what a report compares today with.
type Surveyed struct {
	Week     string         `json:"week"`    // of ISO 8601: "2026-W47"
	Live     int            `json:"live"`    // identities that are neither people nor retired
	Owned    int            `json:"owned"`   // of them: somebody answers for it
	Covered  int            `json:"covered"` // of them: owner, purpose, end and last use are on record
	Clean    int            `json:"clean"`   // of them: without any finding
	Findings map[string]int `json:"findings,omitempty"`
}

// Kind is its name in the ledger.
func (Surveyed) Kind() string { return "inventory.surveyed" }

// SurveyStream is the stream of all surveys.
const SurveyStream workflows.StreamID = workflows.KindSystem + "/inventory"

// Total is how many findings there were.
func (s Surveyed) Total() (n int) {
	for _, c := range s.Findings {
		n += c
	}
	return n
}
