package workflows_test

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// world is one request in a ledger in memory, with a directory that can be told who is who.
type world struct {
	l         *storytest.Ledger
	w         *workflows.Workflow
	id        workflows.RequestID
	people    map[workflows.PersonID]workflows.Standing // those whose standing is not the usual one
	rosters   workflows.Rosters
	shifts    [][]shift
	frozen    string // a change freeze
	conflict  string
	unasked   map[workflows.PersonID]bool // earlier voters that the caller forgot to ask about
	down      bool                        // the directory does not answer
	noRosters bool                        // it answers about people but not about groups
	gone      string
	started   bool
	asleep    bool
	grants    int
	refused   []string
	old       workflows.RequestID // the request whose counter-offer was accepted
	matched   []bool              // answers of the rules, where the workflow has some
	planned   []string            // stages that they choose
	before    workflows.State     // of the last step
}

const policyHash workflows.DocHash = "sha256:policy"

func person(name string) workflows.PersonID {
	if name == "" {
		return ""
	}
	return workflows.PersonID("p_" + name)
}

// acting reads "ann", or "ann/2" for another account of the same person.
func acting(word string) workflows.Acting {
	name, n, _ := strings.Cut(word, "/")
	return workflows.Acting{Actor: workflows.ActorID("a_" + name + n), Person: person(name)}
}

var usual = workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true, Selected: true}

func newWorld(chain string) (*world, error) {
	set, err := parseChain(chain)
	if err != nil {
		return nil, err
	}
	return &world{
		l: storytest.New(workflows.EventKinds()), w: set.w, id: "r_1", rosters: set.rosters, shifts: set.shifts,
		people: map[workflows.PersonID]workflows.Standing{}, unasked: map[workflows.PersonID]bool{},
	}, nil
}

func (x *world) stream() workflows.StreamID { return workflows.RequestStream(x.id) }

func (x *world) state() (workflows.State, error) { return workflows.Fold(x.l.Histories[x.stream()]) }

func (x *world) standing(p workflows.PersonID) workflows.Standing {
	if x.down {
		return workflows.Standing{}
	}
	if s, ok := x.people[p]; ok {
		return s
	}
	return usual
}

// roster is whom the selectors of the stages of the plan yield now.
func (x *world) roster() workflows.Rosters {
	if x.down || x.noRosters {
		return workflows.Rosters{Failed: true}
	}
	out := workflows.Rosters{Told: x.rosters.Told, Final: x.final()}
	names := x.plan()
	for i, st := range x.w.Stages {
		if !slices.Contains(names, st.Name) {
			continue
		}
		r := x.rosters.Stages[i]
		for _, sh := range x.shifts[i] {
			r.ShiftsAt = append(r.ShiftsAt, sh.at)
			if x.l.Now.UTC >= sh.at {
				r.Approvers = sh.seats
			}
		}
		out.Stages = append(out.Stages, r)
	}
	return out
}

// plan are the names of the stages that the request goes through, or all before there is one.
func (x *world) plan() []string {
	if s, err := x.state(); err == nil {
		return s.StageNames()
	}
	if len(x.planned) > 0 || x.matched != nil {
		return x.planned
	}
	names := make([]string, len(x.w.Stages))
	for i, st := range x.w.Stages {
		names[i] = st.Name
	}
	return names
}

// final is what is asked before a grant.
func (x *world) final() workflows.Final {
	f := workflows.Final{Voters: map[workflows.PersonID]workflows.Standing{}, Gone: x.gone, Frozen: x.frozen, Conflict: x.conflict}
	s, err := x.state()
	if err != nil {
		return f
	}
	for _, p := range s.Voters() {
		if !x.unasked[p] {
			f.Voters[p] = x.standing(p)
		}
	}
	x.grants++
	f.Grant = workflows.GrantID("g_" + strconv.Itoa(x.grants))
	return f
}

// form is a form that has nothing wrong with it.
func form() workflows.Form {
	return workflows.Form{Target: "pg-main", Entitlement: "writer", Seconds: 3600, Reason: "index is broken"}
}

