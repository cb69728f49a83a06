package desk_test

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// tap is the ledger with an ear: it counts decisions by cause and can be told to fail reads.
type tap struct {
	desk.Ledger
	mu      sync.Mutex
	decided map[desk.Cause]int
	broken  bool   // reads fail
	few     int    // List gives at most so many, as a store does of a long list; zero: what it gives
	forged  []byte // what documents are read as; nil: as they are
}

func (l *tap) Update(ctx context.Context, cause desk.Cause, streams []workflows.StreamID, decide func(workflows.Facts) (workflows.Outcome, error)) (desk.Result, error) {
	return l.Ledger.Update(ctx, cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		l.mu.Lock()
		if l.decided == nil {
			l.decided = map[desk.Cause]int{}
		}
		l.decided[cause]++
		l.mu.Unlock()
		return decide(f)
	})
}

func (l *tap) times(c desk.Cause) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.decided[c]
}

var errDisk = errors.New("the disk is gone")

func (l *tap) fails(broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = broken
}

func (l *tap) swap(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forged = text
}

func (l *tap) gives(few int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.few = few
}

func (l *tap) atMost() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.few
}

func (l *tap) isBroken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

func (l *tap) History(ctx context.Context, s workflows.StreamID) ([]workflows.Record, error) {
	if l.isBroken() {
		return nil, errDisk
	}
	return l.Ledger.History(ctx, s)
}

func (l *tap) List(ctx context.Context, list, member string, limit int) ([]workflows.StreamID, error) {
	if l.isBroken() {
		return nil, errDisk
	}
	if few := l.atMost(); few > 0 && (limit <= 0 || limit > few) {
		limit = few
	}
	return l.Ledger.List(ctx, list, member, limit)
}

func (l *tap) Page(ctx context.Context, list, member string, after workflows.StreamID, limit int) ([]workflows.StreamID, error) {
	if l.isBroken() {
		return nil, errDisk
	}
	return l.Ledger.Page(ctx, list, member, after, limit)
}

func (l *tap) Document(ctx context.Context, h workflows.DocHash) (workflows.Document, error) {
	if l.isBroken() {
		return workflows.Document{}, errDisk
	}
	d, err := l.Ledger.Document(ctx, h)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.forged != nil {
		d.Bytes = l.forged
	}
	return d, err
}

// directory answers as the draft lists people, unless told otherwise.
type directory struct {
	mu     sync.Mutex
	draft  func() *draft
	people map[workflows.PersonID]func(workflows.Standing) workflows.Standing // who is not as usual
	silent map[workflows.PersonID]bool                                        // cannot be asked about
	chat   map[string][]workflows.PersonID
	quiet  map[string]bool // chat groups that cannot be asked
	hook   func(workflows.PersonID)
}

var (
	errSilent = errors.New("the chat does not answer")
	usual     = workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true}
)

// The ways in which somebody is not as usual.
func inactive(s workflows.Standing) workflows.Standing { s.Active = false; return s }
func guest(s workflows.Standing) workflows.Standing    { s.Member = false; return s }
func unlinked(s workflows.Standing) workflows.Standing { s.Linked = false; return s }
func robot(s workflows.Standing) workflows.Standing    { s.Human = false; return s }
func unknown(workflows.Standing) workflows.Standing    { return workflows.Standing{} }

func (d *directory) is(name string, how func(workflows.Standing) workflows.Standing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.people[person(name)] = how
}

func (d *directory) hush(names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = map[workflows.PersonID]bool{}
	for _, n := range names {
		d.silent[person(n)] = true
	}
}

// meanwhile runs once, the next time somebody is asked about: between asking the world and deciding.
func (d *directory) meanwhile(name string, fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hook = func(p workflows.PersonID) {
		if p == person(name) {
			d.mu.Lock()
			d.hook = nil
			d.mu.Unlock()
			fn()
		}
	}
}

func (d *directory) group(handle string, names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.chat == nil {
		d.chat, d.quiet = map[string][]workflows.PersonID{}, map[string]bool{}
	}
	d.chat[handle] = persons(names...)
}

func (d *directory) mute(handle string, quiet bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.quiet == nil {
		d.quiet = map[string]bool{}
	}
	d.quiet[handle] = quiet
}

// Standing implements desk.Directory.
func (d *directory) Standing(_ context.Context, by workflows.Acting) (workflows.Standing, error) {
	d.mu.Lock()
	hook := d.hook
	d.mu.Unlock()
	if hook != nil {
		hook(by.Person)
	}
	return d.StandingOf(context.Background(), by.Person)
}

// StandingOf implements desk.Directory.
func (d *directory) StandingOf(_ context.Context, p workflows.PersonID) (workflows.Standing, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.silent[p] {
		return workflows.Standing{}, errSilent
	}
	s := usual
	if how, ok := d.people[p]; ok {
		s = how(s)
	}
	return s, nil
}

// ChatGroup implements desk.Directory.
func (d *directory) ChatGroup(_ context.Context, handle string) ([]workflows.PersonID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	members, ok := d.chat[handle]
	if !ok || d.quiet[handle] {
		return nil, errSilent
	}
	return members, nil
}

// ChatChannel implements desk.Directory: channels and groups differ by their first letter only.
func (d *directory) ChatChannel(ctx context.Context, name string) ([]workflows.PersonID, error) {
	return d.ChatGroup(ctx, name)
}

// Name implements desk.Directory.
func (d *directory) Name(_ context.Context, p workflows.PersonID) string {
	return strings.ToUpper(strings.TrimPrefix(string(p), "p_"))
}
