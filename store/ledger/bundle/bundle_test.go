package bundle_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/ledger/bundle"
)

const (
	testOrigin = "demo.invalid/countersign/test"
	testStart  = 1795309323456789 // 2026-11-22T01:02:03.456789Z
)

// written is a ledger in slices, made the way the store makes one.
type written struct {
	t         testing.TB
	key       ledger.Key
	tree      *ledger.Tree
	entries   []ledger.Entry
	published []ledger.Published
	openings  []ledger.EntryOpening
	documents map[string][]byte
	witness   []ledger.Anchor
	head      ledger.Head
	seqs      map[string]int64
}

func testKey(t testing.TB, seed string) ledger.Key {
	t.Helper()
	k, err := ledger.GenerateKey(rand.NewChaCha8(sha256.Sum256([]byte(seed))), testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signerOf(t testing.TB, k ledger.Key) note.Signer {
	t.Helper()
	s, err := k.Signer()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *written) append(l ledger.Leaf) {
	w.t.Helper()
	i := int64(len(w.entries))
	w.seqs[l.Stream]++
	l.V, l.Seq, l.Mono, l.Time, l.ID = 1, w.seqs[l.Stream], (i+1)*1_000_000, testStart+i*1000, fmt.Sprintf("e%08d", i)
	b, err := ledger.Encode(l)
	if err != nil {
		w.t.Fatal(err)
	}
	w.entries = append(w.entries, ledger.Entry{Index: i, Leaf: b})
	w.tree.Append(ledger.LeafHash(b))
}

func (w *written) sign(keys ...ledger.Key) {
	w.t.Helper()
	var signers []note.Signer
	for _, k := range keys {
		signers = append(signers, signerOf(w.t, k))
	}
	h, err := w.tree.Head(testOrigin, signers...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.head = h
	w.witness = append(w.witness, h.Anchor("witness file", testStart))
}

// newWritten makes a ledger of n entries, with texts in two scripts, a published checkpoint and a change of keys in its middle.
func newWritten(t testing.TB, n int) *written {
	t.Helper()
	w := &written{t: t, key: testKey(t, "first"), tree: ledger.NewTree(), documents: map[string][]byte{}, seqs: map[string]int64{}}
	w.append(ledger.Leaf{Type: ledger.TypeGenesis, Stream: "system", Fields: ledger.GenesisFields(w.key)})
	doc, err := ledger.Canonical(map[string]any{"workflow": "prod"})
	if err != nil {
		t.Fatal(err)
	}
	policy := ledger.DocumentHash(doc)
	w.documents[policy] = doc
	salts := rand.NewChaCha8(sha256.Sum256([]byte("salts")))
	for len(w.entries) < n {
		i := len(w.entries)
		if i == n/2 && i > 2 {
			w.rotate()
			continue
		}
		c, o, err := ledger.Seal(salts, "reason", fmt.Sprintf("wegen Störung %d \t\"\\ \U0001F511 \u007f", i))
		if err != nil {
			t.Fatal(err)
		}
		w.openings = append(w.openings, ledger.EntryOpening{Index: int64(i), Opening: o})
		w.append(ledger.Leaf{
			Type: "vote.recorded", Stream: fmt.Sprintf("request/r_%d", i%5), Actor: "a_1", Person: "p_1", Policy: policy,
			Sealed: map[string]string{"reason": c}, Fields: map[string]any{"verdict": "approve", "stage": i % 3, "list": []any{"x", int64(-1), true}},
		})
	}
	w.sign(w.key)
	return w
}

func (w *written) rotate() {
	w.sign(w.key)
	w.published = append(w.published, ledger.Published{Size: w.head.Size, Note: w.head.Note})
	next := testKey(w.t, "second")
	fields, err := ledger.RotationFields(w.key, next)
	if err != nil {
		w.t.Fatal(err)
	}
	w.append(ledger.Leaf{Type: ledger.TypeKeyRotated, Stream: "system", Fields: fields})
	w.key = next
}

func (w *written) Head(context.Context) (ledger.Head, error) { return w.head, nil }

func (w *written) Entries(_ context.Context, from, to int64) iter.Seq2[ledger.Entry, error] {
	from, to = max(0, from), min(to, int64(len(w.entries)))
	return noError(slices.Values(w.entries[min(from, to):to]))
}

func (w *written) Tiles(context.Context) iter.Seq2[ledger.Tile, error] {
	return noError(slices.Values([]ledger.Tile{}))
}

func (w *written) Checkpoints(context.Context) iter.Seq2[ledger.Published, error] {
	return noError(slices.Values(w.published))
}

func (w *written) Openings(_ context.Context, from, to int64) iter.Seq2[ledger.EntryOpening, error] {
	return func(yield func(ledger.EntryOpening, error) bool) {
		for _, o := range w.openings {
			if o.Index >= from && o.Index < to && !yield(o, nil) {
				return
			}
		}
	}
}

func (w *written) Document(_ context.Context, hash string) ([]byte, error) {
	b, ok := w.documents[hash]
	if !ok {
		return nil, ledger.ErrNoDocument
	}
	return b, nil
}

func noError[T any](seq iter.Seq[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v := range seq {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func all(int64) bool { return true }

// export writes the ledger to a new zip or folder and gives its path.
func (w *written) export(name string) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), name)
	out, err := bundle.Create(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Abort()
	var docs []string
	for h := range w.documents {
		docs = append(docs, h)
	}
	m, err := out.Ledger(context.Background(), w, bundle.Content{
		Documents: docs, Witness: w.witness, Disclose: all, People: map[string]string{"p_1": "Jörg <b>"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	m.Tool, m.Query, m.Generated = "countersign test", "everything", ledger.FormatTime(testStart)
	if err := errors.Join(out.Add(bundle.FileIndex, []byte("<p>hello")), out.Add(bundle.PageName(0), []byte("<p>page"))); err != nil {
		w.t.Fatal(err)
	}
	if err := out.Close(m); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// judge does what a verifier does with a bundle: form, sums, ledger. The text says what was wrong.
func judge(path string, keys ...string) (ok bool, text string, r ledger.Report) {
	ctx := context.Background()
	b, err := bundle.Open(path)
	if err != nil {
		return false, err.Error(), r
	}
	defer b.Close()
	problems, err := b.CheckFiles(ctx)
	if err != nil {
		return false, err.Error(), r
	}
	anchors, err := b.Anchors()
	if err != nil {
		return false, err.Error(), r
	}
	r, err = ledger.Verify(ctx, b, ledger.Options{Keys: keys, Anchors: anchors, Workers: 2})
	if err != nil {
		return false, err.Error(), r
	}
	for _, p := range r.Problems {
		problems = append(problems, p.Text)
	}
	return len(problems) == 0, fmt.Sprint(problems), r
}

func TestBundleVerifies(t *testing.T) {
	for _, n := range []int{1, 2, 255, 256, 257, 700, 1100} {
		w := newWritten(t, n)
		for _, name := range []string{"b.zip", "folder"} {
			ok, text, r := judge(w.export(name), w.key.VKey())
			if !ok || r.Read != int64(n) || r.Opened != int64(len(w.openings)) || r.Checkpoints != int64(len(w.published)) || !r.KeyPinned {
				t.Errorf("%d entries as %s: %s %+v", n, name, text, r)
			}
			if want := int64(n / 256); r.Tiles != want {
				t.Errorf("%d entries as %s: %d tiles compared, want %d", n, name, r.Tiles, want)
			}
		}
	}
}

func TestBundleGivesWhatWentIn(t *testing.T) {
	w := newWritten(t, 600)
	b, err := bundle.Open(w.export("b.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, r := range [][2]int64{{0, 600}, {250, 260}, {512, 513}, {599, 700}, {-5, 3}, {600, 900}, {-9, 0}} {
		var got, want []string
		for e, err := range b.Entries(t.Context(), r[0], r[1]) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(e.Index, string(e.Leaf)))
		}
		for e := range w.Entries(t.Context(), r[0], r[1]) {
			want = append(want, fmt.Sprint(e.Index, string(e.Leaf)))
		}
		if !slices.Equal(got, want) {
			t.Errorf("entries %v differ: %d, want %d", r, len(got), len(want))
		}
		var gotO, wantO []ledger.EntryOpening
		for o, err := range b.Openings(t.Context(), r[0], r[1]) {
			if err != nil {
				t.Fatal(err)
			}
			gotO = append(gotO, o)
		}
		for o := range w.Openings(t.Context(), r[0], r[1]) {
			wantO = append(wantO, o)
		}
		if !slices.Equal(gotO, wantO) {
			t.Errorf("openings %v differ: %d, want %d", r, len(gotO), len(wantO))
		}
	}
	if people, err := b.People(); err != nil || people["p_1"] != "Jörg <b>" {
		t.Errorf("people: %v, %v", people, err)
	}
	if m, err := b.Manifest(); err != nil || m.Rows != 600 || m.Openings != int64(len(w.openings)) || m.FirstTime == "" || m.LastTime <= m.FirstTime {
		t.Errorf("manifest: %+v, %v", m, err)
	}
}

func TestExportIsDeterministic(t *testing.T) {
	w := newWritten(t, 300)
	a, err := os.ReadFile(w.export("a.zip"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(w.export("b.zip"))
	if err != nil || !slices.Equal(a, b) {
		t.Errorf("two exports of one head differ: %v", err)
	}
}

func TestExportRefusesWhatIsNotSigned(t *testing.T) {
	w := newWritten(t, 300)
	w.entries[7].Leaf = slices.Clone(w.entries[8].Leaf)
	path := filepath.Join(t.TempDir(), "b.zip")
	out, err := bundle.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Ledger(t.Context(), w, bundle.Content{}); !errors.Is(err, bundle.ErrNotSigned) {
		t.Errorf("exporting changed entries gave %v", err)
	}
	out.Abort()
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Create(path); err == nil {
		t.Error("a file was written over")
	}
}
