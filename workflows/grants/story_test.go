package grants_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

const stream workflows.StreamID = "grant/p_zed/pg-main/writer"

// holder is one grant stream in a ledger in memory.
type holder struct {
	l      *storytest.Ledger
	shared bool
	robot  bool // a non-human identity holds it
	asleep bool
	before grants.State
}

func newHolder(setting string) *holder {
	return &holder{
		l:      storytest.New(workflows.EventKinds(), grants.EventKinds()),
		shared: strings.Contains(setting, "shared"), robot: strings.Contains(setting, "robot"),
	}
}

// TestStories plays testdata/stories: what becomes of granted access, one line a story. "== shared" is one membership for all
// grants, "== own" an artefact each.
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/stories/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, f := range files {
		stories, err := storytest.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range stories {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				play(t, s)
			})
		}
	}
}

func play(t *testing.T, story storytest.Story) {
	t.Helper()
	x := newHolder(story.Setting)
	for _, step := range story.Steps {
		words, want := storytest.Words(step)
		got, err := x.step(words)
		if err != nil {
			t.Fatalf("%s\n  at %q: %v", story.Text, step, err)
		}
		if got != want {
			t.Fatalf("%s\n  at %q: refused with %q, want %q", story.Text, step, got, want)
		}
		x.check(t)
	}
	for _, want := range story.Wants {
		if err := x.holds(want); err != nil {
			t.Errorf("%s\n  %v", story.Text, err)
		}
	}
}

func (x *holder) state() grants.State {
	s, err := grants.Fold(x.l.Histories[stream])
	if err != nil {
		panic(err)
	}
	return s
}

func (x *holder) take(out workflows.Outcome, err error) (string, error) {
	if err != nil {
		return "", err
	}
	x.l.Append(out)
	if out.Refusal != nil {
		return out.Refusal.Code, nil
	}
	return "", nil
}

func (x *holder) step(words []string) (string, error) {
	if d, ok := storytest.Duration(words[0]); ok {
		x.l.Pass(d)
		if x.asleep {
			return "", nil
		}
		return x.tick()
	}
	switch words[0] {
	case "expect":
		return "", x.holds(strings.Join(words[1:], " "))
	case "sleep", "wake":
		x.asleep = words[0] == "sleep"
		return "", nil
	case "tick":
		return x.tick()
	case "clock": // clock back 2h
		d, _ := storytest.Duration(words[2])
		if words[1] == "back" {
			d = -d
		}
		x.l.Step(d)
		return "", nil
	case "told", "untold":
		for _, n := range x.state().Notices() {
			var e workflows.Event = workflows.NoticeDelivered{Notice: n.ID, Via: "slack"}
			if words[0] == "untold" {
				e = workflows.NoticeUndelivered{Notice: n.ID, Why: "account_inactive"}
			}
			x.add(e)
		}
		return "", nil
	}
	if strings.HasPrefix(words[0], "g") {
		return x.grant(workflows.GrantID(words[0]), words[1:])
	}
	return x.end(words)
}

func (x *holder) add(e workflows.Event) {
	var out workflows.Outcome
	out.Add(stream, workflows.System, "", e)
	x.l.Append(out)
}

// tick acts on every deadline that is due, as the jobs loop does.
func (x *holder) tick() (string, error) {
	for range 10 {
		seq := x.state().Seq
		if _, err := x.take(grants.Tick(x.l.Facts(), stream)); err != nil || x.state().Seq == seq {
			return "", err
		}
	}
	return "", fmt.Errorf("ticking does not come to rest")
}

