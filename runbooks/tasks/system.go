package tasks

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// System is one that keeps tasks. Package cmd makes a source of the desk out of it.
type System interface {
	// Covers tells by its form whether a reference is one of the system's. No I/O.
	Covers(ref string) bool

	// Task asks the system. That there is no such task is an answer; an error means "cannot tell".
	Task(ctx context.Context, ref string) (workflows.Task, error)
}

// Hooked is a System that posts webhooks to us.
type Hooked interface {
	// Hook verifies a webhook and gives the references that it names; none when it is about something else.
	Hook(header http.Header, body []byte, now time.Time) ([]string, error)
}

// grantless makes a system stand among the connectors: it grants nothing, so there is nothing to take back.
type grantless struct{ name string }

// Describe says that nothing is granted.
func (s grantless) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{Name: s.name, EndsSessions: true, Timeout: askTimeout}
}

// Grant refuses.
func (s grantless) Grant(context.Context, runbooks.Grant) (runbooks.Receipt, error) {
	return runbooks.Receipt{}, runbooks.Errorf(runbooks.Refuse, nil, "%s keeps tasks: there is nothing to be granted", s.name)
}

// Revoke finds nothing.
func (s grantless) Revoke(context.Context, runbooks.Grant) (runbooks.Receipt, error) {
	return runbooks.Receipt{Ref: s.name}, nil
}

// Check finds nothing.
func (s grantless) Check(context.Context, runbooks.Grant) (runbooks.Presence, error) {
	return runbooks.Absent, nil
}

// Memory gives an answer again for half a minute. It is safe for concurrent use.
type Memory struct {
	system System
	now    func() time.Time

	mu   sync.Mutex
	kept map[string]kept
}

type kept struct {
	task workflows.Task
	at   time.Time
}

// Remember puts a memory before a system; now is product time, nil: time.Now.
func Remember(s System, now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{system: s, now: now, kept: map[string]kept{}}
}

// Covers asks the system.
func (m *Memory) Covers(ref string) bool { return len(ref) <= maxRef && m.system.Covers(ref) }

// Task gives what is known, or asks. Errors are not kept.
func (m *Memory) Task(ctx context.Context, ref string) (workflows.Task, error) {
	m.mu.Lock()
	k, ok := m.kept[ref]
	m.mu.Unlock()
	if ok && m.now().Sub(k.at) < fresh && m.now().Sub(k.at) >= 0 {
		return k.task, nil
	}
	at := m.now() // the answer is as old as the question
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	t, err := m.system.Task(ctx, ref)
	if err != nil {
		return workflows.Task{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) >= maxKept {
		clear(m.kept)
	}
	m.kept[ref] = kept{t, at}
	return t, nil
}

// Forget has the next question asked in earnest.
func (m *Memory) Forget(ref string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.kept, ref)
}

// Clean bounds what a system says of a task, and makes its texts fit to be shown. What does not exist has nothing to say.
func Clean(t workflows.Task) workflows.Task {
	if !t.Exists {
		return workflows.Task{Ref: t.Ref}
	}
	t.Status, t.Title = rest.Clean(t.Status, maxStatus), rest.Clean(t.Title, maxTitle)
	if len(t.Link) > maxLink || !strings.HasPrefix(t.Link, "https://") || rest.Clean(t.Link, maxLink) != t.Link {
		t.Link = ""
	}
	var who []string
	for _, a := range t.Assignees {
		if a = strings.ToLower(rest.Clean(a, maxAssignee)); a != "" && len(who) < maxAssignees {
			who = append(who, a)
		}
	}
	t.Assignees = who
	return t
}

// stamp is a moment as the ledger writes it; zero stays zero.
func stamp(t time.Time) workflows.Stamp {
	if t.IsZero() {
		return 0
	}
	return workflows.StampOf(t)
}
