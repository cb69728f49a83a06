package store_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
)

func TestNameless(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT 1":                      "SELECT 1",
		"INSERT INTO t VALUES ($1, $2)": "INSERT INTO t VALUES (?, ?)",
		"SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10": "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?",
		"UPDATE t SET a = $1 WHERE a < $1":               "UPDATE t SET a = $1 WHERE a < $1",
		"SELECT $2, $1":                                  "SELECT $2, $1",
		"SELECT $1, $10":                                 "SELECT $1, $10",
		"SELECT '$.time'":                                "SELECT '$.time'",
		"SELECT $1, '$'":                                 "SELECT $1, '$'",
	} {
		if got := store.Nameless(text); got != want {
			t.Errorf("Nameless(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestAssign(t *testing.T) {
	var n int64
	var text string
	var raw []byte
	var stream workflows.StreamID
	var stamp workflows.Stamp
	var small int8
	for _, c := range []struct {
		dst, v, want any
	}{
		{&n, int64(7), int64(7)},
		{&text, "a", "a"},
		{&text, []byte("b"), "b"},
		{&raw, []byte("c"), []byte("c")},
		{&raw, "d", []byte("d")},
		{&raw, nil, []byte(nil)},
		{&stream, "request/r_1", workflows.StreamID("request/r_1")},
		{&stamp, int64(9), workflows.Stamp(9)},
		{&small, int64(-1), int8(-1)},
	} {
		if err := store.Assign(c.dst, c.v); err != nil {
			t.Errorf("Assign(%T, %#v): %v", c.dst, c.v, err)
			continue
		}
		var got any
		switch d := c.dst.(type) {
		case *int64:
			got = *d
		case *string:
			got = *d
		case *[]byte:
			got = *d
		case *workflows.StreamID:
			got = *d
		case *workflows.Stamp:
			got = *d
		case *int8:
			got = *d
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("Assign(%T, %#v):\n%s", c.dst, c.v, diff)
		}
	}
	for _, c := range []struct{ dst, v any }{
		{&n, "7"}, {&n, nil}, {&n, 7.5}, {&text, int64(1)}, {&text, nil}, {&raw, int64(1)}, {&small, int64(300)}, {&stream, nil}, {n, int64(1)}, {(*int64)(nil), "x"},
	} {
		if err := store.Assign(c.dst, c.v); err == nil {
			t.Errorf("Assign(%T, %#v) was taken", c.dst, c.v)
		}
	}
}

// The writer's statements give what those of database/sql gave: numbers of rows, texts, the driver's own errors.
func TestOwnConn(t *testing.T) {
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var after func(text string, args ...any) (int64, error)
	err = store.OnOwnConn(ctx, conn, func(exec func(string, ...any) (int64, error), each func(string, func(func(...any) error) error, ...any) error) error {
		after = exec
		if _, err := exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, body BLOB)`); err != nil {
			return err
		}
		for i, name := range []workflows.StreamID{"a", "b", "c"} {
			if n, err := exec(`INSERT INTO t (id, name, body) VALUES ($1, $2, $3)`, i, name, []byte{byte(i)}); err != nil || n != 1 {
				t.Errorf("inserting %q changed %d rows: %v", name, n, err)
			}
		}
		if n, err := exec(`UPDATE t SET id = id + 10 WHERE id >= $1 AND id <= $1 + 1`, int64(1)); err != nil || n != 2 {
			t.Errorf("the update changed %d rows: %v", n, err)
		}
		var got []string
		err := each(`SELECT id, name, body FROM t ORDER BY id`, func(scan func(...any) error) error {
			var id int64
			var name workflows.StreamID
			var body []byte
			if err := scan(&id, &name); err == nil {
				t.Error("two values took three columns")
			}
			if err := scan(&id, &name, &body); err != nil {
				return err
			}
			got = append(got, string(name)+string('0'+rune(id))+string('0'+rune(body[0])))
			err := each(`SELECT id, name, body FROM t ORDER BY id`, func(func(...any) error) error { return nil })
			if err == nil || !strings.Contains(err.Error(), "its own rows") {
				t.Errorf("the same statement within its rows: %v", err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if diff := cmp.Diff([]string{"a00", "b;1", "c<2"}, got); diff != "" {
			t.Error(diff)
		}
		stop := errors.New("enough")
		for range 2 { // left in the middle, it can be run again
			if err := each(`SELECT id FROM t`, func(func(...any) error) error { return stop }); !errors.Is(err, stop) {
				t.Errorf("the error of the caller came back as %v", err)
			}
		}
		var e *sqlite.Error
		if _, err := exec(`INSERT INTO t (id, name, body) VALUES ($1, $2, $3)`, int64(50), "a", nil); !errors.As(err, &e) || e.Code() != sqlite3.SQLITE_CONSTRAINT_UNIQUE {
			t.Errorf("a second row of the same name: %v", err)
		}
		if _, err := exec(`INSERT INTO t (id, name, body) VALUES ($1, $2, $3)`, int64(50), "d", struct{}{}); err == nil {
			t.Error("a struct was taken for a value")
		}
		if n, err := exec(`INSERT INTO t (id, name, body) VALUES ($1, $2, $3)`, int64(51), "e", nil); err != nil || n != 1 {
			t.Errorf("after two errors the statement changed %d rows: %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := after(`SELECT 1`); !errors.Is(err, sql.ErrConnDone) {
		t.Errorf("a statement on a connection that was given back: %v", err)
	}
}
