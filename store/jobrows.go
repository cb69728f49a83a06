package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
)

// Who asks for a job, and so who may end it.
const (
	madeByFold     = "fold"     // Outcome.Pending: gone when the fold no longer asks for it
	madeByPaint    = "paint"    // a surface is behind: gone when it was painted
	madeBySchedule = "schedule" // an occurrence of recurring work: gone when it ran, and the next one stands
)

var _ jobs.Queue = (*Store)(nil)

func sortedStreams[V any](m map[workflows.StreamID]V) []workflows.StreamID {
	return slices.Sorted(maps.Keys(m))
}

type jobName struct{ kind, key string }

// jobRow is a row as far as the difference needs it.
type jobRow struct {
	id, gen, dueWanted int64
	leased             bool
	lane               int64
	pace               string
}

// diffJobs makes the rows of a stream equal to what its fold asks for. A job that is asked for as before keeps its row, its lease
// and its attempts; a due time that moved is a new asking.
func (b *batch) diffJobs(now workflows.Instant, stream workflows.StreamID, want []workflows.Job) error {
	if len(want) > maxPending {
		return fmt.Errorf("%d exceed the limit of %d", len(want), maxPending)
	}
	have, err := b.jobRows(stream)
	if err != nil {
		return err
	}
	if len(want) == 0 && len(have) == 0 {
		return nil
	}
	asked := make(map[jobName]bool, len(want))
	for _, j := range want {
		name := jobName{j.Kind, j.Key}
		if asked[name] {
			continue
		}
		asked[name] = true
		row, ok := have[name]
		if !ok {
			have[name], err = b.insertJob(now.UTC, stream, j, madeByFold)
		} else if row.dueWanted != int64(j.Due) || row.lane != int64(j.Lane) || row.pace != j.Pace {
			have[name], err = b.askAgain(now.UTC, row, stream, j)
		}
		if err != nil {
			return err
		}
	}
	for name, row := range have {
		if asked[name] {
			continue
		}
		if _, err := b.write(`DELETE FROM job WHERE id = $1`, row.id); err != nil {
			return err
		}
		delete(have, name)
	}
	return nil
}

// jobRows gives the rows of a stream that its fold asked for. The map is what the writer knows of them: the caller keeps it true.
func (b *batch) jobRows(stream workflows.StreamID) (map[jobName]jobRow, error) {
	known := b.w.known.of(stream)
	if known.jobs != nil {
		return known.jobs, nil
	}
	have := make(map[jobName]jobRow)
	err := b.each(`
		SELECT kind, key, id, gen, due_wanted, leased, lane, pace
		FROM job
		WHERE stream = $1 AND made_by = $2`,
		func(scan func(...any) error) error {
			var n jobName
			var r jobRow
			var leased int64
			if err := scan(&n.kind, &n.key, &r.id, &r.gen, &r.dueWanted, &leased, &r.lane, &r.pace); err != nil {
				return err
			}
			r.leased = leased == 1
			have[n] = r
			return nil
		}, string(stream), madeByFold)
	if err == nil {
		known.jobs = have
	}
	return have, err
}

// lease tells whether a job that is due now goes straight to the worker of this process.
func (b *batch) lease(now, due workflows.Stamp) bool {
	if due > now || b.room <= 0 {
		return false
	}
	b.room--
	return true
}

// noteDue keeps the earliest instant the worker has to wake for.
func (b *batch) noteDue(due workflows.Stamp) {
	if b.wake == 0 || due < b.wake {
		b.wake = max(due, 1)
	}
}

// insertJob writes the row of a job and gives it.
func (b *batch) insertJob(now workflows.Stamp, stream workflows.StreamID, j workflows.Job, madeBy string) (jobRow, error) {
	leased, due := b.lease(now, j.Due), j.Due
	switch {
	case leased:
		due = far
	case due == 0:
		due = now
	}
	id, err := b.insertID(`
		INSERT INTO job (stream, kind, key, made_by, gen, due_wanted, due, leased, lease_owner, lease_end, attempts, lane, pace, last_error)
		VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, 0, $10, $11, '')`,
		string(stream), j.Kind, j.Key, madeBy, int64(j.Due), int64(due), flag(leased), b.s.leaseOwner(leased), b.s.leaseEnd(leased),
		int64(j.Lane), j.Pace)
	if err != nil {
		return jobRow{}, err
	}
	if leased {
		b.handed = append(b.handed, handedJob(id, 1, stream, j))
	} else {
		b.noteDue(due)
	}
	return jobRow{id: id, gen: 1, dueWanted: int64(j.Due), leased: leased, lane: int64(j.Lane), pace: j.Pace}, nil
}

