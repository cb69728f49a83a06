package storetest

import (
	"github.com/countersign-bot/countersign/workflows"
)

// The events of the suite: small, with each shape of sealed field.

// Opened begins a stream.
type Opened struct {
	Title  string            `json:"title"`
	Reason string            `json:"reason" seal:"true"`
	Names  []string          `json:"names,omitempty" seal:"true"`
	Texts  map[string]string `json:"texts,omitempty" seal:"true"`
	List   []string          `json:"list"`
	Until  workflows.Stamp   `json:"until,omitzero"`
}

// Voted adds one vote.
type Voted struct {
	By string `json:"by"`
}

// Ended ends a stream.
type Ended struct{}

// Kind names for the ledger.
func (Opened) Kind() string { return "test.opened" }
func (Voted) Kind() string  { return "test.voted" }
func (Ended) Kind() string  { return "test.ended" }

// EventKinds are the kinds a store under test is opened with.
func EventKinds() []workflows.EventKind {
	return []workflows.EventKind{workflows.Of[Opened](), workflows.Of[Voted](), workflows.Of[Ended]()}
}
