package ledger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"unicode/utf8"
)

// Anchor is what something outside of the database remembers of the ledger: the witness file beside it, a message in a channel, an
// auditor's notebook.
type Anchor struct {
	Size int64
	Root Hash
	Time int64  // microseconds since 1970 when it was taken; 0 if unknown
	Note string // the signed checkpoint; empty if only size and root were kept
	From string // who remembers, in words for a report: "witness file", "#audit"
}

// Line writes the anchor as one line of a witness file: canonical JSON and a newline, frozen.
//
//	{"from":"witness file","note":"…","root":"…","size":600,"time":"2026-11-22T01:02:03.456789Z"}
//
// note and time are left out when empty. Lines are only ever appended; see Witness.Valid for what a writer does first.
func (a Anchor) Line() ([]byte, error) {
	m := map[string]any{"from": a.From, "root": a.Root.String(), "size": a.Size}
	if a.Note != "" {
		m["note"] = a.Note
	}
	if a.Time != 0 {
		m["time"] = FormatTime(a.Time)
	}
	b, err := appendObject(make([]byte, 0, 512), m, 1)
	if err != nil {
		return nil, fmt.Errorf("writing anchor %d: %w", a.Size, err)
	}
	if _, err := ParseAnchor(b); err != nil {
		return nil, fmt.Errorf("writing anchor %d: %w", a.Size, err)
	}
	return append(b, '\n'), nil
}

// Anchor gives what a witness should remember of the head.
func (h Head) Anchor(from string, us int64) Anchor {
	return Anchor{Size: h.Size, Root: h.Root, Time: us, Note: string(h.Note), From: from}
}

// ParseAnchor reads one line, without its newline. A note must state the size and root beside it; its signature is not checked here.
func ParseAnchor(line []byte) (Anchor, error) {
	var a Anchor
	if len(line) > maxWitnessLine || !utf8.Valid(line) {
		return Anchor{}, fmt.Errorf("reading anchor: longer than %d bytes or not UTF-8", maxWitnessLine)
	}
	s, seen := scanner{b: line}, 0
	err := s.members(1, func(key []byte) error {
		seen++
		return a.member(&s, string(key))
	})
	switch {
	case err != nil:
		return Anchor{}, fmt.Errorf("reading anchor: %w", err)
	case s.i != len(line) || a.From == "" || a.Size < 0 || seen < 3:
		return Anchor{}, errors.New("reading anchor: want from, root, size and nothing behind them")
	}
	if a.Note == "" {
		return a, nil
	}
	cp, err := unverifiedCheckpoint([]byte(a.Note))
	if err != nil {
		return Anchor{}, fmt.Errorf("reading anchor: %w", err)
	}
	if cp.Size != a.Size || cp.Root != a.Root {
		return Anchor{}, fmt.Errorf("reading anchor: its note is of size %d, the line of %d, or the roots differ", cp.Size, a.Size)
	}
	return a, nil
}

func (a *Anchor) member(s *scanner, name string) (err error) {
	switch name {
	case "from":
		a.From, err = s.stringText()
	case "note":
		a.Note, err = s.stringText()
	case "root":
		var text string
		if text, err = s.stringText(); err == nil {
			a.Root, err = parseHash(text)
		}
	case "size":
		a.Size, err = s.integer()
	case "time":
		a.Time, err = s.time()
	default:
		err = errors.New("unknown field")
	}
	return err
}

// Witness is the content of a witness file.
type Witness struct {
	Anchors []Anchor // in the order of the file; the newest maxWitnessLines of them
	Skipped int64    // older lines that were not kept
	Torn    int      // bytes behind the last newline: a line that a crash cut short
	Valid   int64    // bytes up to the last newline; a writer truncates the file to this length before it appends
}

// ReadWitness reads a witness file. A last line without newline is not an error: it was never finished, so nothing relied
// on it. Any other line that cannot be read is.
func ReadWitness(r io.Reader) (Witness, error) {
	var w Witness
	br := bufio.NewReaderSize(r, maxWitnessLine+1)
	for n := 1; ; n++ {
		line, err := br.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			w.Torn = len(line)
			return w, nil
		case errors.Is(err, bufio.ErrBufferFull):
			return Witness{}, fmt.Errorf("witness line %d: longer than %d bytes", n, maxWitnessLine)
		case err != nil:
			return Witness{}, fmt.Errorf("witness line %d: %w", n, err)
		}
		a, err := ParseAnchor(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			return Witness{}, fmt.Errorf("witness line %d: %w", n, err)
		}
		w.Valid += int64(len(line))
		if len(w.Anchors) == maxWitnessLines {
			drop := maxWitnessLines / 4
			w.Anchors, w.Skipped = slices.Delete(w.Anchors, 0, drop), w.Skipped+int64(drop)
		}
		w.Anchors = append(w.Anchors, a)
	}
}

// Errors that a comparison with an anchor ends in; RollbackError and ForkError carry the particulars.
var (
	ErrRollback = errors.New("the ledger was rolled back")
	ErrFork     = errors.New("the ledger is another one than was witnessed")
)

// RollbackError says that somebody remembers more entries than there are: an old copy was put back, or the tail was cut.
type RollbackError struct {
	Size   int64 // of the ledger
	Anchor Anchor
}

func (e *RollbackError) Error() string {
	return fmt.Sprintf("%v: it has %d entries, %s remembers %d; %d are gone", ErrRollback, e.Size, e.Anchor.From, e.Anchor.Size,
		e.Anchor.Size-e.Size)
}

// Unwrap makes it ErrRollback.
func (e *RollbackError) Unwrap() error { return ErrRollback }

// ForkError says that the ledger had another root at a size than somebody remembers: history was rewritten, or a second instance ran.
type ForkError struct {
	Root   Hash // the ledger's, at Anchor.Size
	Anchor Anchor
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("%v: its first %d entries have root %s, %s remembers %s", ErrFork, e.Anchor.Size, e.Root, e.Anchor.From,
		e.Anchor.Root)
}

// Unwrap makes it ErrFork.
func (e *ForkError) Unwrap() error { return ErrFork }

// anchorsChecked is how many sizes CheckHead compares: the newest say whether the copy is the right one, Verify compares all.
const anchorsChecked = 16

// CheckHead compares the stored head with what is remembered outside, before anything is appended: a *RollbackError if
// any anchor is larger, a *ForkError if the roots differ at the same size. tiles serves the roots of earlier sizes; nil leaves these
// unchecked.
func CheckHead(ctx context.Context, head Head, tiles TileReader, anchors []Anchor) error {
	order := slices.Clone(anchors)
	sort.SliceStable(order, func(i, j int) bool { return order[j].Size < order[i].Size })
	if len(order) > 0 && order[0].Size > head.Size {
		return &RollbackError{Size: head.Size, Anchor: order[0]}
	}
	sizes, last, root := 0, int64(-1), Hash{}
	for _, a := range order {
		if a.Size != last {
			if sizes++; sizes > anchorsChecked || a.Size < head.Size && tiles == nil {
				break
			}
			var err error
			if root, err = rootForAnchor(ctx, head, tiles, a.Size); err != nil {
				return fmt.Errorf("comparing with %s: %w", a.From, err)
			}
			last = a.Size
		}
		if root != a.Root {
			return &ForkError{Root: root, Anchor: a}
		}
	}
	return nil
}

func rootForAnchor(ctx context.Context, head Head, tiles TileReader, size int64) (Hash, error) {
	if size == head.Size {
		return head.Root, nil
	}
	return RootAt(ctx, tiles, size)
}
