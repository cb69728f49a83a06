package store

import (
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Encoded is what an event became, without the salts of its sealed texts.
type Encoded struct {
	Leaf   []byte
	Record workflows.Record
	Texts  map[string]string
}

// HasShape tells whether events of a kind are encoded without JSON between.
func HasShape(kind workflows.EventKind) bool {
	kinds, err := kindsByName([]workflows.EventKind{kind})
	return err == nil && kinds[kind.Name].shape != nil
}

// EncodeQuick encodes an event as the writer does.
func EncodeQuick(kind workflows.EventKind, e workflows.Event) (Encoded, error) {
	return encodeOne(kind, e, true)
}

// EncodeSlow encodes it through JSON, and reads the leaf as all readers do.
func EncodeSlow(kind workflows.EventKind, e workflows.Event) (Encoded, error) {
	return encodeOne(kind, e, false)
}

func encodeOne(kind workflows.EventKind, e workflows.Event, quick bool) (out Encoded, err error) {
	kinds, err := kindsByName([]workflows.EventKind{kind})
	if err != nil {
		return out, err
	}
	k := kinds[kind.Name]
	if !quick {
		k.shape = nil
	}
	l := ledger.Leaf{V: 1, Type: kind.Name, ID: "e_1", Stream: "request/r_1", Seq: 1, Time: 1, Mono: 1, Actor: "a_1", Sealed: make(map[string]string)}
	if l.Fields, out.Texts, err = k.fieldsOf(e); err != nil {
		return out, err
	}
	for field, text := range out.Texts {
		l.Sealed[field] = ledger.Commit(ledger.Salt{1}, field, text)
	}
	if out.Leaf, err = ledger.Encode(l); err != nil {
		return out, err
	}
	stamped := stampedEvent{
		StreamEvent: workflows.StreamEvent{Stream: "request/r_1", Actor: "a_1", Event: e}, seq: 1, at: workflows.Instant{UTC: 1, Mono: 1},
	}
	s := &Store{kinds: kinds}
	out.Record, err = s.recordOf(k, stamped, encoded{leaf: out.Leaf, id: "e_1"}, 0, out.Texts)
	return out, err
}
