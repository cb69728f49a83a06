package store_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/store"
)

// gathered are two programs at one database: one whose writes into the log are gathered, and one whose are not.
type gathered struct {
	path       string
	ours       *sql.Conn
	theirs     *sql.DB
	committed  map[int]string
	open       map[int]string // as the transaction of ours sees it; nil: none is open
	savepoints []map[int]string
	next       int
}

// gatheredDSN has a cache of a few pages, so that a transaction of some rows writes pages before it ends.
func gatheredDSN(path, more string) string {
	pragmas := "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(0)&_pragma=cache_size(8)&_pragma=secure_delete(ON)"
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: pragmas + more}).String()
}

func newGathered(t *rapid.T, dir string) *gathered {
	g := &gathered{path: filepath.Join(dir, "g.db"), committed: map[int]string{}}
	files, err := store.GatheringFiles()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := sql.Open("sqlite", gatheredDSN(g.path, "&vfs="+files))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	if g.ours, err = ours.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g.theirs, err = sql.Open("sqlite", gatheredDSN(g.path, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.ours.Close(); g.theirs.Close() })
	g.exec(t, `CREATE TABLE x (id INTEGER PRIMARY KEY, text TEXT NOT NULL)`)
	g.exec(t, `CREATE INDEX x_text ON x (text)`)
	return g
}

func (g *gathered) exec(t *rapid.T, text string, args ...any) {
	t.Helper()
	if _, err := g.ours.ExecContext(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// rows are those of a table as a program reads them.
func rows(t *rapid.T, run interface {
	Query(string, ...any) (*sql.Rows, error)
},
) map[int]string {
	t.Helper()
	found, err := run.Query(`SELECT id, text FROM x`)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	out := map[int]string{}
	for found.Next() {
		var id int
		var text string
		if err := found.Scan(&id, &text); err != nil {
			t.Fatal(err)
		}
		out[id] = text[:8]
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// onConn reads on the connection of ours.
type onConn struct {
	t *rapid.T
	c *sql.Conn
}

func (o onConn) Query(text string, args ...any) (*sql.Rows, error) {
	return o.c.QueryContext(o.t.Context(), text, args...)
}

func copyOf(m map[int]string) map[int]string {
	out := make(map[int]string, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// text is what a row holds: eight letters that tell it from all others, and enough behind them to fill pages.
func (g *gathered) text(size int) (short, long string) {
	g.next++
	short = fmt.Sprintf("%08d", g.next)
	return short, short + strings.Repeat("x", size)
}

func (g *gathered) begin(t *rapid.T) {
	if g.open != nil {
		t.Skip("one is open")
	}
	g.exec(t, `BEGIN IMMEDIATE`)
	g.open = copyOf(g.committed)
}

func (g *gathered) write(t *rapid.T) {
	if g.open == nil {
		t.Skip("none is open")
	}
	for range rapid.IntRange(1, 20).Draw(t, "rows") {
		id := rapid.IntRange(1, 60).Draw(t, "id")
		short, long := g.text(rapid.IntRange(0, 3000).Draw(t, "size"))
		g.exec(t, `INSERT INTO x (id, text) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET text = excluded.text`, id, long)
		g.open[id] = short
	}
}

func (g *gathered) remove(t *rapid.T) {
	if g.open == nil {
		t.Skip("none is open")
	}
	from := rapid.IntRange(1, 60).Draw(t, "from")
	g.exec(t, `DELETE FROM x WHERE id BETWEEN ? AND ?`, from, from+10)
	for id := from; id <= from+10; id++ {
		delete(g.open, id)
	}
}

func (g *gathered) savepoint(t *rapid.T) {
	if g.open == nil {
		t.Skip("none is open")
	}
	g.exec(t, `SAVEPOINT one`)
	g.savepoints = append(g.savepoints, copyOf(g.open))
}

func (g *gathered) takeBack(t *rapid.T) {
	if len(g.savepoints) == 0 {
		t.Skip("no savepoint")
	}
	g.exec(t, `ROLLBACK TO SAVEPOINT one`)
	g.open = copyOf(g.savepoints[len(g.savepoints)-1])
}

func (g *gathered) release(t *rapid.T) {
	if len(g.savepoints) == 0 {
		t.Skip("no savepoint")
	}
	g.exec(t, `RELEASE SAVEPOINT one`)
	g.savepoints = g.savepoints[:len(g.savepoints)-1]
}

func (g *gathered) commit(t *rapid.T) {
	if g.open == nil {
		t.Skip("none is open")
	}
	g.exec(t, `COMMIT`)
	g.committed, g.open, g.savepoints = g.open, nil, nil
	g.died(t)
}

func (g *gathered) rollback(t *rapid.T) {
	if g.open == nil {
		t.Skip("none is open")
	}
	g.exec(t, `ROLLBACK`)
	g.open, g.savepoints = nil, nil
}

// another writes as another program does: right where a transaction of ours that was given up had begun.
func (g *gathered) another(t *rapid.T) {
	if g.open != nil {
		t.Skip("it would wait")
	}
	id := rapid.IntRange(1, 60).Draw(t, "id")
	short, long := g.text(3000)
	if _, err := g.theirs.Exec(`INSERT OR REPLACE INTO x (id, text) VALUES (?, ?)`, id, long); err != nil {
		t.Fatal(err)
	}
	g.committed[id] = short
}

func (g *gathered) fold(t *rapid.T) {
	how := rapid.SampledFrom([]string{"PASSIVE", "TRUNCATE"}).Draw(t, "how")
	if how == "TRUNCATE" && g.open != nil {
		t.Skip("it would wait")
	}
	if _, err := g.theirs.Exec(`PRAGMA wal_checkpoint(` + how + `)`); err != nil {
		t.Fatal(err)
	}
}

// died is what a program finds that opens the files as they are now: what was committed, all of it and nothing else.
func (g *gathered) died(t *rapid.T) {
	dir, err := os.MkdirTemp(filepath.Dir(g.path), "died-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, end := range []string{"", "-wal"} {
		raw, err := os.ReadFile(g.path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "g.db"+end), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", gatheredDSN(filepath.Join(dir, "g.db"), ""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatalf("after a death: %s, %v", verdict, err)
	}
	if d := cmp.Diff(g.committed, rows(t, db)); d != "" {
		t.Fatalf("after a death (-committed +found):\n%s", d)
	}
}

// same holds what each of them reads against what it should.
func (g *gathered) same(t *rapid.T) {
	want := g.open
	if want == nil {
		want = g.committed
	}
	if d := cmp.Diff(want, rows(t, onConn{t, g.ours})); d != "" {
		t.Fatalf("on the connection itself (-want +got):\n%s", d)
	}
	if d := cmp.Diff(g.committed, rows(t, g.theirs)); d != "" {
		t.Fatalf("on another connection (-want +got):\n%s", d)
	}
}

// TestGatheredWrites lets transactions larger than the cache, with savepoints, write, commit and be taken back beside another program that
// writes and folds: each sees what it should, and so does who finds the files at any moment.
func TestGatheredWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(memoryDir(t), "g-")
		if err != nil {
			rt.Fatal(err)
		}
		rt.Cleanup(func() { os.RemoveAll(dir) })
		g := newGathered(rt, dir)
		rt.Repeat(map[string]func(*rapid.T){
			"begin": g.begin, "write": g.write, "write more": g.write, "write much": g.write, "remove": g.remove, "savepoint": g.savepoint, "take back": g.takeBack,
			"release": g.release, "commit": g.commit, "rollback": g.rollback, "another": g.another, "fold": g.fold, "died": g.died, "": g.same,
		})
	})
}
