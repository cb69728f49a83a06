package streams

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/countersign-bot/countersign/store/ledger"
)

// Checker reads received records as they lie in a receiver's files and finds what is missing, what came twice and what is not as it was
// sent. It needs no ledger and no network. Records that came twice are no problem: a stream sends at least once.
type Checker struct {
	VKeys []string // public keys of the ledger as known from elsewhere; none: the one that the first entry names, which proves less

	report  Report
	tree    *ledger.Tree // of all entries from the first on; nil once one was missing
	keys    ledger.Keys
	want    int64 // the next entry
	started bool
	hashes  map[int64]ledger.Hash
	oldest  int64
}

// Report is what a Checker found. Problems are tampering; Gaps are what was lost on the way or not yet received.
type Report struct {
	Lines       int64     `json:"lines"`
	Records     int64     `json:"records"` // different ones
	Origin      string    `json:"origin"`
	First       int64     `json:"first"`
	Last        int64     `json:"last"`
	Duplicates  int64     `json:"duplicates"`
	Gaps        []Gap     `json:"gaps,omitempty"`
	Heads       int64     `json:"heads"`    // signed heads among them
	Compared    int64     `json:"compared"` // of these, heads whose tree could be rebuilt, and was the same
	Proven      int64     `json:"proven"`   // entries under the largest head that was compared
	KeyPinned   bool      `json:"key_pinned"`
	Torn        bool      `json:"torn"` // the last line has no end: a file that is still written, or was cut
	Problems    []Problem `json:"problems,omitempty"`
	MoreTrouble int64     `json:"more_problems,omitempty"`
}

// Gap is a run of entries that are not there.
type Gap struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Problem is something that was not sent so.
type Problem struct {
	Line  int64  `json:"line"`
	Entry int64  `json:"entry"` // -1: not known
	Text  string `json:"text"`
}

// Read takes one file. Files are given in the order in which they were written.
func (c *Checker) Read(ctx context.Context, r io.Reader) error {
	br := bufio.NewReaderSize(r, maxLine)
	for ctx.Err() == nil {
		line, err := br.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			c.report.Torn = len(line) > 0
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("line %d is longer than %d bytes: not a stream of ours", c.report.Lines+1, maxLine)
		case err != nil:
			return fmt.Errorf("reading line %d: %w", c.report.Lines+1, err)
		}
		c.report.Lines++
		c.line(bytes.TrimSuffix(line, []byte("\n")))
	}
	return ctx.Err()
}

// Report gives what was found. Whether the ledger is the one whose key was given shows only now: that key may be one of its later ones.
func (c *Checker) Report() Report {
	if c.keys.Known() && len(c.VKeys) > 0 {
		if c.report.KeyPinned = c.keys.Trusts(c.VKeys...); !c.report.KeyPinned {
			c.trouble(0, "the key you gave is not one of this ledger's: it is another ledger, or was forged as a whole")
		}
	}
	return c.report
}

func (c *Checker) trouble(entry int64, format string, args ...any) {
	if len(c.report.Problems) == mostTrouble {
		c.report.MoreTrouble++
		return
	}
	c.report.Problems = append(c.report.Problems, Problem{c.report.Lines, entry, fmt.Sprintf(format, args...)})
}

func (c *Checker) line(line []byte) {
	r, err := ParseRecord(line)
	if err != nil {
		c.trouble(-1, "it cannot be read: %v", err)
		return
	}
	leaf := bytes.Clone(r.Leaf) // the hash is over these bytes
	hash := ledger.LeafHash(leaf)
	l, err := ledger.Decode(leaf)
	switch {
	case hash.String() != r.LeafHash:
		c.trouble(r.Entry, "the entry has been changed: its hash is not the one sent with it")
	case err != nil:
		c.trouble(r.Entry, "the entry is not one that a ledger holds: %v", err)
	case l.Type != r.Type || ledger.FormatTime(l.Time) != r.Time:
		c.trouble(r.Entry, "type or time beside the entry are not those in it")
	case r.Previous != r.Entry-1:
		c.trouble(r.Entry, "the entry before it is said to be %d", r.Previous)
	case c.report.Origin != "" && c.report.Origin != r.Origin:
		c.trouble(r.Entry, "it is of the ledger %q, the others of %q", r.Origin, c.report.Origin)
	default:
		c.record(r, l, hash)
		return
	}
	c.skip(r.Entry)
}

