package streams_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/countersign-bot/countersign/store/streams"
)

// BenchmarkFile appends batches as a busy stream does; BenchmarkRawFile writes and syncs the same bytes: what the disk allows.
func BenchmarkFile(b *testing.B) {
	rs, bytes := benchBatch(b)
	f := &streams.File{Path: filepath.Join(b.TempDir(), "x.jsonl")}
	next := int64(0)
	b.SetBytes(bytes)
	for b.Loop() {
		for i := range rs {
			rs[i].Entry, rs[i].Previous, rs[i].Size = next, next-1, next+1
			next++
		}
		if n, err := f.Send(b.Context(), rs); n != len(rs) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkRawFile(b *testing.B) {
	_, bytes := benchBatch(b)
	f, err := os.Create(filepath.Join(b.TempDir(), "x"))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, bytes)
	b.SetBytes(bytes)
	for b.Loop() {
		if _, err := f.Write(buf); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// benchBatch is a full batch and how many bytes it is on disk.
func benchBatch(b *testing.B) ([]streams.Record, int64) {
	b.Helper()
	l := newBook(b)
	l.grow(256)
	rs := l.records()
	var n int64
	for _, r := range rs {
		line, err := r.Line()
		if err != nil {
			b.Fatal(err)
		}
		n += int64(len(line))
	}
	return rs, n
}

// BenchmarkCheck reads received records as streams check does.
func BenchmarkCheck(b *testing.B) {
	l := newBook(b)
	l.grow(5000)
	file := received(b, l.records())
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if r := check(b, file, l.key.VKey()); r.Proven != 5000 {
			b.Fatalf("%+v", r)
		}
	}
}
