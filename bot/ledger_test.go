package bot_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
)

// memory is a ledger in memory that keeps the promises of desk.Ledger and the tables that bot needs: one writer, causes that are consumed
// once, jobs and lists as the difference to the fold, surfaces that fall behind when their stream moves.
type memory struct {
	writing   sync.Mutex // held while something is decided; what a decision reads, it reads as anybody does
	mu        sync.Mutex
	now       time.Time
	mono      time.Duration
	index     int64
	histories map[workflows.StreamID][]workflows.Record
	documents map[workflows.DocHash]workflows.Document
	causes    map[workflows.Cause]workflows.Result
	jobs      map[workflows.StreamID][]workflows.Job
	lists     map[workflows.StreamID][]workflows.Listing
	surfaces  []*row
	accounts  []bot.Account
	persons   map[string]workflows.PersonID
	inbox     []stored
	ids       int
	broken    error // when set, nothing can be written
}

type row struct {
	bot.Surface
	behind bool
}

type stored struct {
	in   slack.Received
	at   workflows.Stamp
	done bool
}

func newMemory() *memory {
	return &memory{
		now:       time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC),
		histories: map[workflows.StreamID][]workflows.Record{}, documents: map[workflows.DocHash]workflows.Document{},
		causes: map[workflows.Cause]workflows.Result{}, jobs: map[workflows.StreamID][]workflows.Job{},
		lists: map[workflows.StreamID][]workflows.Listing{}, persons: map[string]workflows.PersonID{},
	}
}

func (m *memory) Update(_ context.Context, cause workflows.Cause, streams []workflows.StreamID, decide func(workflows.Facts) (workflows.Outcome, error)) (workflows.Result, error) {
	m.writing.Lock()
	defer m.writing.Unlock()
	f, r, err := m.facts(cause, streams)
	if err != nil || r.Replayed {
		return r, err
	}
	out, err := decide(f)
	if err != nil {
		return workflows.Result{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range out.Documents {
		m.documents[d.Hash] = d
	}
	res := workflows.Result{Refusal: out.Refusal}
	for _, e := range out.Events {
		res.Records = append(res.Records, m.append(cause, e, f.Now))
	}
	for s, j := range out.Pending {
		m.jobs[s] = j
	}
	for s, l := range out.Listings {
		m.lists[s] = l
	}
	for _, s := range out.Touch {
		m.touch(s)
	}
	if cause != "" {
		m.causes[cause] = res
	}
	return res, nil
}

func (m *memory) facts(cause workflows.Cause, streams []workflows.StreamID) (workflows.Facts, workflows.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := workflows.Facts{Now: m.instant(), Histories: map[workflows.StreamID][]workflows.Record{}}
	if m.broken != nil {
		return f, workflows.Result{}, m.broken
	}
	if r, ok := m.causes[cause]; ok && cause != "" {
		r.Replayed = true
		return f, r, nil
	}
	for _, s := range streams {
		f.Histories[s] = slices.Clone(m.histories[s])
	}
	return f, workflows.Result{}, nil
}

func (m *memory) append(cause workflows.Cause, e workflows.StreamEvent, now workflows.Instant) workflows.Record {
	h := m.histories[e.Stream]
	r := workflows.Record{
		Index: m.index, ID: "e_" + strconv.FormatInt(m.index, 10), Stream: e.Stream, Seq: int64(len(h)) + 1, At: now, Actor: e.Actor,
		Person: e.Person, Cause: string(cause), Policy: e.Policy, Event: e.Event,
	}
	m.index++
	m.histories[e.Stream] = append(h, r)
	m.touch(e.Stream)
	return r
}

func (m *memory) touch(s workflows.StreamID) {
	for _, f := range m.surfaces {
		f.behind = f.behind || f.Stream == s
	}
}

func (m *memory) instant() workflows.Instant {
	return workflows.Instant{UTC: workflows.StampOf(m.now), Mono: int64(m.mono)}
}

func (m *memory) pass(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now, m.mono = m.now.Add(d), m.mono+d
}

func (m *memory) clock() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *memory) History(_ context.Context, s workflows.StreamID) ([]workflows.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.histories[s]), nil
}

func (m *memory) Page(ctx context.Context, list, member string, after workflows.StreamID, limit int) ([]workflows.StreamID, error) {
	all, err := m.List(ctx, list, member, 0)
	slices.Sort(all)
	i := slices.IndexFunc(all, func(s workflows.StreamID) bool { return s > after })
	if i < 0 {
		return nil, err
	}
	return all[i:min(len(all), i+limit)], err
}

func (m *memory) List(_ context.Context, list, member string, limit int) ([]workflows.StreamID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	type hit struct {
		s    workflows.StreamID
		sort int64
	}
	var hits []hit
	for s, ls := range m.lists {
		for _, l := range ls {
			if l.List == list && l.Member == member {
				hits = append(hits, hit{s, l.Sort})
			}
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		if a.sort != b.sort {
			return int(b.sort - a.sort)
		}
		return strings.Compare(string(a.s), string(b.s))
	})
	var out []workflows.StreamID
	for _, h := range hits {
		if limit == 0 || len(out) < limit {
			out = append(out, h.s)
		}
	}
	return out, nil
}

func (m *memory) Document(_ context.Context, h workflows.DocHash) (workflows.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.documents[h]
	if !ok {
		return d, fmt.Errorf("document %q: not found", h)
	}
	return d, nil
}

// due are the jobs that are owed now, urgent ones first.
func (m *memory) due() map[workflows.StreamID][]workflows.Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[workflows.StreamID][]workflows.Job{}
	for s, list := range m.jobs {
		for _, j := range list {
			if j.Due <= workflows.StampOf(m.now) {
				out[s] = append(out[s], j)
			}
		}
	}
	return out
}

