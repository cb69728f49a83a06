package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/ledger"
)

func TestOrigin(t *testing.T) {
	for _, good := range []string{"demo.invalid/countersign", "example.com/countersign/prod/2", "a-b.example.co.uk/A_b.c~d"} {
		if err := ledger.CheckOrigin(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"", "example.com", "example.com/", "example.com//a", "/a", "localhost/a", "example.com/a b", "example.com/a+b", "Example.com/a",
		"example..com/a", ".com/a", "example.com./a", "-x.com/a", "x-.com/a", "example.com/a/", "example.com/a\n", "example.com/ä", "exa mple.com/a",
		"https://example.com/a", "example.com/..", "example.com/" + strings.Repeat("a", 200), "example.com:80/a",
	} {
		if ledger.CheckOrigin(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestCheckpoint(t *testing.T) {
	k, other := testKey(t, "first key"), testKey(t, "second key")
	cp := ledger.Checkpoint{Origin: testOrigin, Size: 12, Root: ledger.EmptyRoot()}
	msg, err := cp.Sign(signer(t, k))
	if err != nil {
		t.Fatal(err)
	}
	keys := func(k ...string) note.Verifiers {
		v, err := ledger.Verifiers(k...)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if got, err := ledger.OpenCheckpoint(msg, testOrigin, keys(k.VKey())); err != nil || got != cp {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ledger.OpenCheckpoint(msg, testOrigin, keys(other.VKey())); !errors.Is(err, ledger.ErrNotSigned) {
		t.Errorf("another key: %v", err)
	}
	if _, err := ledger.OpenCheckpoint(msg, "demo.invalid/other", keys(k.VKey())); err == nil {
		t.Error("another origin passes")
	}
	edited := bytes.Replace(msg, []byte("\n12\n"), []byte("\n13\n"), 1)
	if _, err := ledger.OpenCheckpoint(edited, testOrigin, keys(k.VKey())); !errors.Is(err, ledger.ErrSignature) {
		t.Errorf("an edited size: %v", err)
	}
	both, err := cp.Sign(signer(t, k), signer(t, other))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []ledger.Key{k, other} {
		if _, err := ledger.OpenCheckpoint(both, testOrigin, keys(one.VKey())); err != nil {
			t.Errorf("signed by both, read with one: %v", err)
		}
	}
	if _, err := cp.Sign(); err == nil {
		t.Error("signed without a key")
	}
	if _, err := (ledger.Checkpoint{Origin: "x y", Size: 1}).Sign(signer(t, k)); err == nil {
		t.Error("signed with a bad origin")
	}
}

func TestParseCheckpointHasOneSpelling(t *testing.T) {
	cp := ledger.Checkpoint{Origin: testOrigin, Size: 12, Root: ledger.EmptyRoot()}
	body := cp.Body()
	if got, err := ledger.ParseCheckpoint(body); err != nil || got != cp {
		t.Fatalf("%+v, %v", got, err)
	}
	root := cp.Root.String()
	for _, bad := range []string{
		"", "\n", strings.TrimSuffix(body, "\n"), body + "\n", body + "extension\n", "\n12\n" + root + "\n",
		strings.Replace(body, "12", "012", 1), strings.Replace(body, "12", "+12", 1), strings.Replace(body, "12", "-1", 1), strings.Replace(body, "12", "", 1),
		strings.Replace(body, "12", "9223372036854775808", 1), strings.Replace(body, root, root[:40], 1), strings.Replace(body, "=\n", "\n", 1),
		strings.Replace(body, "FU=", "FV=", 1), // the last character has bits that base64 does not use
	} {
		if bad == body {
			t.Fatal("nothing was changed")
		}
		if got, err := ledger.ParseCheckpoint(bad); err == nil {
			t.Errorf("%q is accepted as %+v", bad, got)
		}
	}
}

func TestKeys(t *testing.T) {
	k := testKey(t, "first key")
	for name, parse := range map[string]func() (ledger.Key, error){
		"seed text": func() (ledger.Key, error) { return ledger.ParseKey(k.SeedText()) },
		"file":      func() (ledger.Key, error) { return ledger.ParseKeyFile(k.KeyFile()) },
		"file with Windows line ends": func() (ledger.Key, error) {
			return ledger.ParseKeyFile(bytes.ReplaceAll(k.KeyFile(), []byte("\n"), []byte("\r\n")))
		},
	} {
		if got, err := parse(); err != nil || got != k {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if strings.Contains(k.String(), k.SeedText()) || !strings.Contains(k.String(), k.VKey()) {
		t.Error("the name of a key gives it away")
	}
	if s := signer(t, k); s.Name() != k.Origin() {
		t.Errorf("signs as %q", s.Name())
	}
	for _, bad := range []string{
		"", k.VKey(), k.SeedText() + "A", strings.Replace(k.SeedText(), "demo", "deme", 1), strings.Replace(k.SeedText(), "+AY", "+AI", 1), "PRIVATE+KEY+", "PRIVATE+KEY+a+b+c",
	} {
		if _, err := ledger.ParseKey(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		} else if len(bad) > 20 && strings.Contains(err.Error(), bad[len(bad)-20:]) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
	for _, bad := range []string{"", "# nothing\n", k.SeedText() + "\n" + k.SeedText() + "\n"} {
		if _, err := ledger.ParseKeyFile([]byte(bad)); err == nil {
			t.Errorf("key file %q is accepted", bad)
		}
	}
	if _, err := ledger.GenerateKey(strings.NewReader("short"), testOrigin); err == nil {
		t.Error("a short seed passes")
	}
	if _, err := ledger.GenerateKey(seeded("x"), "no origin"); err == nil {
		t.Error("a key without an origin is made")
	}
	if _, err := ledger.Verifiers("nonsense"); err == nil {
		t.Error("nonsense is a verifier")
	}
}

func TestReceipt(t *testing.T) {
	m := newMemory(t)
	m.grow(300)
	ctx, reader := context.Background(), ledger.Layered{m, m.tree}
	keys, err := ledger.Verifiers(m.key.VKey())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := ledger.ProveInclusion(ctx, reader, 300, 77)
	if err != nil {
		t.Fatal(err)
	}
	for _, extra := range [][]byte{nil, []byte("the leaf may stand here")} {
		want := ledger.Receipt{Index: 77, Proof: proof, Checkpoint: m.head.Note, Extra: extra}
		got, err := ledger.ParseReceipt(want.Text())
		if err != nil || !bytes.Equal(got.Text(), want.Text()) || !bytes.Equal(got.Extra, extra) {
			t.Fatalf("%s, %v", got.Text(), err)
		}
		if cp, err := got.Verify(m.entries[77].Leaf, testOrigin, keys); err != nil || cp.Size != 300 {
			t.Errorf("%+v, %v", cp, err)
		}
		if _, err := got.Verify(m.entries[78].Leaf, testOrigin, keys); !errors.Is(err, ledger.ErrProof) {
			t.Errorf("another leaf: %v", err)
		}
		got.Checkpoint = m.head.Note[:len(m.head.Note)-1]
		if _, err := got.Verify(m.entries[77].Leaf, testOrigin, keys); err == nil {
			t.Error("a checkpoint cut short passes")
		}
	}
	text := string(ledger.Receipt{Index: 77, Proof: proof, Checkpoint: m.head.Note, Extra: []byte("x")}.Text())
	for name, bad := range map[string]string{
		"version":      strings.Replace(text, "@v1", "@v2", 1),
		"index":        strings.Replace(text, "index 77", "index 077", 1),
		"no index":     strings.Replace(text, "index 77\n", "", 1),
		"hash":         strings.Replace(text, proof[0].String(), "AAAA", 1),
		"extra":        strings.Replace(text, "extra eA==", "extra eB==", 1),
		"extra return": strings.Replace(text, "extra eA==", "extra eA==\r", 1),
		"empty extra":  strings.Replace(text, "extra eA==", "extra ", 1),
		"no note":      text[:strings.Index(text, "\n\n")+1],
		"empty":        "",
		"long proof":   strings.Replace(text, proof[0].String()+"\n", strings.Repeat(proof[0].String()+"\n", 70), 1),
		"windows ends": strings.ReplaceAll(text, "\n", "\r\n"),
	} {
		if _, err := ledger.ParseReceipt([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzParseReceipt: what is accepted is written back as it was.
func FuzzParseReceipt(f *testing.F) {
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra eA==\nindex 3\n" + ledger.EmptyRoot().String() + "\n\nnote\n"))
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 0\n\nnote\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ledger.ParseReceipt(text)
		if err == nil && !bytes.Equal(r.Text(), text) {
			t.Fatalf("%q is written as %q", text, r.Text())
		}
	})
}

func TestWitnessFile(t *testing.T) {
	m := newMemory(t)
	var file []byte
	var want []ledger.Anchor
	for n := 2; n < 7; n++ {
		m.grow(n)
		a := m.head.Anchor("witness file", testStart+int64(n))
		line, err := a.Line()
		if err != nil {
			t.Fatal(err)
		}
		file, want = append(file, line...), append(want, a)
	}
	w, err := ledger.ReadWitness(bytes.NewReader(file))
	if err != nil || !slices.Equal(w.Anchors, want) || w.Torn != 0 || w.Valid != int64(len(file)) {
		t.Fatalf("%+v, %v", w, err)
	}
	last := bytes.LastIndexByte(file[:len(file)-1], '\n') + 1
	for cut := last + 1; cut < len(file); cut++ { // a crash at any byte of the last line
		w, err := ledger.ReadWitness(bytes.NewReader(file[:cut]))
		if err != nil || len(w.Anchors) != len(want)-1 || w.Torn != cut-last || w.Valid != int64(last) {
			t.Fatalf("cut at %d: %+v, %v", cut, w, err)
		}
	}
	for at := range last { // damage anywhere before
		bad := bytes.Clone(file)
		bad[at] ^= 2
		w, err := ledger.ReadWitness(bytes.NewReader(bad))
		if err == nil && slices.Equal(w.Anchors, want) {
			t.Fatalf("byte %d changed, nothing seen", at)
		}
	}
	if w, err := ledger.ReadWitness(strings.NewReader("")); err != nil || len(w.Anchors) != 0 {
		t.Errorf("an empty file: %+v, %v", w, err)
	}
	if _, err := ledger.ReadWitness(strings.NewReader(strings.Repeat("x", 10_000) + "\n")); err == nil {
		t.Error("a line without end passes")
	}
}

func TestAnchorRefuses(t *testing.T) {
	root := ledger.EmptyRoot().String()
	good := `{"from":"auditor","root":"` + root + `","size":12}`
	if a, err := ledger.ParseAnchor([]byte(good)); err != nil || a.Size != 12 || a.Note != "" {
		t.Fatalf("%+v, %v", a, err)
	}
	for _, bad := range []string{
		"", "{}", good + " ", strings.Replace(good, `"from":"auditor",`, "", 1), strings.Replace(good, "12", "-12", 1),
		strings.Replace(good, "12}", `12,"zone":"x"}`, 1), strings.Replace(good, `"root"`, `"note":"no note","root"`, 1), strings.Replace(good, "auditor", "", 1),
		strings.Replace(good, "12}", `12,"time":"yesterday"}`, 1), strings.Replace(good, root, "AAAA", 1),
	} {
		if a, err := ledger.ParseAnchor([]byte(bad)); err == nil {
			t.Errorf("%s is accepted as %+v", bad, a)
		}
	}
	m := newMemory(t)
	wrong := m.head.Anchor("x", 0)
	wrong.Size++
	if _, err := wrong.Line(); err == nil {
		t.Error("a line whose note says something else is written")
	}
	wrong = m.head.Anchor("x", 0)
	wrong.Root[0] ^= 1
	if _, err := wrong.Line(); err == nil {
		t.Error("a line whose note has another root is written")
	}
	if _, err := (ledger.Anchor{Size: 1}).Line(); err == nil {
		t.Error("a line from nobody is written")
	}
}

func TestCheckHead(t *testing.T) {
	m := newMemory(t)
	var anchors []ledger.Anchor
	for n := 2; n < 400; n += 9 {
		m.grow(n)
		anchors = append(anchors, m.head.Anchor("witness file", testStart))
	}
	ctx, reader := context.Background(), ledger.Layered{m, m.tree}
	if err := ledger.CheckHead(ctx, m.head, reader, anchors); err != nil {
		t.Error(err)
	}
	if err := ledger.CheckHead(ctx, m.head, nil, nil); err != nil {
		t.Error(err)
	}
	m.grow(450)
	for back := 1; back <= 16; back++ {
		forked := slices.Clone(anchors)
		forked[len(forked)-back].Root[0] ^= 1
		if err := ledger.CheckHead(ctx, m.head, ledger.Layered{m, m.tree}, forked); !errors.Is(err, ledger.ErrFork) {
			t.Errorf("root %d back changed: %v", back, err)
		}
	}
	two := append(slices.Clone(anchors), anchors[len(anchors)-1])
	two[len(two)-1].Root[3] ^= 1
	if err := ledger.CheckHead(ctx, m.head, ledger.Layered{m, m.tree}, two); !errors.Is(err, ledger.ErrFork) {
		t.Errorf("two memories of one size: %v", err)
	}
	if err := ledger.CheckHead(ctx, m.head, tiles{}, anchors); err == nil {
		t.Error("tiles that cannot be read say nothing is wrong")
	}
}
