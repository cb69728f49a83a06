package ledger_test

import (
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/ledger"
)

func custodyKey(t *testing.T, seed string) (ledger.Key, note.Verifiers) {
	t.Helper()
	k, err := ledger.GenerateKey(rand.NewChaCha8(sha256.Sum256([]byte(seed))), "demo.invalid/countersign/test")
	if err != nil {
		t.Fatal(err)
	}
	v, err := ledger.Verifiers(k.VKey())
	if err != nil {
		t.Fatal(err)
	}
	return k, v
}

// TestReq_R99_CustodyIsSignedAndFrozen holds the bytes of a custody note for ever, that it reads back as it was, and that no other text, key
// or kind of note passes for one, nor it for a checkpoint.
func TestReq_R99_CustodyIsSignedAndFrozen(t *testing.T) {
	k, keys := custodyKey(t, "custody")
	_, strangers := custodyKey(t, "stranger")
	c := ledger.Custody{
		Origin: k.Origin(), Manifest: sha256.Sum256([]byte("manifest")), Time: 1795309323456789, Exporter: "unix user ann (1000) on bot-1",
	}
	msg, err := c.Sign(k)
	if err != nil {
		t.Fatal(err)
	}
	const frozen = `countersign custody v1
demo.invalid/countersign/test
05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f
2026-11-22T01:02:03.456789Z
unix user ann (1000) on bot-1

— demo.invalid/countersign/test `
	body, _, _ := strings.Cut(string(msg), "— ")
	if d := cmp.Diff(frozen, string(msg)[:min(len(msg), len(frozen))]); d != "" {
		t.Errorf("the note has changed (-frozen +now):\n%s", d)
	}
	got, err := ledger.OpenCustody(msg, keys)
	if err != nil || got != c {
		t.Errorf("read back: %+v, %v", got, err)
	}
	if _, err := ledger.OpenCustody(msg, strangers); !errors.Is(err, ledger.ErrNotSigned) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := ledger.OpenCustody([]byte(strings.Replace(string(msg), "ann", "bob", 1)), keys); !errors.Is(err, ledger.ErrSignature) {
		t.Errorf("another exporter: %v", err)
	}
	if _, err := ledger.OpenCheckpoint(msg, "", keys); err == nil {
		t.Error("a custody note passes for a checkpoint")
	}
	s, err := k.Signer()
	if err != nil {
		t.Fatal(err)
	}
	head, err := ledger.NewTree().Head(k.Origin(), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenCustody(head.Note, keys); err == nil {
		t.Error("a checkpoint passes for a custody note")
	}
	for _, text := range []string{
		"countersign custody v2" + body[22:], body + "more\n", strings.Replace(body, "2026", "1926", 1), strings.Replace(body, "unix", "\x07unix", 1),
		strings.Replace(body, "demo.invalid", "demo", 1), strings.ToUpper(body), strings.Replace(body, "\nunix user ann (1000) on bot-1", "\n", 1),
	} {
		bad, err := note.Sign(&note.Note{Text: strings.TrimSuffix(text, "\n")}, s)
		if err != nil {
			continue // not even a note
		}
		if got, err := ledger.OpenCustody(bad, keys); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
	for _, who := range []string{"", "two\nlines", strings.Repeat("x", 300)} {
		c := c
		c.Exporter = who
		if _, err := c.Sign(k); err == nil {
			t.Errorf("signed for %.20q", who)
		}
	}
	c.Origin = "demo.invalid/countersign/other"
	if _, err := c.Sign(k); err == nil {
		t.Error("signed for another ledger")
	}
}