func (x *holder) approved(id workflows.GrantID, word string) grants.Approved {
	d, _ := storytest.Duration(word)
	end := x.l.Now.Add(d)
	a := grants.Approved{
		Grant: id, Request: "r_1", Identity: "p_zed", Requester: "p_zed", Approvers: []workflows.PersonID{"p_ann", "p_olga"}, Owner: "p_olga",
		Target: "pg-main", TargetTitle: "Main database", Entitlement: "writer", Title: "Write", Connector: "postgres",
		Params: map[string][]string{"role": {"writer"}}, Account: "zed", Holder: "Zed", Shared: x.shared, EndsAt: end.UTC, EndsMono: end.Mono,
	}
	if x.robot {
		a.Identity = "svc-deploy"
	}
	return a
}

// options reads "in 2h" (an agreed start), "extending g1 cap 8h", "ticket OPS-1".
func (x *holder) options(a grants.Approved, words []string) grants.Approved {
	for i := 0; i+1 < len(words); i += 2 {
		d, _ := storytest.Duration(words[i+1])
		switch words[i] {
		case "in":
			end := x.l.Now.Add(d + a.EndsAt.Sub(x.l.Now.UTC))
			a.StartsAt, a.EndsAt, a.EndsMono = x.l.Now.UTC.Add(d), end.UTC, end.Mono
		case "extending":
			a.Extends = workflows.GrantID(words[i+1])
			a.First, _ = x.state().Row(a.Extends)
		case "cap":
			a.Cap = workflows.SpanOf(d)
		case "ticket":
			a.Ticket = words[i+1]
		case "unverified":
			a.MaxUnverified = workflows.SpanOf(d)
		}
	}
	return a
}

func (x *holder) grant(id workflows.GrantID, words []string) (string, error) {
	f := x.l.Facts()
	switch line := strings.Join(words, " "); {
	case words[0] == "granted":
		x.add(x.options(x.approved(id, words[1]), words[2:]))
		return "", nil
	case line == "starts":
		return x.take(grants.Start(f, stream, grants.Started{Grant: id, Ref: "role writer", Use: "{}", Personal: map[string]string{"key": "zed"}}))
	case line == "called off":
		return x.take(grants.CallOff(f, stream, id, workflows.Acting{Actor: "a_ann", Person: "p_ann"}, "an approval was taken back"))
	case line == "fails":
		return x.take(grants.Fail(f, stream, grants.Failed{Grant: id, Why: "no such role"}))
	case words[0] == "stumbles": // stumbles start
		return x.take(grants.Attempt(f, stream, grants.AttemptFailed{Grant: id, Op: words[1], Class: "unreachable", Text: "connection refused"}))
	case line == "gone":
		return x.take(grants.Revoke(f, stream, grants.Revoked{Grant: id, Presence: "absent", Leaves: "open sessions"}))
	case line == "gone unconfirmed":
		return x.take(grants.Revoke(f, stream, grants.Revoked{Grant: id, Presence: "unconfirmed"}))
	case line == "verified":
		return x.take(grants.Recheck(f, stream, id))
	case line == "still there":
		return x.take(grants.StillThere(f, stream, id))
	case words[0] == "checked": // checked requester=yes task=cannot_tell [at start]
		return x.take(grants.Check(f, stream, checked(id, words[1:])))
	}
	return "", fmt.Errorf("unknown step %q", words)
}

// end reads "zed returns g1", "olga revokes g1", "sec revokes g1" (sec holds the security role).
func (x *holder) end(words []string) (string, error) {
	if len(words) < 3 {
		return "", fmt.Errorf("unknown step %q", words)
	}
	if words[1] == "removes" {
		return x.byHand(words)
	}
	how := map[string]string{"returns": grants.HowReturned, "revokes": grants.HowRevoked}[words[1]]
	if how == "" {
		return "", fmt.Errorf("unknown step %q", words)
	}
	by := grants.EndBy{How: how, Why: "done", Channel: "slack", Security: words[0] == "sec"}
	if words[0] != "nobody" {
		by.By = workflows.Acting{Actor: workflows.ActorID("a_" + words[0]), Person: workflows.PersonID("p_" + words[0])}
	} else {
		by.Security = true
	}
	switch strings.Join(words[3:], " ") { // where the chain wants a reason for revoking
	case "silently":
		by.Why, by.NeedsReason = " ", true
	case "reasoned":
		by.NeedsReason = true
	}
	return x.take(grants.End(x.l.Facts(), stream, workflows.GrantID(words[2]), by))
}