func (x *world) ask(by workflows.Acting) workflows.Ask {
	return workflows.Ask{
		ID: x.id, By: by, Standing: x.standing(by.Person), Rule: "may_ask: anyone", Policy: policyHash, Form: form(),
		Subject: by.Person.Identity(), Rosters: x.roster(), Nonce: "n0", Channel: "slack", Authn: "slack-click",
		Principal: "person", Grant: "g_0", Frozen: x.frozen, Conflict: x.conflict,
	}
}

func (x *world) ballot(by workflows.Acting, v workflows.Verdict) workflows.Ballot {
	s, _ := x.state()
	f := x.final()
	b := workflows.Ballot{
		By: by, Standing: x.standing(by.Person), Verdict: v, Stage: s.Current, Shown: s.Shown(s.Current), ReceivedAt: x.l.Now.UTC,
		Authn: "slack-click", Channel: "slack", Rosters: x.roster(), WorkflowGone: f.Gone, Voters: f.Voters, Grant: f.Grant,
		Frozen: f.Frozen, Conflict: f.Conflict,
	}
	if v == workflows.Deny {
		b.Reason = "not today"
	}
	return b
}

// take appends an outcome and remembers what it refused.
func (x *world) take(out workflows.Outcome, err error) (code string, _ error) {
	switch err {
	case nil:
	case workflows.ErrExists, workflows.ErrAskAgain: // could not decide: nothing is written
		return "error", nil
	default:
		return "", err
	}
	x.l.Append(out)
	if out.Refusal != nil {
		x.refused = append(x.refused, out.Refusal.Code)
		return out.Refusal.Code, nil
	}
	return "", nil
}

func (x *world) tick() error {
	if len(x.l.Histories[x.stream()]) == 0 {
		return nil
	}
	_, err := x.take(workflows.Tick(x.l.Facts(), x.id, x.roster()))
	return err
}

// pass lets time go by, waking at every deadline on the way, as the product does unless it is down.
func (x *world) pass(d time.Duration) error {
	end := x.l.Now.UTC.Add(d)
	for range 100 {
		s, err := x.state()
		if err != nil {
			break // nothing submitted yet
		}
		next := workflows.NextWake(s)
		if next == 0 || next > end || x.asleep {
			break
		}
		if next > x.l.Now.UTC {
			x.l.Pass(next.Sub(x.l.Now.UTC))
		}
		seq := s.Seq
		if err := x.tick(); err != nil {
			return err
		}
		if s, _ = x.state(); s.Seq == seq {
			break // the directory is down: the job is tried again later
		}
	}
	if end > x.l.Now.UTC {
		x.l.Pass(end.Sub(x.l.Now.UTC))
	}
	if s, err := x.state(); err == nil && !x.asleep && x.l.Now.UTC.After(workflows.NextWake(s)) {
		return x.tick()
	}
	return nil
}

// check holds after every step of every story: what is recorded folds, folds the same from its bytes and with every opening
// erased, and what the state owes makes sense.
func (x *world) check(t storytest.T) {
	t.Helper()
	h := x.l.Histories[x.stream()]
	if len(h) == 0 {
		return
	}
	s, err := workflows.Fold(h)
	if err != nil {
		t.Fatalf("folding what the engine itself recorded: %v", err)
	}
	reread, err := x.l.RoundTrip(h)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := workflows.Fold(reread); err != nil {
		t.Fatalf("folding the same from its bytes: %v", err)
	} else if d := cmp.Diff(s, again); d != "" {
		t.Fatalf("folding the same from its bytes gives (-memory +bytes):\n%s", d)
	}
	erased, err := workflows.Fold(storytest.Erase(h))
	if err != nil {
		t.Fatalf("folding with every opening erased: %v", err)
	}
	if d := cmp.Diff(decisive(s), decisive(erased)); d != "" {
		t.Fatalf("erasing the openings changes what was decided (-whole +erased):\n%s", d)
	}
	if d := cmp.Diff(s.Shown(s.Current), erased.Shown(s.Current)); d != "" {
		t.Fatalf("erasing the openings changes what is shown:\n%s", d)
	}
	checkOwed(t, s)
	checkMonotone(t, x.before, s)
	x.before = s
}

