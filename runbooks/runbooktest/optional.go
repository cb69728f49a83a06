package runbooktest

import (
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// maxKey is the longest Key or Ref: what the ledger keeps of a finding.
const maxKey = 500

// exerciseLister: what was granted is listed under its key, as ours, and nothing else is.
func exerciseLister(t *testing.T, s System) {
	l, ok := s.Connector.(runbooks.Lister)
	if !ok {
		t.Skip("the connector does not list access")
	}
	a, b := s.Grant(1), s.Grant(2)
	before := listAll(t, l)
	s.mustGrant(t, a)
	rb := s.mustGrant(t, b)
	if l.AccessKey(a) == "" || l.AccessKey(a) == l.AccessKey(b) || l.AccessKey(a) != l.AccessKey(a.Clone()) {
		t.Fatalf("the keys of two grants are %q and %q", l.AccessKey(a), l.AccessKey(b))
	}
	listed := listAll(t, l)
	for _, g := range []runbooks.Grant{a, b} {
		x, ok := listed[l.AccessKey(g)]
		switch {
		case !ok:
			t.Fatalf("%s was granted and is not listed under %q: %+v", g.ID, l.AccessKey(g), listed)
		case !x.Ours:
			t.Errorf("%s is not told as ours: %+v", g.ID, x)
		case x.Grant != "" && x.Grant != g.ID:
			t.Errorf("%s is told as %s", g.ID, x.Grant)
		case !x.Ends.IsZero() && x.Ends.Sub(g.End).Abs() > time.Minute:
			t.Errorf("%s ends at %s, listed as %s", g.ID, g.End, x.Ends)
		}
	}
	more := 1
	if b.Account == a.Account {
		more = 2
	}
	if had, has := len(of(before, a)), len(of(listed, a)); a.Account != "" && has != had+more {
		t.Errorf("%d listed for the account before, %d after %d more", had, has, more)
	}
	s.mustRevoke(t, a)
	s.settle(t)
	listed = listAll(t, l)
	if _, still := listed[l.AccessKey(a)]; still {
		t.Errorf("%s was revoked and is still listed", a.ID)
	}
	x, ok := listed[l.AccessKey(b)]
	if !ok {
		t.Fatalf("%s is no longer listed", b.ID)
	}
	for range 2 { // taking it away again finds nothing, and that is fine
		if _, err := l.RemoveAccess(t.Context(), x); err != nil {
			t.Fatalf("removing %q: %v", x.Key, err)
		}
	}
	s.settle(t)
	s.wantWorks(t, b, rb, false)
	s.wantPresence(t, b, runbooks.Absent)
	cutList(t, l)
}

// exerciseForeign: what an administrator made by hand is found, told apart from what we make, and can be taken away.
func exerciseForeign(t *testing.T, s System) {
	l, ok := s.Connector.(runbooks.Lister)
	if !ok || s.Foreign == nil {
		t.Skip("the connector does not list access, or the system cannot be changed by hand")
	}
	before := listAll(t, l)
	g := s.Grant(1)
	s.Foreign(t, g)
	var found []runbooks.Access
	for _, x := range of(listAll(t, l), g) {
		if _, old := before[x.Key]; !old {
			found = append(found, x)
		}
	}
	if len(found) != 1 {
		t.Fatalf("one access was made by hand, found %+v", found)
	}
	x := found[0]
	if x.Ours || x.Grant != "" || x.Account == "" || x.Key == l.AccessKey(g) {
		t.Errorf("access made by hand is told as %+v; the key of a grant is %q", x, l.AccessKey(g))
	}
	if _, err := l.RemoveAccess(t.Context(), x); err != nil {
		t.Fatalf("removing %q: %v", x.Key, err)
	}
	s.settle(t)
	if _, still := listAll(t, l)[x.Key]; still {
		t.Errorf("%q was removed and is still listed", x.Key)
	}
	s.wantWorks(t, g, runbooks.Receipt{}, false)
}

// of are those of a grant's account; all of them where grants name none. The target may serve other tests at the same time.
func of(listed map[string]runbooks.Access, g runbooks.Grant) (out []runbooks.Access) {
	for _, x := range listed {
		if g.Account == "" || x.Account == g.Account {
			out = append(out, x)
		}
	}
	return out
}

func listAll(t *testing.T, l runbooks.Lister) map[string]runbooks.Access {
	t.Helper()
	out := map[string]runbooks.Access{}
	for x, err := range l.ListAccess(t.Context()) {
		if err != nil {
			t.Fatalf("listing access: %v", err)
		}
		if _, twice := out[x.Key]; twice {
			t.Errorf("the key %q is listed twice", x.Key)
		}
		if x.Key == "" || len(x.Key) > maxKey || x.Account == "" || x.What == "" {
			t.Errorf("an access without key, account or words, or with a key too long: %+v", x)
		}
		wantShown(t, x.Key, x.Account, x.What, x.MadeBy)
		out[x.Key] = x
	}
	return out
}

// cutList: a stream that is left, or cut, ends; a cut one does not look like a whole one.
func cutList(t *testing.T, l runbooks.Lister) {
	t.Helper()
	for range l.ListAccess(t.Context()) {
		break
	}
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := drain(l.ListAccess(dead)); err == nil {
		t.Error("a list under a dead context looks like a whole one")
	} else if runbooks.ClassOf(err) != runbooks.Retry {
		t.Errorf("a list under a dead context: %v is of class %s, want retry", err, runbooks.ClassOf(err))
	}
}

func drain[T any](seq iter.Seq2[T, error]) (out []T, err error) {
	for x, err := range seq {
		if err != nil {
			return out, err
		}
		out = append(out, x)
	}
	return out, nil
}

func exerciseDiscoverer(t *testing.T, s System) {
	d, ok := s.Connector.(runbooks.Discoverer)
	if !ok {
		t.Skip("the connector does not discover identities")
	}
	s.mustGrant(t, s.Grant(1))
	found, err := drain(d.Discover(t.Context()))
	if err != nil {
		t.Fatalf("discovering: %v", err)
	}
	seen := map[string]bool{}
	for _, x := range found {
		if x.Ref == "" || len(x.Ref) > maxKey || seen[x.Ref] || len(x.Grants) > 20 || len(x.Facts) > 20 {
			t.Errorf("an identity without a name of its own, or with too much: %+v", x)
		}
		seen[x.Ref] = true
		wantShown(t, x.Ref, x.Name, x.Owner, x.MadeBy, x.Fingerprint)
	}
}

// exerciseCatalog: every offer has a name of its own, and listing offers again gives the same.
func exerciseCatalog(t *testing.T, s System) {
	c, ok := s.Connector.(runbooks.Catalog)
	if !ok {
		t.Skip("the connector does not list what it can grant")
	}
	offers, err := drain(c.ListOffers(t.Context()))
	if err != nil {
		t.Fatalf("listing what can be granted: %v", err)
	}
	seen, g := map[string]bool{}, s.Grant(1)
	same, agrees := 0, 0 // offers in the words of what is exercised, and those that are just that
	for _, o := range offers {
		if shares, all := meets(o, g); shares {
			same++
			agrees += map[bool]int{true: 1}[all]
		}
		if o.Name == "" || seen[o.Name] || len(o.Params) == 0 {
			t.Errorf("an offer without a name of its own or without words: %+v", o)
		}
		seen[o.Name] = true
		wantShown(t, o.Name, o.Description)
	}
	if same > 0 && agrees == 0 {
		t.Errorf("of %d offers in the words of the grant none is what Grant takes: %v", same, g.Params)
	}
	if again, err := drain(c.ListOffers(t.Context())); err != nil || len(again) != len(offers) {
		t.Errorf("%d offers, then %d (%v)", len(offers), len(again), err)
	}
}

// meets tells whether an offer has words that a grant has as well, and whether they all agree.
func meets(o runbooks.Offer, g runbooks.Grant) (shares, all bool) {
	all = true
	for name, values := range o.Params {
		has, ok := g.Params[name]
		shares, all = shares || ok, all && ok && slices.Equal(has, values)
	}
	return shares, all
}

// exercisePlanner: a plan changes nothing, and there is nothing left to change after it was carried out.
func exercisePlanner(t *testing.T, s System) {
	p, ok := s.Connector.(runbooks.Planner)
	if !ok {
		t.Skip("the connector does not plan")
	}
	g := s.Grant(1)
	plan, err := p.Plan(t.Context(), g)
	if err != nil || len(plan.Changes) == 0 || len(plan.Changes) > 20 {
		t.Fatalf("planning: %+v (%v)", plan, err)
	}
	wantShown(t, plan.Changes...)
	s.wantPresence(t, g, runbooks.Absent)
	s.mustGrant(t, g)
	if plan, err = p.Plan(t.Context(), g); err != nil || len(plan.Changes) != 0 {
		t.Errorf("planning what is there already: %+v (%v)", plan, err)
	}
	s.mustRevoke(t, g)
}

func exerciseSessions(t *testing.T, s System) {
	e, ok := s.Connector.(runbooks.SessionEnder)
	if !ok {
		t.Skip("the connector ends no sessions by themselves")
	}
	if _, ok := s.Connector.(runbooks.Sessions); !ok {
		t.Error("sessions that can be ended but not listed")
	}
	g := s.Grant(1)
	r := s.mustGrant(t, g)
	if n, err := e.EndSessions(t.Context(), g); err != nil || n != 0 {
		t.Errorf("ending sessions where there are none: %d (%v)", n, err)
	}
	s.wantWorks(t, g, r, true) // the access stays
	s.mustRevoke(t, g)
}

// wantShown holds texts to what a card and a log line take.
func wantShown(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if runbooks.Redact(text, 1<<20) != text {
			t.Errorf("%q looks like a secret, or cannot be shown", text)
		}
	}
}
