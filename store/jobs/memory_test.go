package jobs_test

import (
	"context"
	"slices"
	"sync"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
)

// row is a job as the queue in memory keeps it.
type row struct {
	jobs.Job
	due    workflows.Stamp
	leased bool
}

// memory is a Queue without a database, for tests of the worker alone. Package store has the real one.
type memory struct {
	clock jobs.Clock
	hand  func(workflows.Stamp)

	mu       sync.Mutex
	rows     map[int64]*row
	next     int64
	claims   int
	settled  []jobs.Verdict
	maxClaim int
}

func newMemory(clock jobs.Clock) *memory {
	return &memory{clock: clock, rows: make(map[int64]*row)}
}

func (m *memory) add(j jobs.Job) int64 {
	m.mu.Lock()
	m.next++
	j.ID, j.Gen = m.next, 1
	m.rows[j.ID] = &row{Job: j, due: max(j.Due, 1)}
	hand := m.hand
	m.mu.Unlock()
	if hand != nil {
		hand(max(j.Due, 1))
	}
	return j.ID
}

func (m *memory) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows)
}

func (m *memory) claimed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.claims
}

func (m *memory) get(id int64) (row, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.rows[id]
	if !ok {
		return row{}, false
	}
	return *r, true
}

func (m *memory) Claim(_ context.Context, limit int) (out []jobs.Job, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claims++
	now := workflows.StampOf(m.clock.Now().Wall)
	var due []*row
	for _, r := range m.rows {
		if !r.leased && r.due <= now {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b *row) int {
		if a.Lane != b.Lane {
			return int(b.Lane - a.Lane)
		}
		return int(a.ID - b.ID)
	})
	for _, r := range due[:min(limit, len(due))] {
		r.leased = true
		out = append(out, r.Job)
	}
	m.maxClaim = max(m.maxClaim, len(out))
	return out, nil
}

func (m *memory) NextDue(context.Context) (next workflows.Stamp, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if !r.leased && (next == 0 || r.due < next) {
			next = r.due
		}
	}
	return next, nil
}

func (m *memory) Settle(_ context.Context, j jobs.Job, v jobs.Verdict) error {
	m.mu.Lock()
	m.settled = append(m.settled, v)
	r, ok := m.rows[j.ID]
	if !ok {
		m.mu.Unlock()
		return nil
	}
	if v.Ended == jobs.Finished {
		delete(m.rows, j.ID)
		m.mu.Unlock()
		return nil
	}
	r.leased = false
	r.due = workflows.StampOf(m.clock.Now().Wall).Add(v.After)
	if v.Ended != jobs.Postponed {
		r.Attempts++
		r.LastError = v.Error
	}
	due, hand := r.due, m.hand
	m.mu.Unlock()
	if hand != nil {
		hand(due)
	}
	return nil
}
