package store_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
)

// TestFault_F38_CopiedByAForeignProgram copies the database file and its write-ahead log byte by byte while another process appends, as
// Litestream and the like do: behind a read transaction of its own, which keeps the log from being begun anew. Every copy opens, is not
// behind what was acknowledged before it was begun, and verifies as a whole; the last one goes on as a ledger.
func TestFault_F38_CopiedByAForeignProgram(t *testing.T) {
	t.Parallel()
	cfg := onMachineTime(t)
	c := startChild(t, "drive", cfg, childFrom+"=0")
	said := c.append(t, 20)
	var copied store.Config
	for n := range 25 {
		batch := make(chan []string, 1)
		go func() {
			defer close(batch)
			batch <- c.append(t, 40)
		}()
		copied = inFolder(cfg, filepath.Join(t.TempDir(), strconv.Itoa(n)))
		copyLikeLitestream(t, cfg, copied)
		size := sizeOfCopy(t, copied)
		if size < int64(len(said)) {
			t.Fatalf("copy %d has %d entries; %d were acknowledged before it was begun", n, size, len(said))
		}
		said = append(said, <-batch...)
	}
	s, err := store.Open(t.Context(), copied)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.Verify(t.Context()); err != nil || !r.OK {
		t.Errorf("the copy does not go on: %+v, %v", r.Problems, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// copyLikeLitestream copies the files behind a read transaction. The witness file is copied first: it must not remember more than the copy.
func copyLikeLitestream(t *testing.T, from, to store.Config) {
	t.Helper()
	db, err := openRaw(from, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := os.MkdirAll(to.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	copyFile(t, filepath.Join(from.Dir, "witness.log"), filepath.Join(to.Dir, "witness.log"))
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var n int64
	if _, err = conn.ExecContext(t.Context(), "BEGIN"); err == nil {
		err = conn.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM log_entry`).Scan(&n)
	}
	if err != nil {
		t.Fatal(err)
	}
	// A reader that began when all of the log was folded does not keep the writer from beginning the log anew. Whoever copies looks at the
	// log's first bytes for that, as Litestream does: the beginning of one log and the rest of another are none.
	for before, same := logHead(t, from), false; !same; {
		for _, end := range []string{"", "-wal"} {
			copyFile(t, filepath.Join(from.Dir, "countersign.db"+end), filepath.Join(to.Dir, "countersign.db"+end))
		}
		after := logHead(t, from)
		before, same = after, before == after
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if size := sizeOfCopy(t, to); size < n {
		t.Errorf("the copy has %d entries, its own transaction saw %d", size, n)
	}
}

// logHead is what each beginning of the write-ahead log changes.
func logHead(t *testing.T, cfg store.Config) string {
	t.Helper()
	f, err := os.Open(dbPath(cfg) + "-wal")
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if errors.Is(err, os.ErrNotExist) {
		return // no log yet, or no longer
	}
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sizeOfCopy verifies a copy from outside.
func sizeOfCopy(t *testing.T, cfg store.Config) int64 {
	t.Helper()
	s, err := store.OpenReadOnly(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := s.Verify(t.Context())
	if err != nil || !r.OK || !r.KeyPinned {
		t.Fatalf("the copy does not verify: %+v, %v", r.Problems, err)
	}
	return r.Size
}
