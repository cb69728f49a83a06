package streams_test

import (
	"bytes"
	gocmp "cmp"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/streams"
)

// received is a file as a receiver has it.
func received(t testing.TB, rs []streams.Record) []byte {
	t.Helper()
	var out []byte
	for _, r := range rs {
		line, err := r.Line()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, line...)
	}
	return out
}

func check(t testing.TB, file []byte, vkeys ...string) streams.Report {
	t.Helper()
	c := streams.Checker{VKeys: vkeys}
	if err := c.Read(t.Context(), bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	return c.Report()
}

// batches are the records as a stream sends them while the ledger grows: the last of each batch carries the head.
func batches(t testing.TB, b *book, sizes ...int) (out []streams.Record) {
	t.Helper()
	for _, n := range sizes {
		b.grow(n)
		rs, _, err := b.Read(t.Context(), int64(len(out)), n, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rs...)
	}
	return out
}

func TestCheckWhole(t *testing.T) {
	b := newBook(t)
	rs := batches(t, b, 10, 300, 301)
	got := check(t, received(t, rs), b.key.VKey())
	want := streams.Report{Lines: 301, Records: 301, Origin: origin, Last: 300, Heads: 3, Compared: 3, Proven: 301, KeyPinned: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := check(t, received(t, rs)); got.KeyPinned || got.Compared != 3 || len(got.Problems) > 0 {
		t.Errorf("without a key: %+v", got)
	}
	twice := slices.Concat(rs[:200], rs[150:], rs[295:])
	if got := check(t, received(t, twice), b.key.VKey()); got.Duplicates != 56 || len(got.Problems) > 0 || len(got.Gaps) > 0 || got.Proven != 301 {
		t.Errorf("with duplicates: %+v", got)
	}
	if got := check(t, received(t, rs[50:]), b.key.VKey()); got.First != 50 || len(got.Problems) > 0 || got.Heads != 2 || got.Compared != 0 {
		t.Errorf("from entry 50 on: %+v", got)
	}
}

// TestCheckFindsWhatIsWrong is a table of what may happen on the way to a receiver and in its files.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	b := newBook(t)
	rs := batches(t, b, 10, 40)
	other := newBook(t)
	other.says = "something else"
	otherRecords := batches(t, other, 40)
	forged := slices.Clone(rs)
	forged[20] = otherRecords[20] // another ledger of the same name: hashes fit, the tree does not
	for name, c := range map[string]struct {
		file  []byte
		vkey  string
		gaps  []streams.Gap
		words string // of the first problem
	}{
		"missing":           {file: received(t, slices.Concat(rs[:15], rs[18:])), gaps: []streams.Gap{{From: 15, To: 17}}},
		"swapped":           {file: received(t, slices.Concat(rs[:15], rs[16:17], rs[15:16], rs[17:])), gaps: []streams.Gap{{From: 15, To: 15}}, words: "the order was changed"},
		"leaf changed":      {file: bytes.Replace(received(t, rs), []byte(`"verdict":"approve"`), []byte(`"verdict":"deny"`), 1), words: "its hash is not the one sent with it"},
		"forged":            {file: received(t, forged), words: "over others than these"},
		"two histories":     {file: received(t, slices.Concat(rs, otherRecords[30:])), words: "it came before with other content"},
		"not JSON":          {file: append(received(t, rs[:12]), "{\n"...), words: "it cannot be read"},
		"type beside":       {file: bytes.Replace(received(t, rs), []byte(`Z","type":"vote.recorded","leaf_hash"`), []byte(`Z","type":"vote.recordex","leaf_hash"`), 1), words: "are not those in it"},
		"another origin":    {file: bytes.Replace(received(t, rs), []byte("\n{\"v\":1,\"origin\":\"example.com/countersign/test\""), []byte("\n{\"v\":1,\"origin\":\"example.com/countersign/best\""), 1), words: "it is of the ledger"},
		"signature changed": {file: bytes.Replace(received(t, rs), []byte("— example.com/countersign/test "), []byte("— example.com/countersign/test A"), 1), words: "the signed head with it"},
		"another key":       {file: received(t, rs), vkey: other.key.VKey(), words: "the key you gave is not one"},
	} {
		got := check(t, c.file, gocmp.Or(c.vkey, b.key.VKey()))
		if diff := cmp.Diff(c.gaps, got.Gaps); diff != "" {
			t.Errorf("%s: gaps: %s", name, diff)
		}
		switch {
		case c.words == "" && len(got.Problems) > 0:
			t.Errorf("%s: %+v", name, got.Problems)
		case c.words != "" && (len(got.Problems) == 0 || !strings.Contains(got.Problems[0].Text, c.words)):
			t.Errorf("%s: %+v, want %q", name, got.Problems, c.words)
		}
	}
}

// TestCheckFollowsTheKey holds that a change of keys in the stream is followed, and one that the old key has not signed is not.
func TestCheckFollowsTheKey(t *testing.T) {
	b := newBook(t)
	rs := batches(t, b, 5)
	old := b.key
	next, err := ledger.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := ledger.RotationFields(old, next)
	if err != nil {
		t.Fatal(err)
	}
	b.add(ledger.Leaf{Type: ledger.TypeKeyRotated, Stream: "system", Seq: 2, Fields: fields})
	b.key = next
	rest, _, err := b.Read(t.Context(), 5, 100, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, pin := range []string{old.VKey(), next.VKey()} {
		if got := check(t, received(t, slices.Concat(rs, rest)), pin); len(got.Problems) > 0 || got.Compared != 2 || got.Proven != 6 {
			t.Errorf("pinned %s: %+v", pin, got)
		}
	}
	b.key = old // somebody with the old key goes on signing
	b.add(ledger.Leaf{Type: "x.happened", Stream: "system", Seq: 3})
	late, _, err := b.Read(t.Context(), 6, 100, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	got := check(t, received(t, slices.Concat(rs, rest, late)), next.VKey())
	if len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Text, "none of the known keys") {
		t.Errorf("signed by the old key: %+v", got.Problems)
	}
}

// TestReq_R101_NoByteOfAnEntryChangesUnseen flips any byte of any leaf, or leaves any record out.
func TestReq_R101_NoByteOfAnEntryChangesUnseen(t *testing.T) {
	b := newBook(t)
	rs := batches(t, b, 8, 30)
	rapid.Check(t, func(rt *rapid.T) {
		changed := slices.Clone(rs)
		i := rapid.IntRange(0, len(rs)-2).Draw(rt, "record")
		if rapid.Bool().Draw(rt, "drop") {
			changed = slices.Delete(changed, i, i+1)
		} else {
			leaf := slices.Clone(rs[i].Leaf)
			k := rapid.IntRange(0, len(leaf)-1).Draw(rt, "byte")
			leaf[k] ^= byte(rapid.IntRange(1, 255).Draw(rt, "bits"))
			changed[i].Leaf = leaf
		}
		var file []byte
		for _, r := range changed {
			line, err := r.Line()
			if err != nil {
				return // no longer JSON: it would not even have been written
			}
			file = append(file, line...)
		}
		c := streams.Checker{VKeys: []string{b.key.VKey()}}
		if err := c.Read(t.Context(), bytes.NewReader(file)); err != nil {
			rt.Fatal(err)
		}
		got := c.Report()
		if len(got.Problems) == 0 && len(got.Gaps) == 0 && got.First == 0 {
			rt.Fatalf("record %d: %+v", i, got)
		}
	})
}

// TestThreat_T33_NoControlsReachATerminal sends a record whose every text is hostile to a terminal and to a log: what syslog and a report make of
// it holds no control and nothing that turns the direction of a line.
func TestThreat_T33_NoControlsReachATerminal(t *testing.T) {
	hostile := "a\x1b[2Jb\r\nc\u202ed\u200be\x00f\u0085g\ufeffh"
	b := newBook(t)
	r := b.records()[0]
	r.Sentence, r.Type, r.Origin, r.Stream = hostile, "x"+hostile, "o"+hostile, hostile
	s := streams.Syslog{Facility: 13, MaxBytes: 4000}
	m := string(s.Message(r))
	if _, err := parseMessage([]byte(m)); err != nil {
		t.Error(err)
	}
	_, text, _ := strings.Cut(m, "\ufeff")
	for _, c := range m[:len(m)-len(text)-len("\ufeff")] + text {
		if c < 0x20 || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0x202e || c == 0x200b || c == 0xfeff {
			t.Errorf("%U in %q", c, m)
		}
	}
	if strings.Contains(m, "\n") {
		t.Error("a second line")
	}
}