// byHand reads "olga removes g1", "sec removes g1 silently", "rita removes g1" (rita is a guest).
func (x *holder) byHand(words []string) (string, error) {
	by := grants.ByHand{
		By: workflows.Acting{Actor: workflows.ActorID("a_" + words[0]), Person: workflows.PersonID("p_" + words[0])}, Security: words[0] == "sec",
		Standing: workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: words[0] != "rita"}, Why: "dropped it", Authn: "unix-peer", Channel: "cli",
	}
	if len(words) > 3 {
		by.Why = " "
	}
	return x.take(grants.RemoveByHand(x.l.Facts(), stream, workflows.GrantID(words[2]), by))
}

func checked(id workflows.GrantID, words []string) grants.Checked {
	e := grants.Checked{Grant: id, Trigger: grants.CheckSchedule}
	for _, w := range words {
		name, answer, ok := strings.Cut(w, "=")
		switch {
		case ok:
			e.Facts = append(e.Facts, grants.Fact{Name: name, Answer: answer, Why: "because"})
		case w == "start":
			e.Trigger = grants.CheckStart
		}
	}
	return e
}

// holds reads "g1 active", "g1 how returned", "g1 kept by g2", "g1 alarm 2", "g1 absent", "start g1 g2", "revoke nobody", "told overdue
// p_olga", "wake 1h", "events …", "lists …".
func (x *holder) holds(want string) error {
	words := strings.Fields(want)
	s := x.state()
	got := ""
	switch words[0] {
	case "start", "revoke", "verify":
		kind := map[string]string{"start": workflows.JobStart, "revoke": workflows.JobRevoke, "verify": grants.JobVerify}[words[0]]
		got = words[0] + " " + x.owed(kind)
	case "held":
		got = "held nothing"
		if h, ok := s.Held(x.l.Now.UTC); ok {
			got = "held " + string(h.Approved.Grant)
		}
	case "row": // row g2 0m 1: began at the start, one extension
		first, n := s.Row(workflows.GrantID(words[1]))
		got = fmt.Sprintf("row %s %dm %d", words[1], int(first.Sub(storytest.Start().UTC).Minutes()), n)
	case "ticket":
		got = "ticket nothing"
		for _, l := range grants.Listings(s) {
			if l.List == grants.ListTicket {
				got = "ticket " + l.Member
			}
		}
	case "due": // due g1 120m
		got = "due " + words[1] + " never"
		for _, j := range grants.Pending(s) {
			if j.Key == words[1] && j.Due == 0 {
				got = "due " + words[1] + " now"
			} else if j.Key == words[1] {
				got = fmt.Sprintf("due %s %dm", words[1], int(j.Due.Sub(storytest.Start().UTC).Minutes()))
			}
		}
	case "owes":
		var list []string
		for _, n := range s.Notices() {
			list = append(list, n.What+":"+strings.TrimPrefix(string(n.To), "p_"))
		}
		got = strings.TrimSpace("owes " + strings.Join(list, " "))
		if len(list) == 0 {
			got = "owes nothing"
		}
	case "wake":
		got = "wake never"
		if at := grants.NextWake(s); at != 0 {
			got = "wake " + strconv.Itoa(int(at.Sub(storytest.Start().UTC).Minutes())) + "m"
		}
	case "events":
		var kinds []string
		for _, r := range x.l.Histories[stream] {
			kinds = append(kinds, r.Event.Kind())
		}
		got = "events " + strings.Join(kinds[max(0, len(kinds)-len(words)+1):], " ")
	default:
		h, ok := s.Find(workflows.GrantID(words[0]))
		if !ok {
			return fmt.Errorf("no grant %q", words[0])
		}
		got = words[0] + " " + describe(h, words[1])
	}
	if got != want {
		return fmt.Errorf("want %q, got %q", want, got)
	}
	return nil
}

