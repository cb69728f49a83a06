package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

const frozenDir = "../../testdata/frozen"

// frozenReleases are the folders with a ledger that an earlier program wrote.
func frozenReleases(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(frozenDir + "/*/countersign.db")
	if err != nil || len(list) == 0 {
		t.Fatalf("there is no frozen ledger: %v", err)
	}
	for i, f := range list {
		list[i] = filepath.Base(filepath.Dir(f))
	}
	return list
}

// thaw copies a frozen ledger to a data folder of its own.
func thaw(t *testing.T, release string, withKey bool) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(filepath.Join(data, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"countersign.db": "countersign.db", "witness.log": "witness.log"}
	if withKey {
		files["ledger.key"] = "keys/" + keyLedger
	}
	for from, to := range files {
		b, err := os.ReadFile(filepath.Join(frozenDir, release, from))
		if err == nil {
			err = os.WriteFile(filepath.Join(data, to), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// TestFrozenLedgers opens, verifies and folds the ledger of every release as it lies there, without a key and without migrating it.
func TestFrozenLedgers(t *testing.T) {
	t.Parallel()
	for _, release := range frozenReleases(t) {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			data := thaw(t, release, false)
			before := sumOf(t, filepath.Join(data, "countersign.db"))
			out, errs, code := runHere(t, nil, "ledger", "verify", "-data", data, "-json")
			if code != exitDone {
				t.Fatalf("verify: exit %d\n%s%s", code, out, errs)
			}
			sameAsRecorded(t, filepath.Join(frozenDir, release, "verify.json"), []byte(out))
			states := foldedStates(t, data)
			sameFile(t, filepath.Join(frozenDir, release, "states.txt"), states)
			sentences, errs, code := runHere(t, nil, "ledger", "search", "-data", data, "")
			if code != exitDone || strings.Count(sentences, "\n") != strings.Count(states, "entry\t") {
				t.Errorf("not every entry has a sentence: exit %d\n%s%s", code, sentences, errs)
			}
			if sumOf(t, filepath.Join(data, "countersign.db")) != before {
				t.Error("reading it changed it")
			}
		})
	}
}

// TestFrozenLedgersMigrate opens every release's ledger for writing, which brings its schema up to date, and goes on: not a byte of an entry,
// a tile, a document, a text or a published head is another one, and the whole verifies.
func TestFrozenLedgersMigrate(t *testing.T) {
	t.Parallel()
	for _, release := range frozenReleases(t) {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			data := thaw(t, release, true)
			before := evidenceBytes(t, data, 1<<40)
			size := len(before["log_entry"])
			s := openThawed(t, data)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			after := evidenceBytes(t, data, int64(size))
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("the migration changed evidence:\n%s", diff)
			}
			out, errs, code := runHere(t, nil, "ledger", "verify", "-data", data)
			if code != exitDone || !strings.Contains(out, "is intact") {
				t.Errorf("verify after the migration: exit %d\n%s%s", code, out, errs)
			}
		})
	}
}

// openThawed opens for writing as serve does, on the demo's kind of clock.
func openThawed(t *testing.T, data string) *store.Store {
	t.Helper()
	c := Config{Data: data}
	b, err := os.ReadFile(filepath.Join(c.keysDir(), keyLedger))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.ParseKeyFile(b)
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := openHealthy(t.Context(), c, jobs.NewSystem(), key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// evidenceBytes are the rows that no migration may touch, of entries before limit, each as the sum of its columns.
func evidenceBytes(t *testing.T, data string, limit int64) map[string][]string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "countersign.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	out := map[string][]string{}
	for table, text := range map[string]string{
		"log_entry":      `SELECT idx, leaf FROM log_entry WHERE idx < $1 ORDER BY idx`,
		"log_tile":       `SELECT level, n, hashes FROM log_tile WHERE $1 > 0 ORDER BY level, n`,
		"log_checkpoint": `SELECT size, note, published_at FROM log_checkpoint WHERE size <= $1 ORDER BY size`,
		"stream_entry":   `SELECT stream, seq, idx, id FROM stream_entry WHERE idx < $1 ORDER BY idx`,
		"opening":        `SELECT idx, field, salt, value, subject FROM opening WHERE idx < $1 ORDER BY idx, field`,
		"document":       `SELECT hash, kind, bytes FROM document WHERE $1 > 0 ORDER BY hash`,
		"cause":          `SELECT id, first_idx, last_idx, refusal FROM cause WHERE last_idx < $1 ORDER BY id`,
	} {
		out[table] = rowSums(t, db, text, limit)
	}
	return out
}

func rowSums(t *testing.T, db *sql.DB, text string, args ...any) (out []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(cols)), make([]any, len(cols))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%q", values))
		out = append(out, hex.EncodeToString(sum[:8]))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// foldedStates lists each entry's hash and what folding each stream gives: the state that the engine of that release acted on.
func foldedStates(t *testing.T, data string) string {
	t.Helper()
	s, err := openToRead(t.Context(), proc{err: t.Output()}, data)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var b strings.Builder
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var streams []workflows.StreamID
	for i := range head.Size {
		leaf, err := s.Leaf(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Decode(leaf)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "entry\t%d\t%s\t%s\n", i, l.Type, ledger.LeafHash(leaf))
		if !slices.Contains(streams, workflows.StreamID(l.Stream)) {
			streams = append(streams, workflows.StreamID(l.Stream))
		}
	}
	for _, stream := range streams {
		fmt.Fprintf(&b, "stream\t%s\t%s\n", stream, foldedState(t.Context(), t, s, stream))
	}
	return b.String()
}

func foldedState(ctx context.Context, t *testing.T, s *store.Store, stream workflows.StreamID) string {
	t.Helper()
	h, err := s.History(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := desk.Outstanding(stream, h); err != nil {
		t.Fatal(err)
	}
	state := fmt.Sprintf("%d entries", len(h))
	switch stream.Kind() {
	case workflows.KindRequest:
		r, err := workflows.Fold(h)
		if err != nil {
			t.Fatal(err)
		}
		state += ", " + string(r.Status)
	case workflows.KindGrant:
		g, err := grants.Fold(h)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range g.Holds {
			state += ", " + string(x.Approved.Grant) + " " + string(x.Status)
		}
	}
	return state
}

// sameAsRecorded compares each field that was recorded; later programs may report more.
func sameAsRecorded(t *testing.T, path string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var w, g map[string]any
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatal(err)
	}
	for k, v := range w {
		if diff := cmp.Diff(v, g[k]); diff != "" {
			t.Errorf("%s: %s is another one now:\n%s", path, k, diff)
		}
	}
}

// sameFile compares with a file of a release. With -update it is written once and never again.
func sameFile(t *testing.T, path, got string) {
	t.Helper()
	want, err := os.ReadFile(path)
	if updating() && err != nil {
		err = os.WriteFile(path, []byte(got), 0o644)
		want = []byte(got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(got)) {
		t.Errorf("%s: it folds to something else now:\n%s", path, cmp.Diff(string(want), got))
	}
}

func sumOf(t *testing.T, path string) [32]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}
