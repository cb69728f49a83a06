package workflows

import "fmt"

// Event is one fact of a stream. The set is closed: each kind is a struct in the events.go of its package, named
// noun.past_tense, append-only. A string, []string or map[string]string field tagged `seal:"true"` is personal or free text: the leaf holds
// a salted commitment, the text lies beside the ledger and can be erased. No decision may depend on a sealed field.
type Event interface{ Kind() string }

// EventKind says how to decode one kind of event. New returns a pointer to an empty event, Value what it points to: events
// travel as values, so that nobody who holds a history can change it.
type EventKind struct {
	Name  string
	New   func() any
	Value func(any) Event
}

// Of is the EventKind of one event struct.
func Of[E Event]() EventKind {
	var zero E
	return EventKind{
		Name:  zero.Kind(),
		New:   func() any { return new(E) },
		Value: func(p any) Event { return *p.(*E) },
	}
}

// Record is an event as the ledger keeps it.
type Record struct {
	Index  int64 // position in the whole ledger; -1 while provisional
	ID     string
	Stream StreamID
	Seq    int64 // 1, 2, 3 … within the stream
	At     Instant
	Actor  ActorID
	Person PersonID // resolved then; empty for the system
	Cause  string   // inbox row, job or call that was being consumed
	Policy DocHash  // policy version that bound the event; empty where none did
	Event  Event
}

// StreamEvent is an event to be appended: the store adds index, seq, id, time and cause.
type StreamEvent struct {
	Stream StreamID
	Actor  ActorID
	Person PersonID
	Policy DocHash
	Event  Event
}

// Facts is what a decision may look at: the moment, and the complete histories of the streams it named.
type Facts struct {
	Now       Instant
	Histories map[StreamID][]Record
}

// Document is an immutable text that events name by hash: a compiled policy, a source file, a runbook.
type Document struct {
	Hash  DocHash
	Kind  string // "policy", "source", "runbook"
	Bytes []byte
}

// Outcome is what a decision wants appended. A Refusal does not stop its events from being written.
type Outcome struct {
	Events    []StreamEvent
	Documents []Document // written in the transaction that first names them
	Pending   map[StreamID][]Job
	Listings  map[StreamID][]Listing
	Inventory map[StreamID]*InventoryRow // nil: the identity is not in the inventory (any more)
	Touch     []StreamID                 // surfaces to repaint although nothing was appended to their stream
	Refusal   *Refusal
}

// Add appends one event by the given account.
func (o *Outcome) Add(s StreamID, by Acting, policy DocHash, e Event) {
	o.Events = append(o.Events, StreamEvent{Stream: s, Actor: by.Actor, Person: by.Person, Policy: policy, Event: e})
}

// Acting is the account and the human behind a command, as resolved when it was received.
type Acting struct {
	Actor  ActorID
	Person PersonID
}

// System acts for the product itself.
var System = Acting{Actor: SystemActor}

// Listing puts a stream on a named list of one member, for reading: ("waiting", "p_…"), ("open", ""). The store keeps
// the difference; all lists can be rebuilt by folding.
type Listing struct {
	List   string
	Member string
	Sort   int64 // newest first; microseconds or any order
}

// Provisional gives the records that events will become, for folding before they are written.
func (f Facts) Provisional(events []StreamEvent) map[StreamID][]Record {
	out := make(map[StreamID][]Record)
	for _, e := range events {
		h, ok := out[e.Stream]
		if !ok {
			h = append([]Record(nil), f.Histories[e.Stream]...)
		}
		out[e.Stream] = append(h, Record{
			Index: -1, Stream: e.Stream, Seq: int64(len(h)) + 1, At: f.Now,
			Actor: e.Actor, Person: e.Person, Policy: e.Policy, Event: e.Event,
		})
	}
	return out
}

// CheckSeq refuses a history with a gap or of another stream: a fold over part of the truth would decide wrongly.
func CheckSeq(h []Record) error {
	for i, r := range h {
		if r.Seq != int64(i)+1 || r.Stream != h[0].Stream {
			return fmt.Errorf("folding %q: entry %d carries seq %d of %q", h[0].Stream, i+1, r.Seq, r.Stream)
		}
	}
	return nil
}

// Cause names what an update of the ledger consumes, so that it is consumed once: "inbox/…", "job/…", "cli/…", "api/…",
// "start/…". The empty cause is never remembered.
type Cause string

// Result is what an update committed, or had committed when its cause was consumed before.
type Result struct {
	Records  []Record
	Refusal  *Refusal
	Replayed bool // the cause had been consumed: this is its first result
}