// skip goes on behind a record that cannot be used.
func (c *Checker) skip(entry int64) {
	c.tree = nil
	if c.started && entry >= c.want {
		c.want = entry + 1
	}
}

func (c *Checker) record(r Record, l ledger.Leaf, hash ledger.Hash) {
	if !c.started {
		c.started, c.want, c.oldest = true, r.Entry, r.Entry
		c.hashes = make(map[int64]ledger.Hash)
		c.report.Origin, c.report.First = r.Origin, r.Entry
		if r.Entry == 0 {
			c.tree = ledger.NewTree()
		}
	}
	switch {
	case r.Entry < c.want:
		c.again(r, hash)
		return
	case r.Entry > c.want:
		c.report.Gaps = append(c.report.Gaps, Gap{c.want, r.Entry - 1})
		if len(c.report.Gaps) > mostTrouble {
			c.report.Gaps = c.report.Gaps[:mostTrouble]
		}
		c.tree = nil
	}
	c.want = r.Entry + 1
	c.report.Records++
	c.report.Last = r.Entry
	c.keep(r.Entry, hash)
	if err := c.keys.Follow(r.Entry, l); err != nil {
		c.trouble(r.Entry, "it does not change the ledger's key as it must: %v", err)
	}
	if c.tree != nil {
		c.tree.Append(hash)
	}
	if r.Note != "" {
		c.head(r)
	}
}

// keep remembers the newest hashes.
func (c *Checker) keep(entry int64, hash ledger.Hash) {
	c.hashes[entry] = hash
	for len(c.hashes) > keptHashes {
		delete(c.hashes, c.oldest)
		c.oldest++
	}
}

// again compares a record that came before.
func (c *Checker) again(r Record, hash ledger.Hash) {
	before, known := c.hashes[r.Entry]
	switch {
	case known && before != hash:
		c.trouble(r.Entry, "it came before with other content: the ledger was rolled back, or one of the two is forged")
	case !known && r.Entry < c.report.First:
		c.trouble(r.Entry, "it comes behind entry %d, which was the first", c.report.First)
	case !known && r.Entry >= c.oldest:
		c.trouble(r.Entry, "it comes behind entry %d: the order was changed", c.report.Last)
	default:
		c.report.Duplicates++
	}
}

// head compares a signed head with the tree of what was received.
func (c *Checker) head(r Record) {
	c.report.Heads++
	cp, err := c.open([]byte(r.Note))
	switch {
	case errors.Is(err, errNoKey): // it proves nothing, and disproves nothing
	case err != nil:
		c.trouble(r.Entry, "the signed head with it: %v", err)
	case cp.Size != r.Size || cp.Size != r.Entry+1 || cp.Origin != r.Origin:
		c.trouble(r.Entry, "the signed head with it is of %d entries of %q", cp.Size, cp.Origin)
	case c.tree == nil: // it begins later, or something is missing: there is nothing to compare with
	case c.tree.Root() != cp.Root:
		c.trouble(r.Entry, "the ledger's own signed head over %d entries is over others than these: what was received is forged", cp.Size)
		c.tree = nil
	default:
		c.report.Compared++
		c.report.Proven = cp.Size
	}
}

// open reads a head by the key in force, or by a pinned one where the file does not tell which that was.
func (c *Checker) open(note []byte) (ledger.Checkpoint, error) {
	if c.keys.Known() {
		return c.keys.Open(note)
	}
	if len(c.VKeys) == 0 {
		return ledger.Checkpoint{}, errNoKey
	}
	verifiers, err := ledger.Verifiers(c.VKeys...)
	if err != nil {
		return ledger.Checkpoint{}, err
	}
	c.report.KeyPinned = true
	return ledger.OpenCheckpoint(note, "", verifiers)
}

var errNoKey = errors.New("nothing says whose signature it must bear: the file begins behind entry 0, and no key was given")
