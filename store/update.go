package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Update is what desk.Ledger describes; its contract stands there. Errors: what decide returned, unchanged; ErrUnavailable when nothing
// was written; ErrLedgerUnknown when that is not known. An event may go to a stream that was not named, when its history does not
// matter to the decision. Pending and Listings replace what their streams had; a stream that is not a key of them keeps it.
func (s *Store) Update(ctx context.Context, cause Cause, streams []workflows.StreamID, decide func(workflows.Facts) (workflows.Outcome, error)) (Result, error) {
	if len(streams) > maxStreams {
		return Result{}, fmt.Errorf("store.Update(%q): %d streams exceed the limit of %d", cause, len(streams), maxStreams)
	}
	if err := s.affords(cause); err != nil {
		return Result{}, fmt.Errorf("store.Update(%q): %w", cause, err)
	}
	var res Result
	err := s.doAgain(ctx, func(b *batch) (err error) {
		res, err = b.update(string(cause), streams, decide)
		return err
	})
	var own *decideError
	switch {
	case err == nil:
		return res, nil
	case errors.As(err, &own):
		return Result{}, own.err
	default:
		return Result{}, fmt.Errorf("store.Update(%q): %w", cause, err)
	}
}

// decideError carries what decide returned through the writer, to be handed back as it was.
type decideError struct{ err error }

func (e *decideError) Error() string { return e.err.Error() }
func (e *decideError) Unwrap() error { return e.err }

func (b *batch) update(cause string, streams []workflows.StreamID, decide func(workflows.Facts) (workflows.Outcome, error)) (Result, error) {
	if err := b.lockHead(); err != nil {
		return Result{}, err
	}
	if cause != "" {
		res, found, err := b.replay(cause)
		if err != nil || found {
			return res, err
		}
	}
	now, err := b.now()
	if err != nil {
		return Result{}, err
	}
	facts := workflows.Facts{Now: now, Histories: make(map[workflows.StreamID][]workflows.Record, len(streams))}
	for _, stream := range streams {
		h, err := b.history(stream)
		if err != nil {
			return Result{}, fmt.Errorf("reading the history of %q: %w", stream, err)
		}
		facts.Histories[stream] = slices.Clip(h) // so that an append by decide copies
	}
	out, err := decide(facts)
	if err != nil {
		return Result{}, &decideError{err}
	}
	return b.apply(cause, now, out)
}

// apply writes one outcome.
func (b *batch) apply(cause string, now workflows.Instant, out workflows.Outcome) (Result, error) {
	if len(out.Events) > maxEvents {
		return Result{}, fmt.Errorf("%d events exceed the limit of %d", len(out.Events), maxEvents)
	}
	for _, d := range out.Documents {
		if err := b.putDocument(d); err != nil {
			return Result{}, err
		}
	}
	records, err := b.appendEvents(cause, now, out.Events)
	if err != nil {
		return Result{}, err
	}
	for _, stream := range sortedStreams(out.Pending) {
		if err := b.diffJobs(now, stream, out.Pending[stream]); err != nil {
			return Result{}, fmt.Errorf("jobs of %q: %w", stream, err)
		}
	}
	for _, stream := range sortedStreams(out.Listings) {
		if err := b.diffListings(stream, out.Listings[stream]); err != nil {
			return Result{}, fmt.Errorf("lists of %q: %w", stream, err)
		}
	}
	for _, stream := range sortedStreams(out.Inventory) {
		if err := b.putInventory(stream, out.Inventory[stream]); err != nil {
			return Result{}, fmt.Errorf("the inventory's row of %q: %w", stream, err)
		}
	}
	if err := b.touch(now, records, out.Touch); err != nil {
		return Result{}, err
	}
	if cause != "" {
		err = b.consume(cause, int64(len(records)), out.Refusal)
	}
	return Result{Records: records, Refusal: out.Refusal}, err
}

// now is the instant of this callback. When the wall clock was set, that is recorded first.
func (b *batch) now() (workflows.Instant, error) {
	first := b.clock.wall.IsZero()
	at, jumped, from := b.clock.now(b.s.cfg.Clock.Now())
	if !jumped || b.size == 0 {
		return at, nil
	}
	b.s.log.Warn("the wall clock was set", "from", from.String(), "to", at.UTC.String())
	_, err := b.appendEvents("", at, []workflows.StreamEvent{{
		Stream: workflows.SystemStream, Actor: workflows.SystemActor,
		Event: ClockJumped{From: from, To: at.UTC, AtStart: first},
	}})
	if err != nil {
		return at, err
	}
	return at, b.shiftJobs(at.UTC, from)
}