// decisive is the part of a state that decisions rest on, and all that follows from it.
type decided struct {
	Status    workflows.Status
	Ended     workflows.Instant
	By        workflows.PersonID
	Current   int
	Stages    []workflows.StageState
	Jobs      []workflows.Job
	Listings  []workflows.Listing
	CanVote   []workflows.PersonID
	Delivered []string
	Grant     workflows.GrantID
}

func decisive(s workflows.State) decided {
	d := decided{
		Status: s.Status, Ended: s.EndedAt, By: s.EndedBy, Current: s.Current, Jobs: workflows.Pending(s),
		Listings: workflows.Listings(s), CanVote: s.CanVote(), Grant: s.Grant,
	}
	for _, st := range s.Stages {
		st.Votes = append([]workflows.Vote(nil), st.Votes...)
		for i := range st.Votes {
			st.Votes[i].Reason = ""
		}
		d.Stages = append(d.Stages, st)
	}
	return d
}

// checkOwed holds between a state and what it owes.
func checkOwed(t storytest.T, s workflows.State) {
	t.Helper()
	jobs := workflows.Pending(s)
	if err := storytest.CheckJobs(jobs); err != nil {
		t.Fatal(err)
	}
	if err := storytest.CheckListings(workflows.Listings(s)); err != nil {
		t.Fatal(err)
	}
	wakes := 0
	for _, j := range jobs {
		if j.Kind == workflows.JobWake {
			wakes++
		}
		if j.Kind == workflows.JobNotice {
			if n, ok := s.FindNotice(j.Key); !ok || n.Job() != j {
				t.Fatalf("job %q is owed but its notice is not", j.Key)
			}
		}
	}
	if want := workflows.NextWake(s) != 0; want != (wakes == 1) || want == s.Final() {
		t.Fatalf("%s: %d wakes, next wake %s", s.Status, wakes, workflows.NextWake(s))
	}
	for _, n := range s.Notices() {
		if n.To != "" && s.Asker(n.To) && slices.Contains([]string{workflows.NoticeAsk, workflows.NoticeRemind, workflows.NoticeEscalated}, n.What) {
			t.Fatalf("%s is asked to decide what they stand behind", n.To)
		}
	}
	for _, p := range s.CanVote() {
		if s.Asker(p) {
			t.Fatalf("%s could decide what they stand behind", p)
		}
	}
	if e := workflows.Explain(s, workflows.Outlook{}); e.Sentence == "" || len(e.Children) != len(s.Stages) || workflows.WhyYou(s, s.Requester.Person, workflows.Outlook{}) == "" {
		t.Fatalf("explained as %+v", e)
	}
}

// checkMonotone holds between a state and the one before it: what is closed stays closed, what is final stays final.
func checkMonotone(t storytest.T, old, now workflows.State) {
	t.Helper()
	if old.ID == "" {
		return
	}
	if now.Seq < old.Seq {
		t.Fatalf("seq went from %d to %d", old.Seq, now.Seq)
	}
	called := old.Status == workflows.StatusApproved && (now.Status == workflows.StatusSuperseded || now.Status == workflows.StatusFailed)
	if old.Final() && now.Status != old.Status && !called {
		t.Fatalf("%s became %s", old.Status, now.Status)
	}
	for i := range old.Stages {
		was, is := old.Stages[i].Status, now.Stages[i].Status
		if was != workflows.StageWaiting && was != workflows.StageIsOpen && was != is {
			t.Fatalf("stage %d went from %s to %s", i+1, was, is)
		}
		if len(now.Stages[i].Votes) < len(old.Stages[i].Votes) {
			t.Fatalf("stage %d lost a vote", i+1)
		}
	}
}
