package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/ledger"
)

func verify(t testing.TB, m *memory, opt ledger.Options) ledger.Report {
	t.Helper()
	r, err := ledger.Verify(context.Background(), m, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func report(r ledger.Report) string {
	var b bytes.Buffer
	_ = r.WriteText(&b)
	return b.String()
}

func TestVerifyIntact(t *testing.T) {
	for _, n := range []int{1, 2, 255, 256, 257, 600, 3000, 5000} {
		m := newMemory(t)
		m.grow(n)
		anchor := m.publish()
		m.grow(n + 3)
		r := verify(t, m, ledger.Options{Keys: []string{m.key.VKey()}, Origin: testOrigin, Anchors: []ledger.Anchor{anchor}})
		if !r.OK || r.Read != int64(n+3) || !r.KeyPinned || r.LastGoodSize != int64(n) || r.Root != m.head.Root.String() {
			t.Errorf("%d entries: %s", n, report(r))
		}
		if r.Opened != r.Commitments || r.Opened != int64(n+2) || r.Erased != 0 {
			t.Errorf("%d entries: %d of %d sealed fields open", n, r.Opened, r.Commitments)
		}
	}
}

func TestVerifyCountsErasedAndCallsEachEntryInOrder(t *testing.T) {
	m := newMemory(t)
	m.grow(700)
	m.openings = slices.DeleteFunc(m.openings, func(o ledger.EntryOpening) bool { return o.Index%2 == 0 })
	var next int64
	r := verify(t, m, ledger.Options{Workers: 3, PerEntry: func(idx int64, l ledger.Leaf) error {
		if idx != next || idx > 0 && l.Fields["verdict"] != "approve" {
			t.Errorf("entry %d after %d: %v", idx, next-1, l)
		}
		next++
		if idx == 500 {
			return errors.New("nobody may approve this")
		}
		return nil
	}})
	if next != 700 || r.Erased != 349 || r.OK || r.First.Index != 500 || r.First.Code != ledger.CodeEntryRejected {
		t.Errorf("%d entries seen: %s", next, report(r))
	}
	if r.KeyPinned || !strings.Contains(report(r), "pin it") {
		t.Error("a key that nobody pinned passes for pinned")
	}
}

// tampering is one way to change rows behind the program's back, at a position.
type tampering struct {
	name  string
	do    func(m *memory, at int)
	code  ledger.Code
	named bool // the first problem must be the entry at the position
}

func tamperings() []tampering {
	return []tampering{
		{"row changed", func(m *memory, at int) {
			m.entries[at].Leaf = bytes.Replace(m.entries[at].Leaf, []byte(`"approve"`), []byte(`"counter"`), 1)
		}, ledger.CodeEntryChanged, true},
		{"actor changed", func(m *memory, at int) {
			m.entries[at].Leaf = bytes.Replace(m.entries[at].Leaf, []byte(`"a_1"`), []byte(`"a_2"`), 1)
		}, ledger.CodeEntryChanged, true},
		{"row made unreadable", func(m *memory, at int) { m.entries[at].Leaf = append(bytes.Clone(m.entries[at].Leaf), ' ') }, ledger.CodeEntryForm, true},
		{"row deleted", func(m *memory, at int) { m.entries = slices.Delete(m.entries, at, at+1) }, ledger.CodeEntryMissing, true},
		{"row deleted, the rest moved up", func(m *memory, at int) {
			m.entries = slices.Delete(m.entries, at, at+1)
			for i := range m.entries {
				m.entries[i].Index = int64(i)
			}
		}, ledger.CodeEntryMissing, false},
		{"rows swapped", func(m *memory, at int) {
			m.entries[at].Leaf, m.entries[at-1].Leaf = m.entries[at-1].Leaf, m.entries[at].Leaf
		}, ledger.CodeEntryChanged, false},
		{"tail cut", func(m *memory, at int) { m.entries = m.entries[:at] }, ledger.CodeEntryMissing, true},
		{"tail cut, head row set back", func(m *memory, at int) {
			m.entries = m.entries[:at]
			m.head.Size = int64(at)
		}, ledger.CodeHead, false},
		{"tail cut, head rebuilt without the key", func(m *memory, at int) {
			m.entries = m.entries[:at]
			old := m.head.Note
			m.rebuild(testKey(m.t, "forged key"))
			m.head.Note = old
		}, ledger.CodeHead, false},
		{"tail changed and chained again, signed with another key", func(m *memory, at int) {
			m.entries[at].Leaf = bytes.Replace(m.entries[at].Leaf, []byte(`"approve"`), []byte(`"counter"`), 1)
			m.rebuild(testKey(m.t, "forged key"))
		}, ledger.CodeSignature, false},
		{"tail changed and chained again, old note kept", func(m *memory, at int) {
			m.entries[at].Leaf = bytes.Replace(m.entries[at].Leaf, []byte(`"approve"`), []byte(`"counter"`), 1)
			old := m.head.Note
			m.rebuild(m.key)
			m.head.Note = old
		}, ledger.CodeRoot, false},
		{"row added behind the head", func(m *memory, at int) {
			m.entries = append(m.entries, ledger.Entry{Index: int64(len(m.entries)), Leaf: m.entries[at].Leaf})
		}, ledger.CodeEntryExtra, false},
		{"row repeated at the end and chained", func(m *memory, at int) {
			m.entries = append(m.entries, ledger.Entry{Leaf: m.entries[at].Leaf})
			m.rebuild(m.key)
		}, ledger.CodeID, false},
		{"head row edited", func(m *memory, at int) { m.head.Root[at%32] ^= 1 }, ledger.CodeHead, false},
		{"note edited", func(m *memory, at int) { m.head.Note[len(m.head.Note)-10] ^= 1 }, ledger.CodeSignature, false},
		{"note taken from elsewhere", func(m *memory, _ int) { m.head.Note = m.checkpoints[0].Note }, ledger.CodeHead, false},
		{"frontier edited", func(m *memory, at int) { m.head.Frontier[at%len(m.head.Frontier)] ^= 1 }, ledger.CodeFrontier, false},
		{"tile edited", func(m *memory, at int) { m.tiles[0].Hashes[at*7%ledger.TileBytes] ^= 1 }, ledger.CodeTile, false},
		{"tile deleted", func(m *memory, _ int) { m.tiles = slices.Delete(m.tiles, 0, 1) }, ledger.CodeTile, false},
		{"tile added", func(m *memory, _ int) {
			m.tiles = append(m.tiles, ledger.Tile{Level: 1, N: 0, Hashes: m.tiles[0].Hashes})
		}, ledger.CodeTile, false},
		{"checkpoint edited", func(m *memory, _ int) {
			m.checkpoints[0].Note = bytes.Replace(m.checkpoints[0].Note, []byte("\n300\n"), []byte("\n301\n"), 1)
		}, ledger.CodeCheckpoint, false},
		{"opening edited", func(m *memory, at int) { m.openings[at-1].Value += "!" }, ledger.CodeOpening, true},
		{"openings swapped", func(m *memory, at int) {
			m.openings[at].Opening, m.openings[at-1].Opening = m.openings[at-1].Opening, m.openings[at].Opening
		}, ledger.CodeOpening, true},
		{"document edited", func(m *memory, _ int) {
			for h := range m.documents {
				m.documents[h] = []byte(`{"version":9}`)
			}
		}, ledger.CodeDocChanged, false},
		{"document deleted", func(m *memory, _ int) { clear(m.documents) }, ledger.CodeDocMissing, false},
	}
}

// Every change of a row by somebody with the file but not the key is found, at every position, and where the change is of one entry
// the report names it.
func TestThreat_T26_EditedOfflineIsFoundAndNamed(t *testing.T) {
	whole := newMemory(t)
	whole.grow(300)
	whole.publish()
	whole.grow(700)
	var positions []int
	step := 7
	if testing.Short() {
		step = 70
	}
	for at := 1; at < 700; at += step {
		positions = append(positions, at)
	}
	positions = append(positions, 255, 256, 257, 511, 512, 513, 699)
	for _, tamper := range tamperings() {
		t.Run(tamper.name, func(t *testing.T) {
			t.Parallel()
			for _, at := range positions {
				if tamper.name == "openings swapped" && at >= len(whole.openings) {
					continue
				}
				m := whole.clone()
				m.t = t
				tamper.do(m, at)
				r := verify(t, m, ledger.Options{Keys: []string{whole.key.VKey()}})
				if r.OK || r.Counts[tamper.code] == 0 {
					t.Fatalf("at %d: want %s\n%s", at, tamper.code, report(r))
				}
				if tamper.named && (r.First.Index != int64(at) || r.First.Code != tamper.code && r.First.Code != ledger.CodeEntryForm) {
					t.Fatalf("at %d: the first problem is %+v", at, r.First)
				}
			}
		})
	}
}

// Tiles and frontier rewritten together with a row, but without the key: the signed root still says no, and what was published says
// from where on.
func TestThreat_T26_RowTilesAndFrontierRewritten(t *testing.T) {
	m := newMemory(t)
	m.grow(1000)
	m.publish()
	m.grow(2000)
	m.publish()
	m.grow(2100)
	note, root := m.head.Note, m.head.Root
	m.entries[1234].Leaf = bytes.Replace(m.entries[1234].Leaf, []byte(`"approve"`), []byte(`"counter"`), 1)
	m.rebuild(m.key)
	m.head.Note, m.head.Root = note, root
	r := verify(t, m, ledger.Options{})
	if r.Counts[ledger.CodeRoot] != 1 || r.Counts[ledger.CodeFrontier] != 1 || r.LastGoodSize != 1000 || r.FirstWrongSize != 2000 {
		t.Error(report(r))
	}
}

// A level-1 tile that was not rewritten with the rest still names the 256 entries among which the change is.
func TestThreat_T26_RowAndItsTileRewritten(t *testing.T) {
	if testing.Short() {
		t.Skip("builds 65,536 entries")
	}
	m := newMemory(t)
	tree, leaves := ledger.NewTree(), plainLeaves(t, m, 65540)
	m.tiles = nil
	for i, b := range leaves {
		m.entries = append(m.entries[:i], ledger.Entry{Index: int64(i), Leaf: b})
		m.tiles = append(m.tiles, tree.Append(ledger.LeafHash(b))...)
	}
	m.tree = tree
	m.sign(m.key)
	if r := verify(t, m, ledger.Options{}); !r.OK || r.Tiles != 257 {
		t.Fatal(report(r))
	}
	at := 40000
	m.entries[at].Leaf = bytes.Replace(m.entries[at].Leaf, []byte(`"a_1"`), []byte(`"a_2"`), 1)
	for i, tile := range m.tiles {
		if tile.Level == 0 && tile.N == int64(at/256) {
			h := ledger.LeafHash(m.entries[at].Leaf)
			m.tiles[i].Hashes = bytes.Clone(tile.Hashes)
			copy(m.tiles[i].Hashes[at%256*32:], h[:])
		}
	}
	r := verify(t, m, ledger.Options{})
	if r.First.Code != ledger.CodeEntryChanged || r.First.Index != int64(at/256*256) {
		t.Error(report(r))
	}
}

// plainLeaves makes many leaves quickly, the genesis first.
func plainLeaves(t testing.TB, m *memory, n int) [][]byte {
	out := [][]byte{m.entries[0].Leaf}
	for i := 1; i < n; i++ {
		m.mono++
		b, err := ledger.Encode(ledger.Leaf{
			V: 1, Type: "vote.cast", ID: fmt.Sprintf("e%08d", i), Stream: fmt.Sprintf("request/r%d", i/10), Seq: int64(i%10) + 1,
			Time: testStart + int64(i), Mono: m.mono + int64(i), Actor: "a_1", Person: "p_1",
			Fields: map[string]any{"verdict": "approve", "stage": int64(i % 3), "note": "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if i < 10 { // r0 begins behind the genesis
			b = bytes.Replace(b, fmt.Appendf(nil, `"seq":%d`, i+1), fmt.Appendf(nil, `"seq":%d`, i), 1)
		}
		out = append(out, b)
	}
	return out
}

// With the key in hand a forger makes a ledger that is right in itself. What only memories from outside find, and what nobody finds without
// them, stands here.
func TestThreat_T26_ForgerWithTheKey(t *testing.T) {
	for name, forge := range map[string]func(m *memory){
		"row changed, all rebuilt": func(m *memory) {
			m.entries[150].Leaf = bytes.Replace(m.entries[150].Leaf, []byte(`"a_1"`), []byte(`"a_2"`), 1)
		},
		"tail cut and another grown": func(m *memory) {
			m.entries = m.entries[:150]
			for i := 150; i < 300; i++ {
				l := ledger.Leaf{V: 1, Type: "x.y", ID: fmt.Sprint("f", i), Stream: "forged", Seq: int64(i - 149), Time: testStart, Mono: 1 << 50}
				b, _ := ledger.Encode(l)
				m.entries = append(m.entries, ledger.Entry{Leaf: b})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(t)
			m.grow(200)
			anchor := m.head.Anchor("witness file", testStart)
			m.grow(300)
			m.openings = nil
			forge(m)
			m.rebuild(m.key)
			if r := verify(t, m, ledger.Options{Keys: []string{m.key.VKey()}}); !r.OK {
				t.Errorf("known not to be found without an anchor, but: %s", report(r))
			}
			r := verify(t, m, ledger.Options{Keys: []string{m.key.VKey()}, Anchors: []ledger.Anchor{anchor}})
			if r.OK || r.Counts[ledger.CodeFork] != 1 || r.FirstWrongSize != 200 {
				t.Error(report(r))
			}
		})
	}
}

// A forger who starts again from the genesis with a key of his own is found by whoever pinned the real one.
func TestThreat_T26_RewrittenFromTheStart(t *testing.T) {
	real := newMemory(t)
	forged := &memory{t: t, tree: ledger.NewTree(), key: testKey(t, "forged key"), seqs: map[string]int64{}, documents: map[string][]byte{}}
	forged.append(ledger.Leaf{Type: ledger.TypeGenesis, Stream: "system", Fields: ledger.GenesisFields(forged.key)})
	forged.grow(20)
	if r := verify(t, forged, ledger.Options{}); !r.OK || r.KeyPinned {
		t.Error(report(r))
	}
	if r := verify(t, forged, ledger.Options{Keys: []string{real.key.VKey()}}); r.Counts[ledger.CodeKey] != 1 {
		t.Error(report(r))
	}
}

// An old copy put back is right in itself; the witness file, a published checkpoint kept elsewhere, or a message in a channel, is larger.
func TestThreat_T27_OldCopyPutBack(t *testing.T) {
	m := newMemory(t)
	m.grow(200)
	backup := m.clone()
	m.grow(320)
	anchor := m.head.Anchor("witness file", testStart)
	if r := verify(t, backup, ledger.Options{}); !r.OK {
		t.Fatal(report(r))
	}
	r := verify(t, backup, ledger.Options{Anchors: []ledger.Anchor{anchor}})
	if r.OK || r.Counts[ledger.CodeRollback] != 1 || !strings.Contains(r.First.Text, "120 entries are gone") {
		t.Error(report(r))
	}
	err := ledger.CheckHead(context.Background(), backup.head, ledger.Layered{backup, backup.tree}, []ledger.Anchor{anchor})
	if !errors.Is(err, ledger.ErrRollback) {
		t.Errorf("CheckHead: %v", err)
	}
	// It runs on from the backup: the sizes meet again, the histories do not.
	backup.append(ledger.Leaf{Type: "instance.started", Stream: "system"})
	backup.grow(400)
	r = verify(t, backup, ledger.Options{Anchors: []ledger.Anchor{anchor}})
	if r.OK || r.Counts[ledger.CodeFork] != 1 {
		t.Error(report(r))
	}
	err = ledger.CheckHead(context.Background(), backup.head, ledger.Layered{backup, backup.tree}, []ledger.Anchor{anchor})
	if fork, ok := errors.AsType[*ledger.ForkError](err); !ok || fork.Anchor.Size != 320 {
		t.Errorf("CheckHead: %v", err)
	}
}

// An acknowledged write that the disk lost looks like an old copy: the witness line is ahead of the head.
func TestFault_F07_LostWriteIsFoundByTheWitness(t *testing.T) {
	m := newMemory(t)
	m.grow(20)
	var file bytes.Buffer
	var lost *memory
	for i := 20; i < 25; i++ {
		if i == 22 {
			lost = m.clone()
		}
		m.grow(i + 1)
		line, err := m.head.Anchor("witness file", testStart).Line()
		if err != nil {
			t.Fatal(err)
		}
		file.Write(line)
	}
	w, err := ledger.ReadWitness(&file)
	if err != nil || len(w.Anchors) != 5 {
		t.Fatalf("%d anchors, %v", len(w.Anchors), err)
	}
	err = ledger.CheckHead(context.Background(), lost.head, ledger.Layered{lost, lost.tree}, w.Anchors)
	if roll, ok := errors.AsType[*ledger.RollbackError](err); !ok || roll.Anchor.Size-roll.Size != 3 {
		t.Errorf("CheckHead: %v", err)
	}
	if err := ledger.CheckHead(context.Background(), m.head, ledger.Layered{m, m.tree}, w.Anchors); err != nil {
		t.Errorf("the ledger that lost nothing: %v", err)
	}
}

// A flipped bit anywhere in entries, tiles, head or openings is found; nothing panics.
func TestFault_F13_EveryFlippedBitIsFound(t *testing.T) {
	whole := newMemory(t)
	whole.grow(260)
	whole.publish()
	rng := seeded("flips")
	for range 1500 {
		m := whole.clone()
		places := [][]byte{m.head.Root[:], m.head.Frontier, m.head.Note, m.tiles[0].Hashes}
		e := int(rng.Uint64() % 260)
		m.entries[e].Leaf = bytes.Clone(m.entries[e].Leaf)
		places = append(places, m.entries[e].Leaf, m.entries[e].Leaf, m.entries[e].Leaf)
		where := int(rng.Uint64() % uint64(len(places)))
		at, bit := int(rng.Uint64()%uint64(len(places[where]))), rng.Uint64()%8
		places[where][at] ^= 1 << bit
		if r := verify(t, m, ledger.Options{Keys: []string{whole.key.VKey()}}); r.OK {
			t.Fatalf("bit %d of byte %d of place %d (entry %d): not found", bit, at, where, e)
		}
	}
}

func TestVerifyChangesOfKeys(t *testing.T) {
	m := newMemory(t)
	m.grow(30)
	m.publish()
	second, third := testKey(t, "second key"), testKey(t, "third key")
	first := m.key
	for _, next := range []ledger.Key{second, third} {
		fields, err := ledger.RotationFields(m.key, next)
		if err != nil {
			t.Fatal(err)
		}
		old := m.key
		m.key = next
		m.append(ledger.Leaf{Type: ledger.TypeKeyRotated, Stream: "system", Fields: fields})
		m.sign(old, next)
		m.publish()
		m.grow(len(m.entries) + 10)
		m.publish()
	}
	for _, pinned := range []ledger.Key{first, second, third} {
		r := verify(t, m, ledger.Options{Keys: []string{pinned.VKey()}})
		if !r.OK || r.KeyChanges != 2 || r.Key != third.VKey() || !r.KeyPinned {
			t.Error(report(r))
		}
	}
	stale := m.clone()
	stale.sign(first)
	if r := verify(t, stale, ledger.Options{}); r.Counts[ledger.CodeSignature] != 1 {
		t.Errorf("a head signed by a key that was replaced passes: %s", report(r))
	}
	stale = m.clone()
	stale.checkpoints[0].Note = func() []byte {
		cp := ledger.Checkpoint{Origin: testOrigin, Size: 30, Root: m.head.Anchor("", 0).Root}
		n, _ := cp.Sign(signer(t, third))
		return n
	}()
	if r := verify(t, stale, ledger.Options{}); r.Counts[ledger.CodeSignature] != 1 || r.Counts[ledger.CodeCheckpoint] != 1 {
		t.Errorf("an old checkpoint made with a newer key passes: %s", report(r))
	}
}

// Somebody who holds only the old key, only the new one, or keys of another ledger cannot bring a new key in.
func TestVerifyRefusesAKeyWithoutBothSignatures(t *testing.T) {
	old, next, other := testKey(t, "first key"), testKey(t, "next"), testKey(t, "other")
	text := func(a, b ledger.Key) string {
		return "countersign key rotation v1\n" + a.VKey() + "\n" + b.VKey() + "\n"
	}
	for name, c := range map[string]struct {
		text    string
		signers []ledger.Key
	}{
		"old and new":   {text(old, next), []ledger.Key{old, next}},
		"only old":      {text(old, next), []ledger.Key{old}},
		"only new":      {text(old, next), []ledger.Key{next}},
		"another's old": {text(old, next), []ledger.Key{other, next}},
		"another text":  {text(next, old), []ledger.Key{old, next}},
	} {
		m := newMemory(t)
		var signers []note.Signer
		for _, k := range c.signers {
			signers = append(signers, signer(t, k))
		}
		cross, err := note.Sign(&note.Note{Text: c.text}, signers...)
		if err != nil {
			t.Fatal(err)
		}
		m.append(ledger.Leaf{
			Type: ledger.TypeKeyRotated, Stream: "system",
			Fields: map[string]any{"cross": string(cross), "previous": old.VKey(), "vkey": next.VKey()},
		})
		m.key = next
		m.grow(10)
		r := verify(t, m, ledger.Options{})
		switch good := name == "old and new"; {
		case good && !r.OK:
			t.Errorf("%s: %s", name, report(r))
		case !good && (r.Counts[ledger.CodeKey] != 1 || r.Counts[ledger.CodeSignature] != 1 || r.First.Index != 1):
			t.Errorf("%s: %s", name, report(r))
		}
	}
	if _, err := ledger.RotationFields(next, next); err == nil {
		t.Error("a key may follow itself")
	}
}

// A second genesis, complete with a key of somebody else, does not put that key in force.
func TestVerifySecondGenesisChangesNothing(t *testing.T) {
	m := newMemory(t)
	forged := testKey(t, "forged key")
	m.append(ledger.Leaf{Type: ledger.TypeGenesis, Stream: "system", Fields: ledger.GenesisFields(forged)})
	if r := verify(t, m, ledger.Options{}); r.Total() != 1 || r.Counts[ledger.CodeGenesis] != 1 || r.Key != m.key.VKey() {
		t.Error(report(r))
	}
	m.sign(forged)
	if r := verify(t, m, ledger.Options{}); r.Counts[ledger.CodeSignature] != 1 {
		t.Error(report(r))
	}
}

func TestVerifyOrder(t *testing.T) {
	type row struct {
		stream string
		seq    int64
		id     string
		mono   int64
	}
	good := []row{{"a", 1, "i1", 10}, {"b", 1, "i2", 10}, {"a", 2, "i3", 11}}
	for name, c := range map[string]struct {
		rows []row
		code ledger.Code
	}{
		"good":            {good, ""},
		"gap":             {append(slices.Clone(good), row{"a", 4, "i4", 12}), ledger.CodeSeq},
		"first is not 1":  {append(slices.Clone(good), row{"c", 2, "i4", 12}), ledger.CodeSeq},
		"again":           {append(slices.Clone(good), row{"a", 2, "i4", 12}), ledger.CodeSeq},
		"id twice":        {append(slices.Clone(good), row{"a", 3, "i2", 12}), ledger.CodeID},
		"clock backwards": {append(slices.Clone(good), row{"a", 3, "i4", 9}), ledger.CodeMono},
		"second genesis":  {append(slices.Clone(good), row{"genesis", 1, "i4", 12}), ledger.CodeGenesis},
	} {
		m := newMemory(t)
		for _, r := range c.rows {
			typ := "x.y"
			if r.stream == "genesis" {
				typ = "genesis"
			}
			b, err := ledger.Encode(ledger.Leaf{V: 1, Type: typ, ID: r.id, Stream: r.stream, Seq: r.seq, Time: testStart - r.seq, Mono: 1_000_000 + r.mono})
			if err != nil {
				t.Fatal(err)
			}
			m.appendBytes(b)
		}
		r := verify(t, m, ledger.Options{})
		if r.OK != (c.code == "") || c.code != "" && (r.Counts[c.code] != 1 || r.Total() != 1 || r.First.Index != 4) {
			t.Errorf("%s: %s", name, report(r))
		}
	}
}

func TestVerifyHugeHeadSizeEnds(t *testing.T) {
	m := newMemory(t)
	m.grow(20)
	m.head.Size = 1 << 61
	m.entries[19].Index = 1<<61 - 1
	r := verify(t, m, ledger.Options{})
	if r.OK || r.First.Code != ledger.CodeEntryMissing || r.First.Index != 19 {
		t.Error(report(r))
	}
	m.head.Size = -5
	if r := verify(t, m, ledger.Options{}); r.OK {
		t.Error("a negative size passes")
	}
}

func TestVerifyStopsWhenTold(t *testing.T) {
	m := newMemory(t)
	m.grow(3000)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := ledger.Verify(ctx, m, ledger.Options{PerEntry: func(idx int64, _ ledger.Leaf) error {
		if idx == 10 {
			cancel()
		}
		return nil
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}
