package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// A full disk must not keep access from ending: to take it back, jobs are leased and events appended, and both need room. So a file of
// some megabytes lies beside the database. The first write that finds no room gives it up; from then on only what the product itself owes
// is recorded, and what people ask is refused with the reason, until the file can be made again.

const reserveName = "reserve"

// errFull is the reason that callers pass on.
var errFull = errors.New("the disk is full: only what takes access back is still recorded, until there is room")

func (s *Store) reservePath() string {
	return filepath.Join(filepath.Dir(sqlitePath(s.cfg)), reserveName)
}

// keepReserve makes the file where it is not there as a whole, and tells whether it is now.
func (s *Store) keepReserve() bool {
	if s.cfg.Reserve <= 0 || s.pg {
		return true
	}
	path := s.reservePath()
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Size() == s.cfg.Reserve {
		return true
	}
	if err := writeReserve(path, s.cfg.Reserve); err != nil {
		_ = os.Remove(path)
		return false
	}
	return true
}

// writeReserve writes zeros rather than only a size: a sparse file keeps no room.
func writeReserve(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	for left := size; left > 0 && err == nil; left -= int64(len(block)) {
		_, err = f.Write(block[:min(left, int64(len(block)))])
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// giveUpReserve makes room, once.
func (s *Store) giveUpReserve() {
	if s.cfg.Reserve <= 0 || !s.lean.CompareAndSwap(false, true) {
		return
	}
	err := os.Remove(s.reservePath())
	s.log.Error("THE DISK IS FULL: the reserve is given up; people are refused, access still ends", "reserve", s.reservePath(), "err", err)
}

// lookForRoom ends the lean time when the reserve can be made again.
func (s *Store) lookForRoom() {
	if s.lean.Load() && s.keepReserve() {
		s.lean.Store(false)
		s.log.Info("there is room on the disk again", "reserve", s.reservePath())
	}
}

// DiskFull tells whether people are refused because the disk has no room; nil when it has.
func (s *Store) DiskFull() error {
	if s.lean.Load() {
		return errFull
	}
	return nil
}

// affords tells whether a decision with this cause may use the last room: timers and jobs, which the product owes, and what a start
// records. Everything else comes from people.
func (s *Store) affords(cause Cause) error {
	if !s.lean.Load() || cause == "" || strings.HasPrefix(string(cause), "job/") || strings.HasPrefix(string(cause), "start/") {
		return nil
	}
	return &saying{
		is: ErrUnavailable, text: ErrUnavailable.Error() + ": " + errFull.Error(),
		people: "The disk of the ledger is full: nothing can be recorded, so nothing was given. What is due is still taken back. Tell who runs Countersign to make room. What cannot wait goes by the sealed envelope (countersign envelope).",
	}
}
