package streams_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/streams"
)

// whole are all files of a stream, in order.
func whole(t testing.TB, path string) (out []byte) {
	t.Helper()
	names, err := filepath.Glob(path + ".*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, n := range append(names, path) {
		b, err := os.ReadFile(n)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

// TestFileGoesOn opens the file anew before every batch, tears its last line, and gives it entries that it has: each stands there once.
func TestFileGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "entries.jsonl")
	b := newBook(t)
	b.grow(200)
	rs := b.records()
	for from := 0; from < 200; from += 20 {
		f := &streams.File{Path: path, MaxSize: 20_000}
		if n, err := f.Send(t.Context(), rs[max(0, from-15):from+20]); err != nil || n != min(from, 15)+20 {
			t.Fatal(n, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if torn, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0); err == nil {
			if _, err := torn.WriteString(`{"v":1,"origin":"exam`); err != nil {
				t.Fatal(err)
			}
			torn.Close()
		}
	}
	if err := (&streams.File{Path: path}).Close(); err != nil {
		t.Error(err)
	}
	f := &streams.File{Path: path, MaxSize: 20_000}
	if _, err := f.Send(t.Context(), rs[199:]); err != nil {
		t.Fatal(err)
	}
	got := check(t, whole(t, path), b.key.VKey())
	if got.Records != 200 || got.Duplicates != 0 || got.Proven != 200 || len(got.Problems) > 0 || got.Torn {
		t.Errorf("%+v", got)
	}
	names, _ := filepath.Glob(path + ".*")
	if len(names) < 3 {
		t.Errorf("finished files: %v", names)
	}
}

// TestFileKeeps holds that only so many finished files stay.
func TestFileKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "entries.jsonl")
	b := newBook(t)
	b.grow(100)
	f := &streams.File{Path: path, MaxSize: 1, Keep: 3}
	for _, r := range b.records() {
		if _, err := f.Send(t.Context(), []streams.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	names, _ := filepath.Glob(path + ".*")
	if len(names) != 3 || !strings.HasSuffix(names[2], ".00000000000000000099") {
		t.Errorf("%v", names)
	}
	// A process that begins with no file goes on behind the newest finished one.
	again := &streams.File{Path: path, MaxSize: 1 << 20}
	if n, err := again.Send(t.Context(), b.records()); n != 100 || err != nil {
		t.Fatal(n, err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("%v, %v: entries of finished files were written again", info, err)
	}
}

// TestFileOfAnother holds that a stream goes on behind nothing but its own ledger.
func TestFileOfAnother(t *testing.T) {
	b, other := newBook(t), newBook(t)
	other.says = "another ledger"
	b.grow(5)
	other.grow(9)
	path := filepath.Join(t.TempDir(), "entries.jsonl")
	f := &streams.File{Path: path}
	if _, err := f.Send(t.Context(), b.records()); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Send(t.Context(), other.records()); err == nil || n != 0 || !strings.Contains(err.Error(), "rolled back") {
		t.Errorf("%d, %v", n, err)
	}
	for name, content := range map[string]string{"a log": "something else\n", "no line": strings.Repeat("x", 1<<20)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := (&streams.File{Path: path}).Send(t.Context(), b.records()); err == nil || n != 0 {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != content {
			t.Errorf("%s was changed", name)
		}
	}
	if n, err := (&streams.File{Path: t.TempDir()}).Send(t.Context(), b.records()); err == nil || n != 0 {
		t.Errorf("a folder: %d, %v", n, err)
	}
}
