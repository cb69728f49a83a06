package main

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/ledger/bundle"
)

// forgery is a ledger that somebody with the right key writes anew: every signature, hash and sum in it holds.
type forgery struct {
	t      testing.TB
	key    ledger.Key
	leaves []ledger.Leaf
	docs   map[string][]byte
	head   ledger.Head
	raw    []ledger.Entry
}

// playedDemo plays the demo's story once, with a request of two stages, a runbook and its use, and gives the data folder.
func playedDemo(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("plays the demo")
	}
	exe, err := exec.LookPath("countersign")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), exe, "demo", "-play", "-fresh", "-dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("the demo: %v\n%s", err, out)
	}
	return filepath.Join(dir, "data")
}

func readForgery(t testing.TB, data string) *forgery {
	t.Helper()
	e, err := openEvidence(t.Context(), proc{env: []string{"COUNTERSIGN_DATA=" + data}, err: os.Stderr}, data, "")
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	key, err := readLedgerKey(Config{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	f := &forgery{t: t, key: key, docs: map[string][]byte{}}
	size, err := e.size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for x, err := range e.src.Entries(t.Context(), 0, size) {
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Decode(x.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		f.leaves = append(f.leaves, l)
	}
	for d, err := range e.snapshot.Documents(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		f.docs[string(d.Hash)] = d.Bytes
	}
	return f
}

// clone is a copy that can be changed: leaves are encoded and decoded again, so that no map is shared.
func (f *forgery) clone(t testing.TB) *forgery {
	c := &forgery{t: t, key: f.key, docs: maps.Clone(f.docs)}
	for _, l := range f.leaves {
		b, err := ledger.Encode(l)
		if err == nil {
			l, err = ledger.Decode(b)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.leaves = append(c.leaves, l)
	}
	return c
}

// first is the first entry of a type whose stream begins so, from an index on.
func (f *forgery) first(typ, stream string, from int) int {
	f.t.Helper()
	for i := from; i < len(f.leaves); i++ {
		if f.leaves[i].Type == typ && strings.HasPrefix(f.leaves[i].Stream, stream) {
			return i
		}
	}
	f.t.Fatalf("there is no %s on %s… from %d on", typ, stream, from)
	return 0
}

// drop takes an entry out.
func (f *forgery) drop(i int) { f.leaves = slices.Delete(f.leaves, i, i+1) }

// sign numbers the entries and signs them as the bot does. It gives a map from the old index of each entry.
func (f *forgery) sign() {
	f.t.Helper()
	seqs := map[string]int64{}
	tree := ledger.NewTree()
	f.raw = nil
	for i, l := range f.leaves {
		seqs[l.Stream]++
		l.Seq = seqs[l.Stream]
		b, err := ledger.Encode(l)
		if err != nil {
			f.t.Fatal(err)
		}
		f.raw = append(f.raw, ledger.Entry{Index: int64(i), Leaf: b})
		tree.Append(ledger.LeafHash(b))
	}
	signer, err := f.key.Signer()
	if err != nil {
		f.t.Fatal(err)
	}
	if f.head, err = tree.Head(f.key.Origin(), signer); err != nil {
		f.t.Fatal(err)
	}
}

func (f *forgery) Head(context.Context) (ledger.Head, error) { return f.head, nil }

func (f *forgery) Entries(_ context.Context, from, to int64) iter.Seq2[ledger.Entry, error] {
	return func(yield func(ledger.Entry, error) bool) {
		for _, x := range f.raw {
			if x.Index >= from && x.Index < to && !yield(x, nil) {
				return
			}
		}
	}
}

func (f *forgery) Tiles(context.Context) iter.Seq2[ledger.Tile, error] {
	return func(func(ledger.Tile, error) bool) {}
}

func (f *forgery) Checkpoints(context.Context) iter.Seq2[ledger.Published, error] {
	return func(func(ledger.Published, error) bool) {}
}

func (f *forgery) Openings(context.Context, int64, int64) iter.Seq2[ledger.EntryOpening, error] {
	return func(func(ledger.EntryOpening, error) bool) {}
}

func (f *forgery) Document(_ context.Context, hash string) ([]byte, error) {
	b, ok := f.docs[hash]
	if !ok {
		return nil, ledger.ErrNoDocument
	}
	return b, nil
}

// bundle writes the forged ledger as a bundle.
func (f *forgery) bundle() string {
	f.t.Helper()
	f.sign()
	path := filepath.Join(f.t.TempDir(), "forged.zip")
	w, err := bundle.Create(path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer w.Abort()
	m, err := w.Ledger(f.t.Context(), f, bundle.Content{Documents: slices.Collect(maps.Keys(f.docs))})
	if err == nil {
		m.Tool, m.Query, m.Generated = "countersign", "everything", "2026-11-22T01:02:03.000000Z"
		err = errors.Join(w.Add(bundle.FileIndex, []byte("<p>")), w.Close(m))
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return path
}

// policy changes the document that governs an entry and everything that names it: a forger who brings a weaker policy along.
func (f *forgery) policy(hash, old, with string) string {
	f.t.Helper()
	b := string(f.docs[hash])
	if !strings.Contains(b, old) {
		f.t.Fatalf("the document does not contain %q: %s", old, b)
	}
	changed := []byte(strings.Replace(b, old, with, 1))
	fresh := ledger.DocumentHash(changed)
	f.docs[fresh] = changed
	return fresh
}

func people(v any) []any { return v.([]any) }

// forgeries are ledgers that decided against their documents, with the entry that verify must name and what it must say of it.
func forgeries() []struct {
	name, says string // says may be any of several, with a bar between: engine and judge both hold it
	forge      func(*forgery) int
} {
	const req = "request/"
	return []struct {
		name, says string
		forge      func(*forgery) int
	}{
		{"an approval lacks its quorum", "stage 0 satisfied with 1 approvals missing", func(f *forgery) int {
			i := f.first("vote.recorded", req, 0)
			f.drop(i)
			return f.first("stage.satisfied", req, i)
		}},
		{"a stage nobody closed", "approved although stage 2 (Security) has 0 of 1", func(f *forgery) int {
			i := f.first("stage.opened", req, f.first("stage.satisfied", req, 0))
			stream := f.leaves[i].Stream
			end := f.first("request.approved", req, i)
			for k := end - 1; k >= i; k-- {
				if f.leaves[k].Stream == stream {
					f.drop(k)
				}
			}
			return f.first("request.approved", req, i)
		}},
		{"the approver is the requester", "who could not decide stage 0", func(f *forgery) int {
			sub, i := f.first("request.submitted", req, 0), f.first("vote.recorded", req, 0)
			f.leaves[i].Person, f.leaves[i].Actor = f.leaves[sub].Person, f.leaves[sub].Actor
			return i
		}},
		{"an approver off the roster", "who could not decide stage 0", func(f *forgery) int {
			i := f.first("vote.recorded", req, 0)
			f.leaves[i].Person = "p_00000000000000000000000000000000"
			return i
		}},
		{"a requester put on the roster", "the document does not name", func(f *forgery) int {
			sub, open := f.first("request.submitted", req, 0), f.first("stage.opened", req, 0)
			people(f.leaves[open].Fields["roster"])[0].(map[string]any)["person"] = f.leaves[sub].Person
			return open
		}},
		{"a stranger on the roster", "the document does not name p_00000000000000000000000000000000 (group:platform)", func(f *forgery) int {
			open, i := f.first("stage.opened", req, 0), f.first("vote.recorded", req, 0)
			for _, seat := range people(f.leaves[open].Fields["roster"]) {
				seat.(map[string]any)["person"] = "p_00000000000000000000000000000000"
			}
			f.leaves[i].Person = "p_00000000000000000000000000000000"
			return open
		}},
		{"a seat for a reason that no document gives", "for a reason that no document gives", func(f *forgery) int {
			open := f.first("stage.opened", req, 0)
			people(f.leaves[open].Fields["roster"])[0].(map[string]any)["why"] = "because"
			return open
		}},
		{"a smaller quorum in the plan", "wants 1 approval, the document 2 approvals", func(f *forgery) int {
			i := f.first("request.submitted", req, f.first("request.approved", req, 0))
			people(f.leaves[i].Fields["plan"])[0].(map[string]any)["quorum"] = int64(1)
			return i
		}},
		{"a stage left out of the plan", "it has 1 stage, the document 2 stages", func(f *forgery) int {
			i := f.first("request.submitted", req, 0)
			f.leaves[i].Fields["plan"] = people(f.leaves[i].Fields["plan"])[:1]
			return i
		}},
		{"asking for longer than allowed", "longer than the 4h of its document", func(f *forgery) int {
			i := f.first("request.submitted", req, 0)
			f.leaves[i].Fields["seconds"] = int64(5 * 3600)
			return i
		}},
		{"asking for what the document does not grant", "which the document does not grant", func(f *forgery) int {
			i := f.first("request.submitted", req, 0)
			f.leaves[i].Fields["entitlement"] = "root"
			return i
		}},
		{"asking without being among those who may", "but the document does not name", func(f *forgery) int {
			i := f.first("request.submitted", req, 0)
			f.leaves[i].Fields["rule"] = "may_ask: named"
			return i
		}},
		{"a version that was not in force", "which was not in force then", func(f *forgery) int {
			i := f.first("request.submitted", req, 0)
			fresh := f.policy(f.leaves[i].Policy, `"purpose":"`, `"purpose":"A weaker `)
			old := f.leaves[i].Policy
			for k := range f.leaves {
				if f.leaves[k].Policy == old {
					f.leaves[k].Policy = fresh
				}
			}
			return i
		}},
		{"an account that is nobody's", "no entry before it links the two", func(f *forgery) int {
			i := f.first("vote.recorded", req, 0)
			f.leaves[i].Actor = "a_00000000000000000000000000000000"
			return i
		}},
		{"a workload decides", "cast with the session of a machine, and no machine decides", func(f *forgery) int {
			i := f.first("vote.recorded", req, 0)
			f.leaves[i].Fields["authn"] = "oidc/s_00000000000000000000000000"
			return i
		}},
		{"a vote on something else", "decides on something else than what is asked in stage 1|on another text than was asked|on something else", func(f *forgery) int {
			i := f.first("vote.recorded", req, 0)
			f.leaves[i].Fields["shown"] = strings.Repeat("0", 64)
			return i
		}},
		{"a vote on another request", "on another text than was asked", func(f *forgery) int {
			i := f.first("vote.recorded", req, 0)
			f.leaves[i].Fields["digest"] = strings.Repeat("0", 64)
			return i
		}},
		{"a vote after the deadline", "received when stage 0 was over", func(f *forgery) int {
			i := f.first("vote.recorded", req, 0)
			f.leaves[i].Fields["received_at"] = "2030-01-01T00:00:00.000000Z"
			return i
		}},
		{"a vote under another document", "although the request is bound to", func(f *forgery) int {
			i := f.first("vote.recorded", req, 0)
			f.leaves[i].Policy = f.leaves[f.first("vote.recorded", req, f.first("request.approved", req, 0))].Policy
			return i
		}},
		{"a grant longer than the policy", "longer than the 1h that were asked for", func(f *forgery) int {
			i := f.first("grant.approved", "grant/", 0)
			f.leaves[i].Fields["ends_at"] = "2030-01-01T00:00:00.000000Z"
			return i
		}},
		{"a grant longer by the ledger's own clock", "longer than the 1h that were asked for", func(f *forgery) int {
			i := f.first("grant.approved", "grant/", 0)
			f.leaves[i].Fields["ends_mono"] = "9000000000000000"
			return i
		}},
		{"a grant with other parameters", "hands the target other parameters", func(f *forgery) int {
			i := f.first("grant.approved", "grant/", 0)
			f.leaves[i].Fields["params"].(map[string]any)["principals"] = []any{"root"}
			return i
		}},
		{"a grant of something else", "on the stream of something else", func(f *forgery) int {
			i := f.first("grant.approved", "grant/", 0)
			f.leaves[i].Fields["entitlement"] = "root"
			return i
		}},
		{"a grant that nobody approved", "which had not been approved for it", func(f *forgery) int {
			i := f.first("grant.approved", "grant/", 0)
			f.leaves[i].Fields["request"] = "r_00000000000000000000000000"
			return f.first("request.approved", req, 0)
		}},
		{"a grant without any ground", "nobody asked for", func(f *forgery) int {
			i := f.first("grant.approved", "grant/", 0)
			delete(f.leaves[i].Fields, "request")
			return f.first("request.approved", req, 0)
		}},
		{"a grant that names other approvers", "names other approvers", func(f *forgery) int {
			i := f.first("grant.approved", "grant/", 0)
			f.leaves[i].Fields["approvers"] = people(f.leaves[i].Fields["approvers"])[:1]
			return i
		}},
		{"an approval without its grant", "an entry is missing", func(f *forgery) int {
			i := f.first("grant.approved", "grant/", 0)
			stream := f.leaves[i].Stream
			f.leaves = slices.DeleteFunc(f.leaves, func(l ledger.Leaf) bool { return l.Stream == stream })
			return f.first("request.approved", req, 0)
		}},
		{"glass broken by a stranger", "who is not among the invokers", func(f *forgery) int {
			i := f.first("runbook.invoked", "runbook/", 0)
			f.leaves[i].Person = "p_00000000000000000000000000000000"
			return i
		}},
		{"glass broken without approval", "was not ready: Nobody has approved this runbook yet", func(f *forgery) int {
			i := f.first("runbook.preapproved", "runbook/", 0)
			f.drop(i)
			return f.first("request.approved", req, i-3)
		}},
		{"glass broken for too long", "longer than the 30m", func(f *forgery) int {
			i := f.first("runbook.invoked", "runbook/", 0)
			f.leaves[i].Fields["ends_at"] = "2030-01-01T00:00:00.000000Z"
			return i
		}},
		{"glass broken without an incident", "does not have the form that the document wants", func(f *forgery) int {
			i := f.first("runbook.invoked", "runbook/", 0)
			f.leaves[i].Fields["incident"] = "no"
			return i
		}},
		{"an emergency grant for too long", "longer than the 30m of runbook web-outage", func(f *forgery) int {
			i := f.first("grant.approved", "grant/", f.first("runbook.invoked", "runbook/", 0))
			f.leaves[i].Fields["ends_at"] = "2030-01-01T00:00:00.000000Z"
			return i
		}},
		{"more uses than the document allows", "uses, the document", func(f *forgery) int {
			i := f.first("runbook.preapproved", "runbook/", 0)
			f.leaves[i].Fields["uses"] = int64(1000)
			return i
		}},
		{"an approval of a runbook that does not end", "longer than was asked for or than the document allows", func(f *forgery) int {
			i := f.first("runbook.preapproved", "runbook/", 0)
			f.leaves[i].Fields["until"] = "2040-01-01T00:00:00.000000Z"
			return i
		}},
		{"the use of another text", "invokes another text", func(f *forgery) int {
			i := f.first("runbook.invoked", "runbook/", 0)
			f.leaves[i].Fields["document"] = "sha256:" + strings.Repeat("0", 64)
			return i
		}},
		{"no review of broken glass", "without its grant or its review", func(f *forgery) int {
			i := f.first("review.opened", "review/", 0)
			stream := f.leaves[i].Stream
			f.leaves = slices.DeleteFunc(f.leaves, func(l ledger.Leaf) bool { return l.Stream == stream })
			return f.first("runbook.invoked", "runbook/", 0)
		}},
		{"a change of the rules that nobody approved", "puts the change c_1 in force, which nobody approved", func(f *forgery) int {
			i := f.first("policy.loaded", "policy", 0)
			f.leaves[i].Fields["proposal"] = "c_1"
			return i
		}},
		{"texts erased by one person", "confirms what it may not", func(f *forgery) int {
			by := f.first("vote.recorded", req, 0)
			now := f.leaves[len(f.leaves)-1]
			for i, kind := range []string{"custody.proposed", "custody.confirmed"} {
				l := ledger.Leaf{
					V: 1, Type: kind, ID: "e_forged" + itoa(i), Stream: "custody/c_1", Actor: f.leaves[by].Actor, Person: f.leaves[by].Person, Time: now.Time, Mono: now.Mono,
					Fields: map[string]any{"act": "erase", "channel": "cli", "authn": "unix-peer"},
				}
				if i == 0 {
					l.Fields["until"], l.Fields["basis"] = "2030-01-01T00:00:00.000000Z", "law"
				}
				f.leaves = append(f.leaves, l)
			}
			return len(f.leaves) - 1
		}},
		{"who broke the glass reviews it", "who may not review it", func(f *forgery) int {
			i, inv := f.first("review.closed", "review/", 0), f.first("runbook.invoked", "runbook/", 0)
			f.leaves[i].Person, f.leaves[i].Actor = f.leaves[inv].Person, f.leaves[inv].Actor
			return i
		}},
		{"who broke the glass is asked to review it", "review what they did themselves", func(f *forgery) int {
			i, inv := f.first("review.opened", "review/", 0), f.first("runbook.invoked", "runbook/", 0)
			f.leaves[i].Fields["owner"] = f.leaves[inv].Person
			return i
		}},
	}
}

func saysOneOf(out, any string) bool {
	return slices.ContainsFunc(strings.Split(any, "|"), func(s string) bool { return strings.Contains(out, s) })
}

// TestReq_R19_AForgerWithTheKeyIsFound writes ledgers that decided against their documents and signs them with the right key: every hash
// and signature in them holds, and verify still names the first entry that broke its policy.
func TestReq_R19_AForgerWithTheKeyIsFound(t *testing.T) {
	t.Parallel()
	data := playedDemo(t)
	good := readForgery(t, data)
	vkey := good.key.VKey()
	heldAgainst := regexp.MustCompile(`decisions    2[0-9] held against the 3 documents`) // one more when the clock's jump meets a scheduled check
	if out, errs, code := runHere(t, nil, "ledger", "verify", good.clone(t).bundle(), "-vkey", vkey); code != exitDone || !heldAgainst.MatchString(out) {
		t.Fatalf("the ledger as it was: exit %d, %s%s", code, out, errs)
	}
	named := regexp.MustCompile(`(?m)^First: Entry (\d+) `)
	for _, c := range forgeries() {
		t.Run(c.name, func(t *testing.T) {
			f := good.clone(t)
			entry := c.forge(f)
			out, errs, code := runHere(t, nil, "ledger", "verify", f.bundle(), "-vkey", vkey)
			if code != exitLedger || !saysOneOf(out, c.says) || !strings.Contains(out, "is intact") || !strings.Contains(errs, "must follow from them does not") {
				t.Errorf("exit %d, want %q in %s%s", code, c.says, out, errs)
			}
			if m := named.FindStringSubmatch(out); m == nil || m[1] != itoa(entry) {
				t.Errorf("the first wrong entry is %d, verify says %v", entry, m)
			}
		})
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

// TestReq_R3_AForgedDatabaseIsFound puts some of the same forgeries into the database itself, head, frontier and signature included,
// where verify reads through the store.
func TestReq_R3_AForgedDatabaseIsFound(t *testing.T) {
	t.Parallel()
	data := playedDemo(t)
	good := readForgery(t, data)
	if out, errs, code := runHere(t, nil, "ledger", "verify", "-data", data); code != exitDone {
		t.Fatalf("the ledger as it was: exit %d, %s%s", code, out, errs)
	}
	for _, c := range forgeries() {
		if !slices.Contains([]string{"the approver is the requester", "a grant longer than the policy", "a smaller quorum in the plan", "glass broken by a stranger"}, c.name) {
			continue
		}
		f := good.clone(t)
		entry := c.forge(f)
		f.sign()
		f.plant(t.Context(), data)
		out, errs, code := runHere(t, nil, "ledger", "verify", "-data", data)
		if code != exitLedger || !saysOneOf(out, c.says) || !strings.Contains(out, "is intact") || !strings.Contains(out, "First: Entry "+itoa(entry)+" ") {
			t.Errorf("%s: exit %d, want entry %d and %q in %s%s", c.name, code, entry, c.says, out, errs)
		}
	}
}

// plant puts the forged entries into a database, with what was remembered of the true ones gone.
func (f *forgery) plant(ctx context.Context, data string) {
	f.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(data, "countersign.db"))
	if err != nil {
		f.t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	do := func(statement string, args ...any) {
		f.t.Helper()
		if _, err := db.ExecContext(ctx, statement, args...); err != nil {
			f.t.Fatalf("%s: %v", statement, err)
		}
	}
	triggers, err := names(ctx, db, `SELECT name FROM sqlite_master WHERE type = 'trigger'`)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, name := range triggers {
		do(`DROP TRIGGER "` + name + `"`)
	}
	for _, x := range f.raw {
		do(`UPDATE log_entry SET leaf = ? WHERE idx = ?`, x.Leaf, x.Index)
	}
	do(`DELETE FROM log_checkpoint`)
	do(`UPDATE log_head SET root = ?, frontier = ?, note = ?`, f.head.Root[:], f.head.Frontier, f.head.Note)
	if err := os.WriteFile(filepath.Join(data, "witness.log"), nil, 0o600); err != nil {
		f.t.Fatal(err)
	}
}
