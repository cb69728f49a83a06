package desk_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// nearing is an identity of ivy's, made through its chain, so many days before its end.
func (x *office) nearing(left time.Duration) workflows.IdentityID {
	x.t.Helper()
	out := x.submit(x.newborn())
	if out.Refusal != nil {
		x.t.Fatal(out.Refusal, out.Problems)
	}
	x.approve(out.ID, "ann")
	x.identityDo("ivy", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoAnswer, Verdict: identities.HandoverKeep}, "")
	x.clock.Add(90*24*time.Hour - left)
	x.tick(workflows.IdentityStream("svc-new"))
	return "svc-new"
}

// opens has the renewal opened as the job does, and gives what is recorded of it.
func (x *office) opens(id workflows.IdentityID, cause desk.Cause) identities.RenewalOpened {
	x.t.Helper()
	if err := x.desk.OpenRenewal(x.t.Context(), cause, id); err != nil {
		x.t.Fatal(err)
	}
	s, _ := x.identity(id)
	if s.Opened() == nil {
		x.t.Fatalf("nothing is recorded of its renewal: %+v", s.Life)
	}
	return *s.Opened()
}

// R11: thirty days before the end a renewal opens by itself, as a fresh request through the chain, in the name of the owner, who decides nothing about
// it: approved, the end moves past the old one; opened once, however often the job runs.
func TestReq_R11_RenewalOpensByItself(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(lives)
	if early := x.nearing(31 * 24 * time.Hour); x.desk.OpenRenewal(t.Context(), "early", early) != nil {
		t.Fatal("31 days before the end")
	}
	s, e := x.identity("svc-new")
	if s.Opened() != nil || s.RenewalDue() {
		t.Fatalf("asked for 31 days before the end: %+v", s.Life)
	}
	x.clock.Add(2 * 24 * time.Hour)
	x.tick(workflows.IdentityStream("svc-new"))
	opened := x.opens("svc-new", "day one")
	if again := x.opens("svc-new", "day two"); again != opened || opened.For != "p_ivy" || opened.Why != "" || opened.Expires != e.Expires {
		t.Fatalf("opened %+v, and then %+v", opened, again)
	}
	h := x.history(workflows.RequestStream(opened.Request))
	asked, _ := h[0].Event.(workflows.Submitted)
	if h[0].Actor != workflows.SystemActor || h[0].Person != "p_ivy" || asked.Authn != desk.AuthnClock || asked.Subject != "svc-new" ||
		!strings.Contains(asked.Reason, "Copies the orders of the day") || !strings.Contains(asked.Reason, e.Expires.String()[:10]) {
		t.Errorf("it is asked as %s/%s: %+v", h[0].Actor, h[0].Person, asked)
	}
	s, _ = x.identity("svc-new")
	if n := s.Notices(); len(n) == 0 || n[0].What != identities.NoticeRenew || n[0].To != "p_ivy" {
		t.Errorf("the owner is not told: %+v", n)
	}
	if out := x.vote(x.ballot("ivy", opened.Request, workflows.Approve)); code(out.Refusal) == "" {
		t.Error("in whose name it was asked approved it")
	}
	x.approve(opened.Request, "ann")
	if _, now := x.identity("svc-new"); now.Expires <= e.Expires.Add(60*24*time.Hour) {
		t.Errorf("renewed until %s, from %s", now.Expires, e.Expires)
	}
	x.check()
}

// R11: what the owner asked for before is not asked for again; nobody deciding, everything is taken back at the end; who may not ask by the chain is
// told to have somebody else do it; a list of open requests that is full is tried again later.
func TestReq_R11_SilenceOnARenewalThatOpenedByItself(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(lives)
	x.nearing(29 * 24 * time.Hour)
	q := x.submission("ida", workflows.LifeRenew)
	q.Subject, q.Form.Seconds, q.Form.Values = "svc-new", 100*24*3600, nil
	mine := x.submit(q)
	if mine.Refusal != nil {
		t.Fatal(mine.Refusal)
	}
	if o := x.opens("svc-new", "day one"); o.Request != mine.ID || o.For != "p_ida" {
		t.Errorf("the backup owner has asked as %s, and recorded is %+v", mine.ID, o)
	}
	x.clock.Add(30 * 24 * time.Hour)
	x.tick(workflows.RequestStream(mine.ID))
	x.tick(workflows.IdentityStream("svc-new"))
	if s, _ := x.identity("svc-new"); s.Life.Suspended == nil || s.Life.Suspended.Why != identities.SuspendedExpired || s.RenewalDue() {
		t.Errorf("nobody renewed it: %+v", s.Life)
	}
	x.check()

	x = open(t)
	x.load(func(d *draft) {
		lives(d)
		w := d.flows[workflows.LifeRenew]
		w.Ask = workflows.Selector{People: []workflows.PersonID{"p_zed"}}
		d.flows[workflows.LifeRenew] = w
	})
	x.nearing(29 * 24 * time.Hour)
	if o := x.opens("svc-new", "day one"); o.Request != "" || !strings.Contains(o.Why, "no chain") {
		t.Errorf("nobody who answers for it may ask: %+v", o)
	}
	if s, _ := x.identity("svc-new"); len(s.Notices()) == 0 {
		t.Error("the owner is not told that somebody has to ask")
	}
	x.check()

	x = open(t)
	x.load(lives)
	x.nearing(29 * 24 * time.Hour)
	for i := range workflows.MaxOpenPerson {
		for _, who := range []string{"ivy", "ida"} {
			s := x.submission(who, "prod-db")
			s.Form.Reason += strings.Repeat("!", i)
			if out := x.submit(s); out.Refusal != nil {
				t.Fatal(out.Refusal, i)
			}
		}
	}
	if err := x.desk.OpenRenewal(t.Context(), "day one", "svc-new"); !errors.Is(err, desk.ErrRenewLater) {
		t.Errorf("with a full list of open requests: %v", err)
	}
	if s, _ := x.identity("svc-new"); !s.RenewalDue() {
		t.Error("it is not tried again")
	}
}