// behind gives the surfaces that must be painted, and marks them painted: one that moves meanwhile falls behind again.
func (m *memory) behind() []bot.Surface {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []bot.Surface
	for _, f := range m.surfaces {
		if f.behind {
			f.behind = false
			out = append(out, f.Surface)
		}
	}
	return out
}

// Save implements bot.Surfaces.
func (m *memory) Save(_ context.Context, f bot.Surface, seq int64) (bot.Surface, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.surfaces {
		if x.Home == f.Home && x.Channel == f.Channel && x.TS == f.TS && x.Person == f.Person {
			x.Stream, x.Pace = f.Stream, f.Pace
			return x.Surface, nil
		}
	}
	m.ids++
	f.ID = int64(m.ids)
	m.surfaces = append(m.surfaces, &row{Surface: f, behind: int64(len(m.histories[f.Stream])) > seq})
	return f, nil
}

// Of implements bot.Surfaces.
func (m *memory) Of(_ context.Context, s workflows.StreamID) ([]bot.Surface, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []bot.Surface
	for _, f := range m.surfaces {
		if f.Stream == s {
			out = append(out, f.Surface)
		}
	}
	return out, nil
}

// At implements bot.Surfaces.
func (m *memory) At(_ context.Context, channel, ts string) (bot.Surface, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.surfaces {
		if f.Channel == channel && f.TS == ts && f.Person == "" && !f.Home {
			return f.Surface, true, nil
		}
	}
	return bot.Surface{}, false, nil
}

// stored is how many interactions were made durable.
func (m *memory) stored() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.inbox)
}

// Threaded implements bot.Surfaces.
func (m *memory) Threaded(_ context.Context, id, seq int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.surfaces {
		if f.ID == id {
			f.Thread = max(f.Thread, seq)
		}
	}
	return nil
}

// Drop implements bot.Surfaces.
func (m *memory) Drop(_ context.Context, id int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.surfaces = slices.DeleteFunc(m.surfaces, func(f *row) bool { return f.ID == id })
	return nil
}

// people of the ledger's own tables.

type tables struct{ m *memory }

func (t tables) Ensure(_ context.Context, kind, key string) (bot.Account, error) {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	for _, a := range t.m.accounts {
		if a.Kind == kind && a.Key == key {
			return a, nil
		}
	}
	a := bot.Account{Actor: workflows.ActorID("a_" + strings.ToLower(strings.ReplaceAll(key, "/", "-"))), Kind: kind, Key: key}
	t.m.accounts = append(t.m.accounts, a)
	return a, nil
}

func (t tables) Link(_ context.Context, actor workflows.ActorID, p workflows.PersonID) error {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	for i := range t.m.accounts {
		if t.m.accounts[i].Actor == actor {
			t.m.accounts[i].Person = p
			return nil
		}
	}
	return errors.New("no such account")
}

func (t tables) ByActor(_ context.Context, actor workflows.ActorID) (bot.Account, error) {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	for _, a := range t.m.accounts {
		if a.Actor == actor {
			return a, nil
		}
	}
	return bot.Account{}, nil
}

func (t tables) Of(_ context.Context, p workflows.PersonID) ([]bot.Account, error) {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	var out []bot.Account
	for _, a := range t.m.accounts {
		if a.Person == p {
			out = append(out, a)
		}
	}
	return out, nil
}

func (t tables) EnsurePerson(_ context.Context, key string) (workflows.PersonID, error) {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	if p, ok := t.m.persons[key]; ok {
		return p, nil
	}
	p := workflows.PersonID(fmt.Sprintf("p_%032d", len(t.m.persons)+1))
	t.m.persons[key] = p
	return p, nil
}

// Put implements slack.Inbox.
func (m *memory) Put(_ context.Context, in slack.Received) (string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, s := range m.inbox {
		for _, k := range in.Keys {
			if slices.Contains(s.in.Keys, k) {
				return strconv.Itoa(i), true, nil
			}
		}
	}
	m.inbox = append(m.inbox, stored{in: in, at: workflows.StampOf(m.now)})
	return strconv.Itoa(len(m.inbox) - 1), false, nil
}

// ReceivedAt implements bot.Inbox.
func (m *memory) ReceivedAt(_ context.Context, id string) (workflows.Stamp, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := strconv.Atoi(id)
	if err != nil || i >= len(m.inbox) {
		return 0, fmt.Errorf("inbox row %q: not found", id)
	}
	return m.inbox[i].at, nil
}

// Done implements bot.Inbox.
func (m *memory) Done(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := strconv.Atoi(id)
	if err != nil || i >= len(m.inbox) {
		return fmt.Errorf("inbox row %q: not found", id)
	}
	m.inbox[i].done = true
	return nil
}

// undone are the interactions that nobody has finished, as they would be read after a restart.
func (m *memory) undone() ([]slack.Interaction, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []slack.Interaction
	for i, s := range m.inbox {
		if s.done {
			continue
		}
		in, err := slack.Decode(s.in.Kind, s.in.Body)
		if err != nil {
			return nil, err
		}
		in.InboxID = strconv.Itoa(i)
		out = append(out, in)
	}
	return out, nil
}

// New implements desk.IDs.
func (m *memory) New(prefix string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ids++
	return fmt.Sprintf("%s%022dq%03d", prefix, 0, m.ids)
}

// Nonce implements desk.IDs.
func (m *memory) Nonce() string { return m.New("n") }
