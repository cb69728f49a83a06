package bundle_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/ledger/bundle"
)

// exportWithCustody is export with a note that says who made the bundle.
func (w *written) exportWithCustody(name string) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), name)
	out, err := bundle.Create(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Abort()
	out.Custody = func(manifest []byte) ([]byte, error) {
		return ledger.Custody{Origin: testOrigin, Manifest: sha256.Sum256(manifest), Time: testStart, Exporter: "unix user ann (1000) on bot-1"}.Sign(w.key)
	}
	var docs []string
	for h := range w.documents {
		docs = append(docs, h)
	}
	m, err := out.Ledger(context.Background(), w, bundle.Content{Documents: docs, Witness: w.witness, Disclose: all, People: map[string]string{"p_1": "Jörg"}})
	if err == nil {
		m.Tool, m.Query, m.Generated, m.Exporter = "countersign test", "everything", ledger.FormatTime(testStart), "unix user ann (1000) on bot-1"
		err = out.Close(m)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return path
}

// custodyOf reads the note of a bundle as a verifier does.
func custodyOf(t *testing.T, path, vkey string) (ledger.Custody, bool) {
	t.Helper()
	b, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	msg, manifest, err := b.Custody()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ledger.Verifiers(vkey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ledger.OpenCustody(msg, keys)
	return c, err == nil && c.Manifest == manifest && c.Origin == testOrigin
}

// TestReq_R99_ABundleSaysWhoMadeIt holds the note over the manifest: all three verifiers read it, a manifest that was changed afterwards or
// another name in the note breaks it, and a bundle without one is whole but says that nobody signed for it.
func TestReq_R99_ABundleSaysWhoMadeIt(t *testing.T) {
	w := newWritten(t, 300)
	dir := w.exportWithCustody("b")
	if ok, text, _ := judge(dir, w.key.VKey()); !ok {
		t.Errorf("the bundle: %s", text)
	}
	if c, ok := custodyOf(t, dir, w.key.VKey()); !ok || c.Exporter != "unix user ann (1000) on bot-1" || c.Time != testStart {
		t.Errorf("the note: %+v %v", c, ok)
	}
	if _, ok := custodyOf(t, dir, testKey(t, "first").VKey()); ok {
		t.Error("the key that was replaced still signs for bundles")
	}
	second := python(t)
	if second != nil {
		if ok, text := second(dir, w.key.VKey()); !ok {
			t.Errorf("Python: %s", text)
		}
	}
	for name, change := range map[string]func(contents){
		"another name":     func(c contents) { replace(c, "custody", "user ann", "user bob") },
		"another manifest": func(c contents) { replace(c, "MANIFEST.json", `"everything"`, `"half of it"`) },
		"another note":     func(c contents) { c["custody"] = c["checkpoint"] },
		"none at all":      func(c contents) { delete(c, "custody") },
	} {
		c := unpack(t, dir)
		change(c)
		if name == "another manifest" { // resum would write the manifest anew
			sum := sha256.Sum256(unpack(t, dir)["MANIFEST.json"])
			fresh := sha256.Sum256(c["MANIFEST.json"])
			replace(c, "SHA256SUMS", hex.EncodeToString(sum[:]), hex.EncodeToString(fresh[:]))
		} else {
			sum, fresh := sha256.Sum256(unpack(t, dir)["custody"]), sha256.Sum256(c["custody"])
			replace(c, "SHA256SUMS", hex.EncodeToString(sum[:])+"  custody\n", map[bool]string{true: "", false: hex.EncodeToString(fresh[:]) + "  custody\n"}[name == "none at all"])
		}
		path := filepath.Join(t.TempDir(), "b.zip")
		if err := os.WriteFile(path, c.zip(t), 0o600); err != nil {
			t.Fatal(err)
		}
		if ok, text, _ := judge(path, w.key.VKey()); !ok {
			t.Errorf("%s: the files do not fit: %s", name, text) // custody is judged beside them
		}
		if name == "none at all" {
			if second != nil {
				if ok, text := second(path); !ok {
					t.Errorf("Python without a note: %s", text)
				}
			}
			continue
		}
		if _, ok := custodyOf(t, path, w.key.VKey()); ok {
			t.Errorf("%s: the note still holds", name)
		}
		if second != nil {
			if ok, text := second(path); ok || !strings.Contains(text, "custody") {
				t.Errorf("%s: Python says %s", name, text)
			}
		}
	}
}
