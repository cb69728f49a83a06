package bot_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// unlinked lists how links of a person ended, as the ledger says.
func (w *world) unlinked(p workflows.PersonID) []string {
	var out []string
	h, _ := w.m.History(w.ctx, workflows.PersonStream(p))
	for _, r := range h {
		if e, ok := r.Event.(identities.Unlinked); ok {
			out = append(out, e.How+": "+e.Why)
		}
	}
	return out
}

// The identity provider names a second account of somebody: from then on the two count as one person, and neither decides what the other asked
// for. When it names the account no more, the account is nobody's. What the people file says is stronger than the provider.
func TestThreat_T07_AccountsOfTheIdentityProvider(t *testing.T) {
	w := start(t, nil)
	eve, sofia := w.sim.UserID("eve"), w.sim.UserID("sofia")
	jonas := w.people["jonas"]
	if w.who("eve").Person == jonas {
		t.Fatal("eve is jonas before anybody said so")
	}
	var taken *bot.TakenError
	if err := w.bot.Adopt(w.ctx, jonas, []string{eve, sofia}); !errors.As(err, &taken) || taken.Account != sofia {
		t.Fatalf("an account of somebody else was taken: %v", err)
	}
	if w.who("eve").Person == jonas {
		t.Error("a refused list was taken in part")
	}
	for range 2 { // a provider says the same again and again
		if err := w.bot.Adopt(w.ctx, jonas, []string{eve}); err != nil {
			t.Fatal(err)
		}
	}
	if w.who("eve").Person != jonas {
		t.Fatal("the account does not count as jonas")
	}
	if list, err := w.bot.Adopted(w.ctx, jonas); err != nil || !cmp.Equal(list, []string{eve}) {
		t.Errorf("%v %v", list, err)
	}
	w.command("eve", "/access", "request bastion-shell") // jonas alone decides its first stage, and eve is jonas
	w.submit("eve", map[string]map[string]any{
		"entitlement": {"value": "0"}, "duration": {"value": "1h"}, "reason": {"value": "deploy hotfix now"}, "field:ticket": {"value": "OPS-12"},
	})
	v, _ := w.sim.View("eve")
	wantIn(t, v.Visible(), "has 0 once you are left out")
	w.list() // the people file is read again
	if w.who("eve").Person != jonas {
		t.Error("the link does not outlive a reload")
	}

	for range 2 {
		if err := w.bot.Adopt(w.ctx, jonas, nil); err != nil {
			t.Fatal(err)
		}
	}
	if p := w.who("eve").Person; p == jonas || p == "" {
		t.Errorf("after the provider let go, eve is %q", p)
	}
	if d := cmp.Diff([]string{identities.BySCIM + ": "}, w.unlinked(jonas)); d != "" {
		t.Errorf("how it ended (-want +got):\n%s", d)
	}
	if err := w.bot.Adopt(w.ctx, jonas, []string{eve}); err != nil || w.who("eve").Person != jonas {
		t.Errorf("linked once more: %v", err)
	}
}

// A link that was proved by codes is ended by security or an owner, with a reason, and never by the person it is about.
func TestAccountsAreUnlinkedBySecurity(t *testing.T) {
	w := start(t, nil)
	eve, jonas := "<@"+w.sim.UserID("eve")+"|eve>", w.people["jonas"]
	if err := w.desk.Link(w.ctx, jonas, identities.Linked{Account: w.who("eve").Actor, Medium: "slack", How: identities.ByCode}); err != nil {
		t.Fatal(err)
	}
	if err := (tables{w.m}).Link(w.ctx, w.who("eve").Actor, jonas); err != nil {
		t.Fatal(err)
	}
	if w.who("eve").Person != jonas {
		t.Fatal("the test shows nothing: eve is not linked")
	}
	for _, c := range []struct{ user, words, want string }{
		{"jonas", "unlink " + eve + " not mine", "Security and owners of Countersign"},
		{"eve", "unlink " + eve + " not mine", "Security and owners of Countersign"},
		{"maya", "unlink " + eve + " not hers", "Security and owners of Countersign"},
		{"sofia", "unlink " + eve, "needs a reason"},
		{"sofia", "unlink @eve because", "Name the account as Slack does"},
		{"sofia", "unlink <@" + w.sim.UserID("maya") + "> because", "changed there"},
		{"sofia", "unlink " + eve + " the account was given to somebody else", "belongs to"},
		{"sofia", "unlink " + eve + " once more", "changed there"},
	} {
		w.m.pass(time.Minute)
		w.command(c.user, "/access", c.words)
		if got := w.heard(c.user); !strings.Contains(got, c.want) {
			t.Errorf("%s types %q and hears %q, want %q", c.user, c.words, got, c.want)
		}
	}
	if d := cmp.Diff([]string{identities.ByHand + ": the account was given to somebody else"}, w.unlinked(jonas)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if p := w.who("eve").Person; p == jonas || p == "" {
		t.Errorf("eve is %q", p)
	}
	w.command("eve", "/access", "whoami")
	wantIn(t, w.heard("eve"), "not in the people file")
}

// Security does not unlink an account of their own: it could decide what they ask for.
func TestNobodyUnlinksTheirOwn(t *testing.T) {
	w := start(t, nil)
	if err := w.bot.Adopt(w.ctx, w.people["sofia"], []string{w.sim.UserID("eve")}); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"sofia", "eve"} {
		w.m.pass(time.Minute)
		w.command(user, "/access", "unlink <@"+w.sim.UserID("eve")+"> I want two")
		wantIn(t, w.heard(user), "Nobody unlinks an account of their own")
	}
	if w.who("eve").Person != w.people["sofia"] {
		t.Error("it was unlinked all the same")
	}
}
