package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// A ledger that is behind what somebody remembers of it is not written any more, unless two people accept that entries are gone. Then the
// ledger goes on under its own name with an entry that quotes the lost head: a gap on record, rather than a new name with a new history.
//
// What that proves: who accepted it, when, why, and which head was known to be lost. An auditor who kept a head of the lost entries gets
// "explained by entry N" and not "intact"; one who kept a later head than the one quoted gets a rollback, because more was lost than was
// admitted. What it does not hide: two heads of one size were signed by one key. A machine witness (C2SP tlog-witness) will not
// co-sign this ledger again, as it must not; it needs a new name for it. A new name was rejected because every request, grant and review
// would have had to be carried over into another tree, and a verifier of the old name would see it end without a reason.

// AcceptanceFile is where a revoke-only process keeps what people say about lost entries, beside the witness file.
func (c Config) AcceptanceFile() string {
	return filepath.Join(filepath.Dir(c.DebtsFile()), "rollback.json")
}

// ReadAcceptance reads what was said so far; the zero value when nobody said anything.
func ReadAcceptance(path string) (a custody.RollbackAccepted, err error) {
	defer wrap(&err, "reading what was said about lost entries")
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(b, &a)
}

// WriteAcceptance keeps what was said, whole or not at all.
func WriteAcceptance(path string, a custody.RollbackAccepted) (err error) {
	defer wrap(&err, "keeping what was said about lost entries")
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".rollback-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.Write(append(b, '\n'))
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncFile(filepath.Dir(path))
}

// LostOf says what would be accepted: where the ledger stands and what is remembered beyond it. found is false when the error is not about
// entries that are gone.
func LostOf(h ledger.Head, err error) (a custody.RollbackAccepted, found bool) {
	var r *ledger.RollbackError
	if !errors.As(err, &r) {
		return a, false
	}
	return custody.RollbackAccepted{
		Size: h.Size, Root: h.Root.String(), LostSize: r.Anchor.Size, LostRoot: r.Anchor.Root.String(), LostNote: r.Anchor.Note, From: r.Anchor.From,
	}, true
}

// sameLoss tells whether two acceptances are about the same entries.
func sameLoss(a, b custody.RollbackAccepted) bool {
	return a.Size == b.Size && a.Root == b.Root && a.LostSize == b.LostSize && a.LostRoot == b.LostRoot
}

// Rows of meta about lost entries.
const (
	metaGaps      = "gaps"      // indexes of the entries that explain them, separated by blanks
	metaReconcile = "reconcile" // set while targets were not asked since
)

// Gap is entries that were lost, as an entry of the ledger explains it.
type Gap struct {
	Entry int64 // that says so
	At    workflows.Stamp
	custody.RollbackAccepted
}

// explains tells whether what somebody remembers is of the entries that were lost.
func (g Gap) explains(a ledger.Anchor) bool {
	return a.Size > g.Size && a.Size <= g.LostSize && workflows.Stamp(a.Time) <= g.At
}

// Gaps gives the gaps that the ledger explains, oldest first.
func (s *Store) Gaps(ctx context.Context) (out []Gap, err error) {
	defer wrap(&err, "reading which entries were lost")
	select {
	case <-s.closing:
		return nil, ErrClosed
	default:
	}
	return s.gaps(s.reader(ctx))
}

func (s *Store) gaps(q *query) (out []Gap, err error) {
	var list string
	if _, err := q.one(`SELECT value FROM meta WHERE key = $1`, []any{&list}, metaGaps); err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(list) {
		idx, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: the list of gaps holds %q", ErrDamaged, word)
		}
		records, err := s.recordsBetween(q, idx, idx+1)
		if err != nil {
			return nil, err
		}
		e, ok := custody.RollbackAccepted{}, false
		if len(records) == 1 {
			e, ok = records[0].Event.(custody.RollbackAccepted)
		}
		if !ok || e.Size != idx {
			return nil, fmt.Errorf("%w: entry %d explains no gap, the list of gaps says it does", ErrDamaged, idx)
		}
		out = append(out, Gap{Entry: idx, At: records[0].At.UTC, RollbackAccepted: e})
	}
	return out, nil
}

