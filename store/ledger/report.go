package ledger

import (
	"fmt"
	"io"
	"sort"
	"strings"
)

// Code names a class of problem; see the constants. Codes are stable: scripts and alarms branch on them.
type Code string

// The classes of problems a verification finds.
const (
	CodeEntryMissing  Code = "entry-missing"  // a row is gone, or the tail was cut
	CodeEntryExtra    Code = "entry-extra"    // a row that the head does not cover
	CodeEntryChanged  Code = "entry-changed"  // a row is not what was hashed when it was written
	CodeEntryForm     Code = "entry-form"     // not the one encoding of a leaf
	CodeSeq           Code = "seq"            // a stream has a gap, a repetition or another order
	CodeID            Code = "id"             // two entries with one id
	CodeMono          Code = "mono"           // the ledger's own clock runs backwards
	CodeGenesis       Code = "genesis"        // entry 0 is not a genesis, or another one is
	CodeTile          Code = "tile"           // a stored tile is not what the entries hash to
	CodeFrontier      Code = "frontier"       // the frontier in the head row is wrong
	CodeHead          Code = "head"           // the head row differs from the note in it
	CodeRoot          Code = "root"           // the entries do not hash to the signed root
	CodeSignature     Code = "signature"      // a note is not signed by the key in force
	CodeKey           Code = "key"            // a change of keys does not hold, or no pinned key belongs to this ledger
	CodeCheckpoint    Code = "checkpoint"     // a published checkpoint does not fit the entries
	CodeRollback      Code = "rollback"       // somebody outside remembers more entries
	CodeFork          Code = "fork"           // somebody outside remembers other entries
	CodeOpening       Code = "opening"        // an opening does not open what it claims to
	CodeDocMissing    Code = "doc-missing"    // an entry names a document that is not there
	CodeDocChanged    Code = "doc-changed"    // a document is not what its hash says
	CodeEntryRejected Code = "entry-rejected" // the caller's own rules refuse the entry
	CodeFile          Code = "file"           // a file of a bundle is not the one its manifest lists
)

// Problem is one finding.
type Problem struct {
	Code   Code   `json:"code"`
	Index  int64  `json:"index"` // the entry, or the first of the range; -1 if it is about the whole ledger
	Stream string `json:"stream,omitempty"`
	Seq    int64  `json:"seq,omitempty"`
	Text   string `json:"text"` // a sentence for somebody who answers for the ledger
}

// Report is the outcome of a verification.
type Report struct {
	OK             bool           `json:"ok"`
	Origin         string         `json:"origin"`
	Size           int64          `json:"size"` // entries the head covers
	Read           int64          `json:"read"` // entries found
	Root           string         `json:"root"` // recomputed from the entries, base64
	Bytes          int64          `json:"bytes"`
	Streams        int64          `json:"streams"`
	FirstTime      string         `json:"first_time,omitempty"`
	LastTime       string         `json:"last_time,omitempty"`
	ClockBack      int64          `json:"clock_back"`       // entries whose wall-clock time is before their predecessor's: no error
	Key            string         `json:"key"`              // the key that signs now
	KeyPinned      bool           `json:"key_pinned"`       // it belongs to a key the caller pinned; false: the ledger's own word for it
	KeyChanges     int            `json:"key_changes"`      // in its history
	Tiles          int64          `json:"tiles"`            // stored tiles compared
	Checkpoints    int64          `json:"checkpoints"`      // published ones compared
	Anchors        int64          `json:"anchors"`          // outside memories compared
	LargestAnchor  int64          `json:"largest_anchor"`   // entries that somebody outside remembers; 0 without anchors
	Commitments    int64          `json:"commitments"`      // sealed fields
	Opened         int64          `json:"opened"`           // of those, with an opening that fits
	Erased         int64          `json:"erased"`           // of those, without an opening
	Documents      int            `json:"documents"`        // named by entries and compared
	LastGoodSize   int64          `json:"last_good_size"`   // the largest size at which a checkpoint or anchor agreed
	FirstWrongSize int64          `json:"first_wrong_size"` // the smallest at which one did not; 0 if all agreed
	First          *Problem       `json:"first,omitempty"`
	Problems       []Problem      `json:"problems,omitempty"` // at most maxProblems for each code
	Counts         map[Code]int64 `json:"counts,omitempty"`   // all of them
}

