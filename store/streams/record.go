package streams

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/store/ledger"
)

// Record is one entry on its way out: one line of JSONL. The format is frozen; fields are only ever added.
//
//	{"v":1,"origin":"example.com/countersign/main","stream":"siem","entry":7,"previous":6,"size":9,
//	 "time":"2026-11-22T01:02:03.456789Z","type":"vote.recorded","leaf_hash":"…","leaf":{…},"sentence":"…"}
//
// leaf is the entry byte for byte: SHA-256 over a zero byte and it is leaf_hash (RFC 6962), in base64 as in checkpoints.
type Record struct {
	Version  int               `json:"v"`
	Origin   string            `json:"origin"`
	Stream   string            `json:"stream"`             // id of the stream it was sent on
	Entry    int64             `json:"entry"`              // its index
	Previous int64             `json:"previous"`           // the index sent before it on this stream; -1: none
	Size     int64             `json:"size"`               // entries of the ledger when it was read
	Time     string            `json:"time"`               // when it was recorded
	Type     string            `json:"type"`               // of the event
	LeafHash string            `json:"leaf_hash"`          // RFC 6962
	Leaf     json.RawMessage   `json:"leaf"`               // the entry
	Sentence string            `json:"sentence"`           // it, for people
	Openings map[string]string `json:"openings,omitempty"` // sealed texts, on streams that are allowed names
	Note     string            `json:"note,omitempty"`     // the signed head, on the record that was the last one then
}

const recordVersion = 1

// NewRecord makes the record of an entry. The caller adds the sentence, and Openings and Note where they belong.
func NewRecord(origin, stream string, idx, size int64, leaf []byte) (Record, error) {
	l, err := ledger.Decode(leaf)
	if err != nil {
		return Record{}, fmt.Errorf("entry %d: %w", idx, err)
	}
	return Record{
		Version: recordVersion, Origin: origin, Stream: stream, Entry: idx, Previous: idx - 1, Size: size, Time: ledger.FormatTime(l.Time), Type: l.Type,
		LeafHash: ledger.LeafHash(leaf).String(), Leaf: leaf,
	}, nil
}

// at is when the entry was recorded.
func (r Record) at() time.Time {
	us, err := ledger.ParseTime(r.Time)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// warns tells whether a person should look: the kinds of event that say that something did not go as it should.
func (r Record) warns() bool {
	return r.Type == "alarm.raised" || r.Type == "grant.overdue" || r.Type == "debt.recorded" || r.Type == "clock.jumped"
}

// Line writes the record as one line, the leaf untouched.
func (r Record) Line() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // it would change the bytes of the leaf
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("writing record %d: %w", r.Entry, err)
	}
	return b.Bytes(), nil
}

// lines writes many.
func lines(batch []Record) ([]byte, error) {
	var out []byte
	for _, r := range batch {
		line, err := r.Line()
		if err != nil {
			return nil, err
		}
		out = append(out, line...)
	}
	return out, nil
}

// ParseRecord reads one line. It says nothing about whether what it states is true.
func ParseRecord(line []byte) (Record, error) {
	var r Record
	dec := json.NewDecoder(bytes.NewReader(line))
	if err := dec.Decode(&r); err != nil {
		return r, fmt.Errorf("reading a record: %w", err)
	}
	switch {
	case dec.More():
		return r, errors.New("reading a record: something stands behind it")
	case r.Version != recordVersion:
		return r, fmt.Errorf("reading a record: version %d, this program knows %d", r.Version, recordVersion)
	case len(r.Leaf) == 0 || r.Entry < 0 || r.Previous < -1 || r.Size <= r.Entry:
		return r, errors.New("reading a record: its leaf is missing, or its numbers cannot be")
	}
	return r, nil
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
