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
	mu    sync.Mutex
	f     *os.File
	dirty bool
	stop  chan struct{}
	done  chan struct{}
	fail  func(error)
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
	if seen.Skipped > 0 {
		if err := compactWitness(path, seen); err != nil {
			return nil, err
		}
		seen.Torn = 0
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if seen.Torn > 0 {
		if err := f.Truncate(seen.Valid); err != nil {
			f.Close()
			return nil, err
		}
	}
	w := &witness{f: f, stop: make(chan struct{}), done: make(chan struct{}), fail: fail}
	go w.syncLoop()
	return w, nil
}

// compactWitness keeps the newest lines of a file that has grown past what is read.
func compactWitness(path string, seen ledger.Witness) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".witness-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	for _, a := range seen.Anchors[len(seen.Anchors)/2:] {
		line, err := a.Line()
		if err == nil {
			_, err = tmp.Write(line)
		}
		if err != nil {
			tmp.Close()
			return err
		}
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
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
		return fmt.Errorf("writing the witness file: %w", err)
	}
	w.dirty = true
	return nil
}

// sync brings what was written to the disk.
func (w *witness) sync() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.dirty {
		return nil
	}
	if err := w.f.Sync(); err != nil {
		return fmt.Errorf("syncing the witness file: %w", err)
	}
	w.dirty = false
	return nil
}

func (w *witness) syncLoop() {
	defer close(w.done)
	t := time.NewTicker(witnessSync)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if err := w.sync(); err != nil {
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
