package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// lockedSeat is a service of the operator's own that grants and says that it failed, and takes nothing back until it gives in: it refuses, or says that it is
// done and it is not, in turn.
type lockedSeat struct {
	mu     sync.Mutex
	held   map[string]bool
	gaveIn bool
	grants int // calls
	calls  int // that took nothing back
}

func (s *lockedSeat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var o struct{ Op, Grant string }
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case o.Op == "grant":
		s.held[o.Grant] = true
		if s.grants++; s.grants == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	case o.Op == "check":
		fmt.Fprintf(w, `{"presence":%q}`, map[bool]string{true: "present", false: "absent"}[s.held[o.Grant]])
	case o.Op == "revoke" && s.gaveIn:
		delete(s.held, o.Grant)
	case o.Op == "revoke":
		if s.calls++; s.calls%2 == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"text":"permission denied: the seat is locked"}`)
	}
}

// giveIn lets the next call succeed; holds tells whether anybody has access.
func (s *lockedSeat) giveIn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaveIn = true
}

func (s *lockedSeat) refusals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func (s *lockedSeat) holds() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held) > 0
}

// refused is the whole product with a service that refuses to take Maya's access back.
type refused struct {
	*story
	t       *testing.T
	service *lockedSeat
	request string
	past    time.Duration // product time since her access was to end
	queue   *sql.DB
}

func newRefused(t *testing.T) *refused {
	t.Helper()
	service := &lockedSeat{held: map[string]bool{}}
	srv := httptest.NewServer(service)
	t.Cleanup(srv.Close)
	secret := filepath.Join(t.TempDir(), "crm.hook")
	mustSay(t, os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o600))
	_, crm, _ := strings.Cut(ownTargets, "---\n")
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	mustSay(t, err)
	d := demoAsJonas(t, map[string]string{
		"roles.yaml":             jonasRoles,
		"people.yaml":            strings.Replace(string(people), "    unix: maya\n", "    unix: maya\n    accounts: {crm: maya}\n", 1),
		"targets/crm.yaml":       strings.NewReplacer("URL", srv.URL, "SECRET", secret).Replace(crm),
		"workflows/use-crm.yaml": strings.NewReplacer("prod-db-read", "use-crm", "Read the main database", "Answer support cases", "pg-main/readonly", "crm/support", "for: [self, owned]", "for: [self]").Replace(pgWorkflow),
	})
	queue, err := sql.Open("sqlite", "file:"+filepath.Join(d.dir, "data", "countersign.db")+"?mode=ro&_pragma=busy_timeout(60000)")
	mustSay(t, err)
	t.Cleanup(func() { queue.Close() })
	return &refused{story: &story{demo: d}, t: t, service: service, queue: queue}
}

// waiting waits until the call before is settled, and gives how often the target was asked and when it will be asked next, from the queue in the database.
func (r *refused) waiting() (tries int, due time.Time) {
	r.t.Helper()
	deadline := time.After(stepPatience)
	for {
		var micros int64
		err := r.queue.QueryRowContext(r.t.Context(), `SELECT attempts, due FROM job WHERE kind = $1 AND leased = 0`, workflows.JobRevoke).Scan(&tries, &micros)
		due = workflows.Stamp(micros).Time()
		if err == nil && due.After(r.clock.Now().Wall) {
			return tries, due
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			r.t.Fatal(err)
		}
		select {
		case <-deadline:
			r.t.Fatalf("%s after its end nobody asks the target to take the access back: %v", r.past, err)
		case <-time.After(time.Millisecond):
		}
	}
}

// pass moves product time to the next call at least, and waits until the target was asked once more.
func (r *refused) pass(by time.Duration) {
	r.t.Helper()
	before, due := r.waiting()
	pause := due.Sub(r.clock.Now().Wall)
	if pause > time.Minute {
		r.t.Errorf("%s after its end the target is left alone for %s", r.past, pause)
	}
	by = max(by, pause+time.Millisecond)
	mustSay(r.t, r.advance(r.t.Context(), by))
	r.past += by
	for tries := before; tries == before; tries, _ = r.waiting() {
	}
}

// TestFault_F26_F27_F28_ThirtyDaysThroughServe: a target makes an access and answers that it failed, and then refuses for thirty days to take it back, or
// lies that it has, while the bot runs as operators run it, and is killed four times. The access is made once, and its holder told once. However long the time between two looks, it is asked again; Slack, the command line and the number for monitoring say so all the time;
// and when the target gives in, the access is gone with the next call. How often within these days is TestFault_F27_ThirtyDaysOfRefusal's.
func TestFault_F26_F27_F28_ThirtyDaysThroughServe(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the bot")
	}
	r := newRefused(t)
	ctx := t.Context()
	r.obtain(ctx, t, "use-crm", nil)
	_, err := until(ctx, "the access", func() (bool, bool) { return true, r.service.holds() })
	mustSay(t, err)
	_, err = r.dm(ctx, "maya", "Ready: ", "Support desk")
	mustSay(t, err)
	shown, err := r.ledger(ctx, "show")
	mustSay(t, err)
	r.request = requestIn(t, strings.ReplaceAll(shown, "/", " "))

	const month = 30 * 24 * time.Hour
	step := 8 * time.Hour
	if text := os.Getenv("COUNTERSIGN_TEST_REFUSAL_STEP"); text != "" {
		step, err = time.ParseDuration(text)
		mustSay(t, err)
	}
	mustSay(t, r.advance(ctx, time.Hour+time.Second))
	r.pass(2 * time.Minute)
	r.pass(5 * time.Minute)
	r.alarmed()
	killed := 0
	for r.past < month {
		r.pass(step)
		if killed < 4 && r.past > month/5*time.Duration(killed+1) {
			killed++
			mustSay(t, r.child.kill(ctx))
			r.red()
		}
	}
	tries, _ := r.waiting()
	if calls := r.service.refusals(); calls < tries || calls > tries+killed {
		t.Errorf("the service refused %d calls, the queue counts %d, and each of %d kills may have lost one", calls, tries, killed)
	}
	r.red()
	r.service.giveIn()
	_, err = until(ctx, "the access to be gone", func() (bool, bool) {
		mustSay(t, r.advance(ctx, time.Minute))
		return true, !r.service.holds()
	})
	mustSay(t, err)
	r.green()
	t.Logf("%d refusals in %s", tries, r.past)
}

// alarmed waits for both alarms: the one after a minute, and the one after five.
func (r *refused) alarmed() {
	r.t.Helper()
	_, err := until(r.t.Context(), "both alarms", func() (bool, bool) {
		out, err := r.ledger(r.t.Context(), "show", "-json")
		mustSay(r.t, err)
		return true, strings.Count(out, grants.Overdue{}.Kind()) == 2
	})
	mustSay(r.t, err)
	_, err = r.dm(r.t.Context(), "jonas", "Still open!", "Support desk")
	mustSay(r.t, err)
}

// red holds what people see while it is not gone; green what they see afterwards.
func (r *refused) red() {
	r.t.Helper()
	r.see("could not be taken back yet", "access could not be taken back since", "countersign_grants_overdue 1\n")
}

func (r *refused) green() {
	r.t.Helper()
	r.see("found it gone", "access: ended", "countersign_grants_overdue 0\n")
	for kind, want := range map[string]int{grants.Started{}.Kind(): 1, grants.Failed{}.Kind(): 0, grants.Revoked{}.Kind(): 1} {
		out, err := r.ledger(r.t.Context(), "show", "-json", "-last", "0")
		mustSay(r.t, err)
		if n := strings.Count(out, `"`+kind+`"`); n != want {
			r.t.Errorf("%d entries %s, want %d", n, kind, want)
		}
	}
	told, hers := 0, r.slack.DMChannel(r.slackID("maya"))
	for _, c := range r.slack.Calls("chat.postMessage") {
		if c.Fault == "" && c.Status == http.StatusOK && containsAll(c.Request, []string{hers, "Ready: "}) {
			told++
		}
	}
	if told != 1 {
		r.t.Errorf("she was told %d times that it is ready", told)
	}
	if out, err := r.ledger(r.t.Context(), "verify"); err != nil || !strings.Contains(out, "intact") {
		r.t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}

// see waits until the request's card, its page on the command line and the number for monitoring say so.
func (r *refused) see(card, status, number string) {
	r.t.Helper()
	looks := map[string]func() (string, bool){
		"the card": func() (string, bool) {
			m, ok := newest(r.slack.Messages("access"), []string{card})
			return fmt.Sprintf("%+v", r.slack.Messages("access")), ok && m.TS != ""
		},
		"the command line": func() (string, bool) {
			out, err := r.cli(r.t.Context(), "", "status", r.request)
			return out, err == nil && strings.Contains(strings.ToLower(out), status)
		},
		"the number": func() (string, bool) {
			res, err := http.Get(r.child.url() + "/metrics")
			mustSay(r.t, err)
			defer res.Body.Close()
			page, err := io.ReadAll(res.Body)
			mustSay(r.t, err)
			return string(page), strings.Contains(string(page), number)
		},
	}
	for what, look := range looks {
		if _, err := until(r.t.Context(), what+" to say so", look); err != nil {
			got, _ := look()
			r.t.Errorf("%v: %s", err, got)
		}
	}
}
