package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// TestReq_R29_AHandedOverSecretLeadsToItsGrant: a password that was handed over once, and then seen where it must not be, is known by its keyed
// fingerprint: the grant that it came with is taken back at the target, an incident opens, its holder and the owner are told, and nothing of the
// bot holds the password. It is recognised when it is pasted into the form in Slack, and when it is read from a file.
func TestReq_R29_AHandedOverSecretLeadsToItsGrant(t *testing.T) {
	t.Parallel()
	w := portalWorld(t, "maya")
	taken := func(reason string) (login, password string) {
		t.Helper()
		w.portalLogin("maya", reason)
		out, code := w.run("take")
		m := regexp.MustCompile(`(?m)^Password: (\S{28})$`).FindStringSubmatch(out)
		if code != exitDone || m == nil {
			t.Fatalf("taking it (exit %d): %s", code, out)
		}
		return regexp.MustCompile(`(?m)^Login: (\S+)$`).FindStringSubmatch(out)[1], m[1]
	}
	login, password := taken("looking at order 4711 with the supplier")
	if !w.demo.portal.opens(login, password) {
		t.Fatal("the password does not open the portal")
	}
	found := fileOf(t, "found.txt", password+"\n")
	if out, code := w.run("identities", "leak", found, "-place", "a wiki"); code != exitDone || !strings.Contains(out, "1 find on record") {
		t.Fatalf("reporting it (exit %d): %s", code, out)
	}
	w.recorded(grants.Revoked{}.Kind(), 1)
	if w.demo.portal.opens(login, password) {
		t.Error("the password still opens the portal")
	}
	for _, who := range []string{"maya", "jonas"} {
		w.dmTo(who, "was seen where it must not be", "INC-1", "a wiki")
	}
	if out, code := w.run("identities", "leak", found, "-place", "a wiki"); code != exitDone || !strings.Contains(out, "1 of them known before") {
		t.Errorf("the same find (exit %d): %s", code, out)
	}
	if n := len(w.entries(grants.SecretLeaked{}.Kind())); n != 1 {
		t.Errorf("%d finds on record", n)
	}

	login, other := taken("looking at order 4712 with the supplier")
	if other == password {
		t.Fatal("the same password twice")
	}
	w.check(w.reportLeak("kenji", other, "a chat"))
	w.recorded(grants.Revoked{}.Kind(), 2)
	if w.demo.portal.opens(login, other) {
		t.Error("the second password still opens the portal")
	}
	if places := w.haunted(password); len(places) > 0 {
		t.Errorf("the password stands in %v", places)
	}
	kept(t, w.data(), other) // Slack itself had this one: it was typed there
	w.verify()
}

// reportLeak fills in the form for a leak in Slack.
func (w *world) reportLeak(person, secret, place string) error {
	w.t.Helper()
	if err := w.command(w.t.Context(), person, "/access", "leak"); err != nil {
		return err
	}
	if _, err := w.view(w.t.Context(), person, screens.CallLeak); err != nil {
		return err
	}
	return w.submit(w.t.Context(), person, map[string]any{screens.BlockLeakSecret: secret, screens.BlockLeakPlace: place})
}