// unexplained leaves out what others remember of entries that were lost and that the ledger explains. What fits the ledger as it is stays.
func (s *Store) unexplained(q *query, head ledger.Head, tiles ledger.TileReader, anchors []ledger.Anchor) (kept, lost []ledger.Anchor, err error) {
	gaps, err := s.gaps(q)
	if err != nil || len(gaps) == 0 {
		return anchors, nil, err
	}
	for _, a := range anchors {
		explained := false
		for _, g := range gaps {
			explained = explained || g.explains(a)
		}
		if explained && fits(q.ctx, head, tiles, a) {
			explained = false
		}
		if explained {
			lost = append(lost, a)
		} else {
			kept = append(kept, a)
		}
	}
	return kept, lost, nil
}

func fits(ctx context.Context, head ledger.Head, tiles ledger.TileReader, a ledger.Anchor) bool {
	return a.Size <= head.Size && ledger.CheckHead(ctx, head, tiles, []ledger.Anchor{a}) == nil
}

// acceptLoss lets an opening go on behind a head that was lost, if two people said so about exactly this.
func (s *Store) acceptLoss(head ledger.Head, err error) error {
	is, found := LostOf(head, err)
	if !found || s.cfg.Accept == nil || !sameLoss(is, *s.cfg.Accept) {
		return err
	}
	a := *s.cfg.Accept
	if a.ProposedBy == "" || a.ConfirmedBy == "" || a.ProposedBy == a.ConfirmedBy {
		return err
	}
	s.accepted = &a
	return nil
}

// recordLoss appends the entry that explains the gap, first of all, with the marks that go with it.
func (b *batch) recordLoss() error {
	a := b.s.accepted
	if a == nil {
		return nil
	}
	if b.size != a.Size {
		return fmt.Errorf("%w: the loss was accepted at %d entries, there are %d", ErrDamaged, a.Size, b.size)
	}
	now, err := b.plainNow()
	if err != nil {
		return err
	}
	if _, err := b.appendEvents("", now, []workflows.StreamEvent{{Stream: workflows.SystemStream, Actor: workflows.SystemActor, Event: *a}}); err != nil {
		return err
	}
	var list string
	if _, err := b.one(`SELECT value FROM meta WHERE key = $1`, []any{&list}, metaGaps); err != nil {
		return err
	}
	for key, value := range map[string]string{metaGaps: strings.TrimSpace(fmt.Sprintf("%s %d", list, a.Size)), metaReconcile: "1"} {
		if _, err := b.write(`INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value); err != nil {
			return err
		}
	}
	return nil
}

// plainNow is the instant of this callback without an entry about a clock that was set: the entry about lost entries comes first.
func (b *batch) plainNow() (workflows.Instant, error) {
	if err := b.lockHead(); err != nil {
		return workflows.Instant{}, err
	}
	at, _, _ := b.clock.now(b.s.cfg.Clock.Now())
	return at, nil
}

// Unreconciled tells whether entries were lost and targets not asked since what they have.
func (s *Store) Unreconciled(ctx context.Context) (bool, error) {
	var n int64
	_, err := s.reader(ctx).one(`SELECT COUNT(*) FROM meta WHERE key = $1`, []any{&n}, metaReconcile)
	return n > 0, err
}

// Reconciled says that all targets were asked, and removes what people said before: the ledger holds it now.
func (s *Store) Reconciled(ctx context.Context) (err error) {
	defer wrap(&err, "noting that targets were asked")
	err = s.do(ctx, func(b *batch) error {
		_, err := b.write(`DELETE FROM meta WHERE key = $1`, metaReconcile)
		return err
	})
	if err != nil {
		return err
	}
	if err := os.Remove(s.cfg.AcceptanceFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Explained divides what others remember into what the ledger must agree with and what it explains as lost. In a ledger that cannot be
// read well enough to tell, nothing is explained.
func (s *Store) Explained(ctx context.Context, anchors []ledger.Anchor) (kept, lost []ledger.Anchor, err error) {
	gaps, err := s.Gaps(ctx)
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrSchema) || len(gaps) == 0 && err == nil {
		return anchors, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	err = s.snapshot(ctx, func(head ledger.Head, tiles ledger.TileReader) (err error) {
		kept, lost, err = s.unexplained(s.reader(ctx), head, tiles, anchors)
		return err
	})
	if err != nil && ctx.Err() == nil {
		return anchors, nil, nil
	}
	return kept, lost, err
}