// add counts a problem and keeps it while there is room for its class.
func (r *Report) add(p Problem) {
	if r.Counts == nil {
		r.Counts = make(map[Code]int64)
	}
	if r.Counts[p.Code]++; r.Counts[p.Code] <= maxProblems {
		r.Problems = append(r.Problems, p)
	}
}

func (r *Report) whole(code Code, format string, args ...any) {
	r.add(Problem{Code: code, Index: -1, Text: fmt.Sprintf(format, args...)})
}

// finish orders what was found and names the first bad entry.
func (r *Report) finish() {
	r.OK = len(r.Problems) == 0
	r.Erased = max(0, r.Commitments-r.Opened)
	sort.SliceStable(r.Problems, func(i, j int) bool { return uint64(r.Problems[i].Index) < uint64(r.Problems[j].Index) })
	if !r.OK {
		r.First = &r.Problems[0] // -1 sorts last: a named entry comes before what is wrong with the whole
	}
}

// Add enters what a caller found by means of its own, after the verification.
func (r *Report) Add(p Problem) {
	r.add(p)
	r.finish()
}

// Total is the number of problems, those not named included.
func (r *Report) Total() int64 {
	var n int64
	for _, c := range r.Counts {
		n += c
	}
	return n
}

// WriteText writes the report for a person: the verdict first, then what was compared, then what is wrong.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	if r.OK {
		fmt.Fprintf(&b, "The ledger %s is intact: %d entries, as signed.\n", r.Origin, r.Size)
	} else {
		fmt.Fprintf(&b, "THE LEDGER %s IS BROKEN: %d problems.\nFirst: %s\n", r.Origin, r.Total(), r.First.Text)
	}
	r.writeFacts(&b)
	if len(r.Problems) > 1 {
		b.WriteString("\nProblems:\n")
	}
	for _, p := range r.Problems {
		if len(r.Problems) > 1 {
			fmt.Fprintf(&b, "  %-14s %s\n", p.Code, p.Text)
		}
	}
	if more := r.Total() - int64(len(r.Problems)); more > 0 {
		fmt.Fprintf(&b, "  and %d more\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeFacts(b *strings.Builder) {
	fmt.Fprintf(b, "\n  root         %s\n", r.Root)
	fmt.Fprintf(b, "  entries      %d read of %d, %d bytes, %d streams\n", r.Read, r.Size, r.Bytes, r.Streams)
	if r.FirstTime != "" {
		fmt.Fprintf(b, "  time         %s to %s\n", r.FirstTime, r.LastTime)
	}
	whose := "pinned by you"
	if !r.KeyPinned {
		whose = "the ledger's own word for it: pin it to notice a ledger rewritten from the start"
	}
	fmt.Fprintf(b, "  key          %s (%s)\n", r.Key, whose)
	fmt.Fprintf(b, "  compared     %d tiles, %d published checkpoints, %d memories from outside, %d documents\n", r.Tiles, r.Checkpoints,
		r.Anchors, r.Documents)
	if r.Anchors == 0 {
		b.WriteString("               without a memory from outside, a cut or replaced ledger with a valid signature looks intact\n")
	} else if r.LargestAnchor < r.Size {
		fmt.Fprintf(b, "               entries %d and later are vouched for by the signature alone\n", r.LargestAnchor)
	}
	fmt.Fprintf(b, "  sealed       %d fields: %d open, %d without their text (erased, or not disclosed to you)\n", r.Commitments, r.Opened, r.Erased)
	if r.FirstWrongSize > 0 {
		fmt.Fprintf(b, "  history      agrees up to %d entries, differs at %d\n", r.LastGoodSize, r.FirstWrongSize)
	}
}
