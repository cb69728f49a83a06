package store

import (
	"errors"
	"fmt"
)

// Errors that callers branch on.
var (
	// ErrLedgerUnknown: COMMIT or the witness file failed, so what was asked may or may not have happened. The store is
	// poisoned; the process is expected to exit with 70 and to look again.
	ErrLedgerUnknown = errors.New("the ledger could not be written: whether this was recorded is unknown until a restart")

	// ErrUnavailable: nothing was written, and asking again may work.
	ErrUnavailable error = &saying{
		text:   "the ledger cannot be written just now; nothing was recorded",
		people: "The ledger cannot be written just now: nothing was recorded, and nothing was given. Try again, and tell who runs Countersign. What cannot wait goes by the sealed envelope (countersign envelope).",
	}

	// ErrWitness: the witness file cannot be opened or written, so nothing may be decided.
	ErrWitness = errors.New("the witness file cannot be written")

	// ErrReadOnly: the store was opened for reading.
	ErrReadOnly = errors.New("the ledger is open for reading only")

	// ErrClosed: the store is closing or closed; nothing was written.
	ErrClosed = errors.New("the ledger is closed")

	// ErrSchema: the database is not ours, damaged, or of a newer version.
	ErrSchema = errors.New("the database does not have the schema this version knows")

	// ErrDamaged: the database or the right edge of the ledger fails a check.
	ErrDamaged = errors.New("the ledger fails a check")

	// ErrModes: a file or folder is open to others.
	ErrModes = errors.New("readable or writable by others")

	// ErrNotFound: no such row.
	ErrNotFound = errors.New("not found")
)

// saying is an error that has a sentence for people beside the text for the log. What shows errors to people looks for ForPeople.
type saying struct {
	text, people string
	is           error // a sentinel that it is also
}

func (e *saying) Error() string     { return e.text }
func (e *saying) Unwrap() error     { return e.is }
func (e *saying) ForPeople() string { return e.people }

// LockedError says who holds the data folder.
type LockedError struct {
	Path string
	PID  string
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is locked by pid %s: one process owns a ledger", e.Path, e.PID)
}

// wrap adds what was being done, once, at the border of the room, and makes pages that cannot be read an ErrDamaged.
func wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf(format+": %w", append(args, asDamage(*err))...)
	}
}
