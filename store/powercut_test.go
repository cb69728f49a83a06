package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// recording is what a disk was told while a process appended: the file before and after the log was folded into it, the log, and the
// witness file, with the places in both at which each event had been acknowledged.
type recording struct {
	cfg     store.Config
	first   int // number of the first event
	file    []byte
	folded  []byte
	log     []byte
	witness []byte
	commits []int // ends of the transactions in the log: [0] of the start, then one for each event
	lines   []int // ends of the lines of the witness file, likewise
}

// record lets another process append under a reader that keeps the log from beginning anew, kills it and takes its files.
func record(t *testing.T, events int) recording {
	t.Helper()
	cfg := inFolder(onMachineTime(t), filepath.Join(memoryDir(t), "data"))
	grow(t, cfg, 1, 3)
	c := startChild(t, "drive", cfg, childFrom+"=100")
	if line := c.line(t); line != "opened" {
		t.Fatal(line)
	}
	ro, err := store.OpenReadOnly(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	src, err := ro.Source(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Head(t.Context()); err != nil { // from here on it holds its snapshot
		t.Fatal(err)
	}
	numbers, errs := acked(c.append(t, events))
	if len(numbers) != events || len(errs) > 0 {
		t.Fatal(numbers, errs)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.rest()
	if err := errors.Join(src.Close(), ro.Close()); err != nil {
		t.Fatal(err)
	}
	r := recording{cfg: cfg, first: 101, file: read(t, dbPath(cfg)), log: read(t, dbPath(cfg)+"-wal"), witness: read(t, witnessPath(cfg))}
	commits := commitEnds(r.log)
	r.commits = commits[len(commits)-events-1:]
	lines := lineEnds(r.witness)
	r.lines = lines[len(lines)-events-1:]

	whole := r.crash(t, r.file, r.log, r.witness)
	grow(t, whole, 0, 0) // opens and closes, which folds
	r.folded = read(t, dbPath(whole))
	return r
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func witnessPath(cfg store.Config) string { return filepath.Join(cfg.Dir, "witness.log") }

// commitEnds gives the offsets behind each frame that ends a transaction: https://www.sqlite.org/fileformat2.html#walformat.
func commitEnds(log []byte) (out []int) {
	const header, frame = 32, 24 + 4096
	for at := header; at+frame <= len(log); at += frame {
		f := log[at:]
		if !bytes.Equal(f[8:16], log[16:24]) {
			return out // of an earlier round of the log
		}
		if binary.BigEndian.Uint32(f[4:]) != 0 {
			out = append(out, at+frame)
		}
	}
	return out
}

func lineEnds(raw []byte) (out []int) {
	for i, b := range raw {
		if b == '\n' {
			out = append(out, i+1)
		}
	}
	return out
}

// crash puts files where a process would find them after the power came back.
func (r recording) crash(t *testing.T, file, log, witness []byte) store.Config {
	t.Helper()
	cfg := inFolder(r.cfg, filepath.Join(memoryDir(t), "data"))
	err := errors.Join(os.MkdirAll(cfg.Dir, 0o700), os.WriteFile(dbPath(cfg), file, 0o600),
		os.WriteFile(dbPath(cfg)+"-wal", log, 0o600), os.WriteFile(witnessPath(cfg), witness, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// wantExactly opens the ledger and wants just the first so many events, each with its job.
func (r recording) wantExactly(t *testing.T, what string, cfg store.Config, events int) {
	t.Helper()
	defer os.RemoveAll(cfg.Dir)
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	defer s.Close()
	var numbers []int
	for n := range events {
		numbers = append(numbers, r.first+n)
	}
	wantAll(t, s, numbers)
	next := workflows.StreamID(fmt.Sprintf("request/%d", r.first+events))
	if h, err := s.History(t.Context(), next); err != nil || len(h) != 0 {
		t.Errorf("%s: %q was never acknowledged and is there: %v", what, next, err)
	}
	storetest.Check(t, s)
}

// torn mixes two states of a file by sectors of 512 bytes: what a disk has that was told to write b over a and did not finish.
func torn(a, b []byte) []byte {
	const sector = 512
	out := slices.Clone(b)
	for at := 0; at < len(b); at += sector {
		if rand.IntN(2) == 0 {
			end := min(at+sector, len(b))
			clear(out[at:end])
			if at < len(a) {
				copy(out[at:end], a[at:])
			}
		}
	}
	return out
}

// TestFault_F04_PowerCutAnywhereInTheLog cuts the power of a recorded run at more than a thousand places. After each, exactly what
// was acknowledged by then is there, with its jobs, and verifies; where the disk had lied about what it kept, the start is refused by name.
//
// It rests on two promises of file systems, and cuts everything within them: what was synced before the cut is there, and what was not may
// be there in part, in any order, by sectors. The order of syncs is SQLite's: the log at each commit, and before it is folded. Not
// simulated: a folder that forgets a new name, a sector that is garbage rather than old or new, and a lying disk under the fold.
func TestFault_F04_PowerCutAnywhereInTheLog(t *testing.T) {
	t.Parallel()
	const events = 48
	r := record(t, events)
	var cuts atomic.Int64
	t.Run("cut", func(t *testing.T) {
		t.Run("the log ends anywhere", func(t *testing.T) {
			t.Parallel()
			begin, end := r.commits[0], r.commits[events]
			for i := range 500 {
				at := begin + (end-begin)*i/499 + rand.IntN(64)
				at = min(at, end)
				done, _ := slices.BinarySearch(r.commits[1:], at+1)
				// The witness file may be behind by as much as a second, and its last line may be torn.
				seen := r.lines[rand.IntN(done+1)]
				if rand.IntN(2) == 0 {
					seen = min(seen+rand.IntN(200), r.lines[done])
				}
				cfg := r.crash(t, r.file, r.log[:at], r.witness[:seen])
				r.wantExactly(t, fmt.Sprintf("log of %d bytes, witness of %d", at, seen), cfg, done)
				cuts.Add(1)
			}
		})
		t.Run("a transaction is torn", func(t *testing.T) {
			t.Parallel()
			for i := range 350 {
				done := i % events
				from, to := r.commits[done], r.commits[done+1]
				part := torn(nil, r.log[from:to])
				if bytes.Equal(part, r.log[from:to]) {
					continue
				}
				cfg := r.crash(t, r.file, append(slices.Clone(r.log[:from]), part...), r.witness[:r.lines[done]])
				r.wantExactly(t, fmt.Sprintf("transaction %d torn", done), cfg, done)
				cuts.Add(1)
			}
		})
		t.Run("the fold is torn", func(t *testing.T) {
			t.Parallel()
			for i := range 100 {
				cfg := r.crash(t, torn(r.file, r.folded), r.log, r.witness)
				r.wantExactly(t, fmt.Sprintf("fold %d torn", i), cfg, events)
				cuts.Add(1)
			}
		})
		t.Run("the disk lied", func(t *testing.T) {
			t.Parallel()
			for i := range 100 {
				done := i % events
				at := r.commits[done] + rand.IntN(r.commits[done+1]-r.commits[done])
				cfg := r.crash(t, r.file, r.log[:at], r.witness)
				if _, err := store.Open(t.Context(), cfg); !errors.Is(err, ledger.ErrRollback) {
					t.Errorf("%d of %d acknowledged events are gone: %v", events-done, events, err)
				}
				os.RemoveAll(cfg.Dir)
				cuts.Add(1)
			}
		})
	})
	if cuts.Load() < 1000 {
		t.Errorf("only %d cuts", cuts.Load())
	}
	t.Logf("%d cuts", cuts.Load())
}