// askAgain renews the asking for a job whose row exists, and gives the row. One that is running now is looked at again when it has run.
func (b *batch) askAgain(now workflows.Stamp, row jobRow, stream workflows.StreamID, j workflows.Job) (jobRow, error) {
	row.gen++
	row.dueWanted, row.lane, row.pace = int64(j.Due), int64(j.Lane), j.Pace
	if row.leased {
		_, err := b.write(`UPDATE job SET gen = gen + 1, due_wanted = $1, lane = $2, pace = $3 WHERE id = $4`,
			int64(j.Due), int64(j.Lane), j.Pace, row.id)
		return row, err
	}
	leased, due := b.lease(now, j.Due), j.Due
	switch {
	case leased:
		due = far
	case due == 0:
		due = now
	}
	_, err := b.write(`
		UPDATE job
		SET gen = gen + 1, due_wanted = $1, due = $2, leased = $3, lease_owner = $4, lease_end = $5, attempts = 0, lane = $6, pace = $7
		WHERE id = $8`,
		int64(j.Due), int64(due), flag(leased), b.s.leaseOwner(leased), b.s.leaseEnd(leased), int64(j.Lane), j.Pace, row.id)
	if err != nil {
		return row, err
	}
	row.leased = leased
	if leased {
		b.handed = append(b.handed, handedJob(row.id, row.gen, stream, j))
	} else {
		b.noteDue(due)
	}
	return row, nil
}

func handedJob(id, gen int64, stream workflows.StreamID, j workflows.Job) jobs.Job {
	return jobs.Job{ID: id, Gen: gen, Stream: stream, Kind: j.Kind, Key: j.Key, Due: j.Due, Lane: j.Lane, Pace: j.Pace}
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// shiftJobs brings forward what waits, when the wall clock was set back: elapsed time also ends things (a grant ends when the
// first of two clocks says so), so each job is looked at when it would have been. The fold then decides, and a job that is early
// is put back to its wanted time.
func (b *batch) shiftJobs(to, from workflows.Stamp) error {
	if to >= from {
		return nil
	}
	_, err := b.write(`UPDATE job SET due = due - $1 WHERE leased = 0 AND due > $2`, int64(from-to), int64(to))
	b.noteDue(to)
	return err
}

// Claim implements jobs.Queue.
func (s *Store) Claim(ctx context.Context, limit int) (out []jobs.Job, err error) {
	defer wrap(&err, "claiming jobs")
	now := s.nowStamp()
	if next, err := s.NextDue(ctx); err != nil || next == 0 || next > now {
		return nil, err // nothing due: no transaction
	}
	err = s.do(ctx, func(b *batch) error { return b.claim(now, limit, &out) })
	if err != nil {
		return nil, err
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		return cmp.Or(cmp.Compare(b.Lane, a.Lane), cmp.Compare(a.Due, b.Due), cmp.Compare(a.ID, b.ID)) < 0
	})
	return out, nil
}

// claim takes the urgent lane first. One statement for each lane, so that the index gives the rows in order and nothing is sorted.
func (b *batch) claim(now workflows.Stamp, limit int, out *[]jobs.Job) error {
	text := claimText
	if b.pg {
		text = claimTextPG
	}
	b.wrote()
	for _, lane := range []workflows.Lane{workflows.LaneUrgent, workflows.LaneNormal} {
		err := b.each(text, func(scan func(...any) error) error {
			var j jobs.Job
			if err := scan(&j.ID, &j.Gen, &j.Stream, &j.Kind, &j.Key, &j.Due, &j.Lane, &j.Pace, &j.Attempts, &j.LastError); err != nil {
				return err
			}
			*out = append(*out, j)
			b.w.known.forget(j.Stream)
			return nil
		}, int64(far), b.s.owner, leaseTime.Microseconds(), int64(now), int64(lane), int64(limit-len(*out)))
		if err != nil {
			return err
		}
	}
	return nil
}

// The two claims differ in the lease, which PostgreSQL measures on its own clock, and in stepping over rows of other replicas.
const (
	claimText = `
		UPDATE job
		SET leased = 1, due = $1, lease_owner = $2, lease_end = $3
		WHERE id IN (SELECT id FROM job WHERE lane = $5 AND due <= $4 ORDER BY due LIMIT $6)
		RETURNING id, gen, stream, kind, key, due_wanted, lane, pace, attempts, last_error`
	claimTextPG = `
		UPDATE job
		SET leased = 1, due = $1, lease_owner = $2, lease_end = lease_now() + $3
		WHERE id IN (SELECT id FROM job WHERE lane = $5 AND due <= $4 ORDER BY due LIMIT $6 FOR UPDATE SKIP LOCKED)
		RETURNING id, gen, stream, kind, key, due_wanted, lane, pace, attempts, last_error`
)