func (x *holder) owed(kind string) string {
	var list []string
	for _, j := range grants.Pending(x.state()) {
		if j.Kind == kind {
			list = append(list, j.Key)
		}
	}
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, " ")
}

func describe(h grants.Hold, about string) string {
	switch about {
	case "how":
		return "how " + h.How
	case "kept":
		return "kept by " + string(h.KeptBy)
	case "alarm":
		return "alarm " + strconv.Itoa(h.Level)
	case "unverified": // unverified task 120m
		f, ok := h.Unverified()
		if !ok {
			return "unverified nothing"
		}
		return fmt.Sprintf("unverified %s %dm", f.Name, int(f.Since.UTC.Sub(storytest.Start().UTC).Minutes()))
	case "absent", "unconfirmed", "by_hand":
		return h.Presence
	case "stumbled":
		return "stumbled " + strconv.Itoa(h.Attempts)
	}
	return string(h.Status)
}

// check holds after every step: see the check of package workflows.
func (x *holder) check(t storytest.T) {
	t.Helper()
	h := x.l.Histories[stream]
	s, err := grants.Fold(h)
	if err != nil {
		t.Fatalf("folding what the engine itself recorded: %v", err)
	}
	reread, err := x.l.RoundTrip(h)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := grants.Fold(reread); err != nil {
		t.Fatal(err)
	} else if d := cmp.Diff(s, again); d != "" {
		t.Fatalf("folding the same from its bytes gives (-memory +bytes):\n%s", d)
	}
	erased, err := grants.Fold(storytest.Erase(h))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(grants.Pending(s), grants.Pending(erased)); d != "" {
		t.Fatalf("erasing the openings changes what is owed:\n%s", d)
	}
	for i := range s.Holds {
		if a, b := s.Holds[i], erased.Holds[i]; a.Status != b.Status || a.KeptBy != b.KeptBy || a.How != b.How || a.Presence != b.Presence {
			t.Fatalf("erasing the openings changes what was decided: %+v, %+v", a, b)
		}
	}
	x.checkOwed(t, s)
	x.before = s
}

// checkOwed: nothing pending is lost, nothing final is revived, no end moves.
func (x *holder) checkOwed(t storytest.T, s grants.State) {
	t.Helper()
	jobs := grants.Pending(s)
	if err := storytest.CheckJobs(jobs); err != nil {
		t.Fatal(err)
	}
	if err := storytest.CheckListings(grants.Listings(s)); err != nil {
		t.Fatal(err)
	}
	owed := map[string]bool{}
	for _, j := range jobs {
		owed[j.Kind+" "+j.Key] = true
		if j.Kind == workflows.JobNotice {
			if n, ok := s.FindNotice(j.Key); !ok || n.Job() != j {
				t.Fatalf("job %q is owed but its notice is not", j.Key)
			}
		}
	}
	for _, h := range s.Holds {
		id := string(h.Approved.Grant)
		switch h.Status {
		case grants.StatusEnding:
			if !owed[workflows.JobRevoke+" "+id] {
				t.Fatalf("%s is ending and nobody takes it back", id)
			}
		case grants.StatusApproved, grants.StatusActive:
			if !owed[workflows.JobWake+" wake"] {
				t.Fatalf("%s is %s and nothing wakes at its end", id, h.Status)
			}
		}
		if old, ok := x.before.Find(h.Approved.Grant); ok {
			if old.Ends != h.Ends {
				t.Fatalf("the end of %s moved", id)
			}
			if (old.Status == grants.StatusFailed && h.Status != old.Status) || (old.Status == grants.StatusEnded && h.Live() && h.Status != grants.StatusEnding) {
				t.Fatalf("%s was %s and is %s", id, old.Status, h.Status)
			}
		}
	}
}