// history reads a stream as it stands in this transaction, earlier callbacks of the batch included.
func (b *batch) history(stream workflows.StreamID) ([]workflows.Record, error) {
	have, ok := b.histories[stream]
	if !ok {
		have = b.s.histories.get(stream)
	}
	known := b.w.known.of(stream)
	if known.seqKnown && known.seq == int64(len(have)) {
		if !ok {
			b.setHistory(stream, have)
		}
		return have, nil
	}
	h, err := b.s.extend(b.query, stream, have)
	if err == nil {
		b.setHistory(stream, h)
		known.seq, known.seqKnown = int64(len(h)), true
	}
	return h, err
}

// lastSeq is the number of entries of a stream.
func (b *batch) lastSeq(stream workflows.StreamID) (int64, error) {
	if h, ok := b.histories[stream]; ok {
		return int64(len(h)), nil
	}
	known := b.w.known.of(stream)
	if known.seqKnown {
		return known.seq, nil
	}
	_, err := b.one(`SELECT COALESCE(MAX(seq), 0) FROM stream_entry WHERE stream = $1`, []any{&known.seq}, string(stream))
	known.seqKnown = err == nil
	return known.seq, err
}

// appendEvents encodes and inserts events and notes their leaves for the tree.
func (b *batch) appendEvents(cause string, now workflows.Instant, events []workflows.StreamEvent) ([]workflows.Record, error) {
	records := make([]workflows.Record, 0, len(events))
	seqs := make(map[workflows.StreamID]int64)
	for _, e := range events {
		last, ok := seqs[e.Stream]
		if !ok {
			var err error
			if last, err = b.lastSeq(e.Stream); err != nil {
				return nil, err
			}
		}
		seqs[e.Stream] = last + 1
		if err := b.knowPolicy(e.Policy); err != nil {
			return nil, err
		}
		enc, err := b.s.encode(stampedEvent{StreamEvent: e, seq: last + 1, at: now, cause: cause}, b.size)
		if err != nil {
			return nil, err
		}
		if err := b.insert(enc); err != nil {
			return nil, err
		}
		records = append(records, enc.record)
	}
	for i, r := range records {
		if h, ok := b.histories[r.Stream]; ok {
			b.setHistory(r.Stream, longer(h, records[i:]))
		}
		b.w.known.of(r.Stream).seq = r.Seq
	}
	return records, nil
}

// longer appends the first of the records to the history of its stream, with room for the others that will follow: histories are kept, and
// what append would set aside beyond is kept with them.
func longer(h, records []workflows.Record) []workflows.Record {
	if len(h) == cap(h) {
		n := 0
		for _, r := range records {
			if r.Stream == records[0].Stream {
				n++
			}
		}
		h = append(make([]workflows.Record, 0, len(h)+n), h...)
	}
	return append(h, records[0])
}

func (b *batch) insert(e encoded) error {
	if _, err := b.write(`INSERT INTO log_entry (idx, leaf) VALUES ($1, $2)`, b.size, e.leaf); err != nil {
		return err
	}
	if _, err := b.write(`INSERT INTO stream_entry (stream, seq, idx, id) VALUES ($1, $2, $3, $4)`,
		string(e.stream), e.seq, b.size, e.id); err != nil {
		return err
	}
	for _, o := range e.openings {
		if _, err := b.write(`INSERT INTO opening (idx, field, salt, value, subject) VALUES ($1, $2, $3, $4, $5)`,
			b.size, o.Field, o.Salt[:], []byte(o.Value), e.subject); err != nil {
			return err
		}
	}
	b.leaves = append(b.leaves, ledger.LeafHash(e.leaf))
	b.size++
	return nil
}

// consume remembers the result of a cause, for ever: the same click delivered again after a year gets the same answer, and the
// rows are some 80 bytes.
func (b *batch) consume(cause string, n int64, r *workflows.Refusal) error {
	refusal := ""
	if r != nil {
		raw, err := json.Marshal(r)
		if err != nil {
			return err
		}
		refusal = string(raw)
	}
	_, err := b.write(`INSERT INTO cause (id, first_idx, last_idx, refusal) VALUES ($1, $2, $3, $4)`,
		cause, b.size-n, b.size-1, refusal)
	return err
}

// replay gives the first result of a consumed cause.
func (b *batch) replay(cause string) (Result, bool, error) {
	var first, last int64
	var refusal string
	found, err := b.one(`SELECT first_idx, last_idx, refusal FROM cause WHERE id = $1`, []any{&first, &last, &refusal}, cause)
	if err != nil || !found {
		return Result{}, false, err
	}
	res := Result{Replayed: true}
	if refusal != "" {
		res.Refusal = new(workflows.Refusal)
		if err := json.Unmarshal([]byte(refusal), res.Refusal); err != nil {
			return Result{}, false, fmt.Errorf("%w: refusal of cause %q: %w", ErrDamaged, cause, err)
		}
	}
	if last >= first {
		res.Records, err = b.s.recordsBetween(b.query, first, last+1)
	}
	return res, true, err
}