// nextDueText looks at the two ends of one index. Leased rows stand at far, behind all others.
const nextDueText = `
	SELECT COALESCE(MIN(due), 0)
	FROM (SELECT MIN(due) AS due FROM job WHERE lane = 0 UNION ALL SELECT MIN(due) FROM job WHERE lane = 1) AS lanes`

// NextDue implements jobs.Queue.
func (s *Store) NextDue(ctx context.Context) (workflows.Stamp, error) {
	var due int64
	_, err := s.reader(ctx).one(nextDueText, []any{&due})
	if err != nil {
		return 0, fmt.Errorf("reading the next due time: %w", err)
	}
	if due == far {
		return 0, nil
	}
	return workflows.Stamp(due), nil
}

// Settle implements jobs.Queue.
func (s *Store) Settle(ctx context.Context, j jobs.Job, v jobs.Verdict) (err error) {
	defer wrap(&err, "settling job %d", j.ID)
	var id int64
	found, err := s.reader(ctx).one(`SELECT id FROM job WHERE id = $1`, []any{&id}, j.ID)
	if err != nil || !found {
		return err // the fold ended it: no transaction
	}
	now := s.nowStamp()
	return s.do(ctx, func(b *batch) error { return b.settle(now, j, v) })
}

func (b *batch) settle(now workflows.Stamp, j jobs.Job, v jobs.Verdict) error {
	b.w.known.forget(j.Stream)
	var gen, wanted int64
	var madeBy string
	found, err := b.one(`SELECT gen, due_wanted, made_by FROM job WHERE id = $1 AND lease_owner = $2 AND leased = 1`,
		[]any{&gen, &wanted, &madeBy}, j.ID, b.s.leaseOwner(true))
	if err != nil || !found {
		return err
	}
	if gen != j.Gen {
		// Asked for anew while it ran: whatever this run said is about the past.
		return b.giveBack(now, j.ID, max(workflows.Stamp(wanted), now), 0, "")
	}
	switch v.Ended {
	case jobs.Finished:
		if _, err := b.write(`DELETE FROM job WHERE id = $1`, j.ID); err != nil || madeBy != madeBySchedule {
			return err
		}
		return b.scheduleNext(now, j.Kind)
	case jobs.Returned:
		if wanted > int64(now) {
			return b.giveBack(now, j.ID, workflows.Stamp(wanted), 0, "") // looked at early
		}
		return b.giveBack(now, j.ID, now.Add(v.After), j.Attempts+1, "it ran and is still owed")
	case jobs.Retried:
		return b.giveBack(now, j.ID, now.Add(v.After), j.Attempts+1, v.Error)
	case jobs.Interrupted:
		return b.giveBack(now, j.ID, now, j.Attempts+1, j.LastError)
	default:
		return b.giveBack(now, j.ID, now.Add(v.After), j.Attempts, j.LastError)
	}
}

func (b *batch) giveBack(now workflows.Stamp, id int64, due workflows.Stamp, attempts int, lastError string) error {
	_, err := b.write(`UPDATE job SET leased = 0, lease_owner = '', lease_end = 0, due = $1, attempts = $2, last_error = $3 WHERE id = $4`,
		int64(due), int64(attempts), lastError, id)
	b.noteDue(max(due, now))
	return err
}

func (s *Store) leaseOwner(leased bool) string {
	if !leased {
		return ""
	}
	return s.owner
}

// leaseEnd is when a lease taken at birth may be taken over, on the database's clock as this process last saw it. The beat
// corrects it; on SQLite nobody looks at it.
func (s *Store) leaseEnd(leased bool) int64 {
	if !leased {
		return 0
	}
	return time.Now().Add(leaseTime).UnixMicro()
}

// resetLeases gives up every lease a former process on this file held. What was leased may have run and died before it was recorded: that
// counts as an attempt, so that a sender looks for its message before it sends it again.
func (b *batch) resetLeases() error {
	n, err := b.exec(`UPDATE job SET leased = 0, lease_owner = '', lease_end = 0, attempts = attempts + 1, due = CASE WHEN due_wanted < 1 THEN 1 ELSE due_wanted END WHERE leased = 1`)
	if n > 0 {
		b.wrote()
	}
	return err
}

// expireLeases takes over what replicas that went silent had leased, and renews our own. PostgreSQL only.
func (b *batch) expireLeases() error {
	b.wrote()
	if _, err := b.exec(`UPDATE job SET lease_end = lease_now() + $1 WHERE leased = 1 AND lease_owner = $2`,
		leaseTime.Microseconds(), b.s.owner); err != nil {
		return err
	}
	n, err := b.exec(`UPDATE job SET leased = 0, lease_owner = '', lease_end = 0, attempts = attempts + 1, due = CASE WHEN due_wanted < 1 THEN 1 ELSE due_wanted END WHERE leased = 1 AND lease_end < lease_now()`)
	if n > 0 {
		b.noteDue(1)
	}
	return err
}
