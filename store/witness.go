package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/store/ledger"
)

// witness is the file outside the database that remembers every signed head: it finds a database that was put back or cut.
// A line follows every commit; the disk has it within a second, and before a head is published.
type witness struct {
	path string
	stop chan struct{}
	done chan struct{}
	fail func(error)

	syncing sync.Mutex // held over a sync or a change of the file; taken before mu

	mu    sync.Mutex // held over a write, never over a sync: the writer must not wait for the disk here
	f     *os.File
	lines int // in the file
	dirty bool
}

const witnessName = "witness file"

// readWitness reads what the file remembers; no file is nothing remembered.
func readWitness(path string) (ledger.Witness, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ledger.Witness{}, nil
	}
	if err != nil {
		return ledger.Witness{}, err
	}
	defer f.Close()
	w, err := ledger.ReadWitness(f)
	if err != nil {
		return ledger.Witness{}, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

// openWitness opens the file for appending behind its last whole line.
func openWitness(path string, seen ledger.Witness, fail func(error)) (*witness, error) {
	w := &witness{path: path, lines: len(seen.Anchors), stop: make(chan struct{}), done: make(chan struct{}), fail: fail}
	if seen.Skipped > 0 || len(seen.Anchors) > maxWitness {
		if err := w.shorten(seen.Anchors); err != nil {
			return nil, err
		}
		seen.Torn = 0
	}
	if err := w.open(); err != nil {
		return nil, err
	}
	if seen.Torn > 0 {
		if err := w.f.Truncate(seen.Valid); err != nil {
			return nil, errors.Join(err, w.f.Close())
		}
	}
	go w.syncLoop()
	return w, nil
}

func (w *witness) open() (err error) {
	if w.f, err = os.OpenFile(w.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return fmt.Errorf("%w: %w", ErrWitness, err)
	}
	return nil
}

// shorten replaces the file by one with the newest lines only. Nothing is lost by that: the root of a later line commits to every
// entry under an earlier one.
func (w *witness) shorten(anchors []ledger.Anchor) error {
	anchors = anchors[max(0, len(anchors)-keepWitness):]
	tmp, err := os.CreateTemp(filepath.Dir(w.path), ".witness-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	for _, a := range anchors {
		line, err := a.Line()
		if err == nil {
			_, err = tmp.Write(line)
		}
		if err != nil {
			return errors.Join(err, tmp.Close())
		}
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	w.lines = len(anchors)
	return os.Rename(tmp.Name(), w.path)
}

// turnOver shortens a file that has grown while it was open.
func (w *witness) turnOver() error {
	w.syncing.Lock()
	defer w.syncing.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lines <= maxWitness {
		return nil
	}
	seen, err := readWitness(w.path)
	if err == nil {
		err = w.shorten(seen.Anchors)
	}
	if err == nil {
		err = errors.Join(w.f.Close(), w.open())
	}
	return err
}

// write appends the line of a head.
func (w *witness) write(h ledger.Head, us int64) error {
	line, err := h.Anchor(witnessName, us).Line()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.f.Write(line); err != nil {
		return fmt.Errorf("%w: %w", ErrWitness, err)
	}
	w.dirty = true
	w.lines++
	return nil
}

// sync brings what was written to the disk.
func (w *witness) sync() error {
	w.syncing.Lock()
	defer w.syncing.Unlock()
	w.mu.Lock()
	f, dirty := w.f, w.dirty
	w.dirty = false
	w.mu.Unlock()
	if !dirty {
		return nil
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing the witness file: %w", err)
	}
	return nil
}

func (w *witness) syncLoop() {
	defer close(w.done)
	t := time.NewTicker(witnessSync)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if err := errors.Join(w.sync(), w.turnOver()); err != nil {
				w.fail(fmt.Errorf("%w: %w", ErrLedgerUnknown, err))
				return
			}
		case <-w.stop:
			return
		}
	}
}

func (w *witness) close() error {
	close(w.stop)
	<-w.done
	return errors.Join(w.sync(), w.f.Close())
}

// WitnessTakes tells whether the witness file of a configuration can be written now: nil when another block fits beside it. It writes nothing that
// stays.
func WitnessTakes(cfg Config) (err error) {
	path := cfg.WitnessPath
	if path == "" {
		path = filepath.Join(cfg.Dir, "witness.log")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWitness, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("%w: %w", ErrWitness, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".witness-*")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWitness, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(make([]byte, witnessBlock))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("%w: %w", ErrWitness, err)
	}
	return nil
}

const witnessBlock = 8 << 10 // some forty heads: a start writes two
