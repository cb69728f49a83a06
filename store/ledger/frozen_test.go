package ledger_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
)

var update = flag.Bool("update", false, "write testdata anew: only before the first release, and with a reason")

// frozen compares bytes with a file that may never change once a ledger exists.
func frozen(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: the frozen format has changed\nhave %q\nwant %q", path, got, want)
	}
}

func TestFrozenBytes(t *testing.T) {
	leaf, err := ledger.Encode(exampleLeaf())
	if err != nil {
		t.Fatal(err)
	}
	frozen(t, "leaf.json", leaf)

	doc, err := ledger.Canonical(map[string]any{"stages": []any{map[string]any{"quorum": 2, "name": "security"}}, "name": "prod"})
	if err != nil {
		t.Fatal(err)
	}
	frozen(t, "document.json", doc)
	frozen(t, "document.hash", []byte(ledger.DocumentHash(doc)))

	commitment, opening, err := ledger.Seal(seeded("salt"), "reason", "on call, ticket 7")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := json.Marshal(opening)
	if err != nil {
		t.Fatal(err)
	}
	frozen(t, "commitment.txt", []byte(commitment))
	frozen(t, "opening.json", opened)
}

func TestFrozenLog(t *testing.T) {
	m := newMemory(t)
	m.grow(300)
	second := testKey(t, "second key")
	fields, err := ledger.RotationFields(m.key, second)
	if err != nil {
		t.Fatal(err)
	}
	first := m.key
	m.append(ledger.Leaf{Type: ledger.TypeKeyRotated, Stream: "system", Fields: fields})
	m.sign(first, second)
	var entries []byte
	for _, e := range m.entries {
		entries = append(append(entries, e.Leaf...), '\n')
	}
	frozen(t, "entries.jsonl", entries)
	frozen(t, "tile-0-000", m.tiles[0].Hashes)
	frozen(t, "frontier.hex", []byte(hex.EncodeToString(m.head.Frontier)))
	frozen(t, "checkpoint", m.head.Note)
	frozen(t, "key", first.KeyFile())
	line, err := m.head.Anchor("witness file", testStart).Line()
	if err != nil {
		t.Fatal(err)
	}
	frozen(t, "witness.jsonl", line)
	proof, err := ledger.ProveInclusion(context.Background(), ledger.Layered{m, m.tree}, 301, 77)
	if err != nil {
		t.Fatal(err)
	}
	frozen(t, "entry-77.tlog-proof", ledger.Receipt{Index: 77, Proof: proof, Checkpoint: m.head.Note}.Text())
}

// The frozen files verify by themselves, so a change of reader and writer together is seen too.
func TestFrozenLogVerifies(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key, err := ledger.ParseKeyFile(read("key"))
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory(t)
	m.grow(3) // for the documents
	m.entries, m.openings, m.tree = nil, nil, ledger.NewTree()
	for line := range bytes.Lines(read("entries.jsonl")) {
		m.entries = append(m.entries, ledger.Entry{Index: int64(len(m.entries)), Leaf: bytes.TrimSuffix(line, []byte("\n"))})
	}
	m.tiles = []ledger.Tile{{Level: 0, N: 0, Hashes: read("tile-0-000")}}
	w, err := ledger.ReadWitness(bytes.NewReader(read("witness.jsonl")))
	if err != nil || len(w.Anchors) != 1 {
		t.Fatalf("%+v, %v", w, err)
	}
	frontier, err := hex.DecodeString(string(read("frontier.hex")))
	if err != nil {
		t.Fatal(err)
	}
	m.head = ledger.Head{Size: w.Anchors[0].Size, Root: w.Anchors[0].Root, Frontier: frontier, Note: read("checkpoint")}
	r := verify(t, m, ledger.Options{Keys: []string{key.VKey()}, Anchors: w.Anchors})
	if !r.OK || r.Size != 301 || r.KeyChanges != 1 || r.Erased != 299 {
		t.Error(report(r))
	}
	receipt, err := ledger.ParseReceipt(read("entry-77.tlog-proof"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ledger.Verifiers(key.VKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := receipt.Verify(m.entries[77].Leaf, testOrigin, keys); err != nil {
		t.Error(err)
	}
}

// The worked example in the package comment is what the code produces.
func TestDocExample(t *testing.T) {
	k := testKey(t, "first key")
	leaf, err := ledger.Encode(ledger.Leaf{
		V: 1, Type: ledger.TypeGenesis, ID: "e00000000", Stream: "system", Seq: 1, Time: testStart, Mono: 1_000_000,
		Fields: ledger.GenesisFields(k),
	})
	if err != nil {
		t.Fatal(err)
	}
	tree := ledger.NewTree()
	tree.Append(ledger.LeafHash(leaf))
	head, err := tree.Head(testOrigin, signer(t, k))
	if err != nil {
		t.Fatal(err)
	}
	var opening ledger.Opening
	opening.Field, opening.Value = "reason", "on call"
	hash := ledger.LeafHash(leaf)
	example := []string{
		string(leaf),
		hex.EncodeToString(hash[:]),
		hex.EncodeToString(head.Frontier),
		ledger.Commit(opening.Salt, opening.Field, opening.Value),
	}
	example = append(example, strings.Split(strings.TrimSpace(string(head.Note)), "\n")...)
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.ReplaceAll(string(doc), "\n//\t", "\n")
	flat = strings.ReplaceAll(flat, "\\\n", "") // lines broken for reading end in a backslash
	for _, want := range example {
		if !strings.Contains(flat, want) {
			t.Errorf("doc.go does not show %s", want)
		}
	}
}
