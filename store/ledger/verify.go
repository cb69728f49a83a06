package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"sort"

	"golang.org/x/mod/sumdb/tlog"
)

// Options say what a verification may rely on. The zero value relies on the ledger's own key and on nobody's memory: it finds damage
// and clumsy edits, not a forger with the key.
type Options struct {
	Origin  string   // the ledger it must be; empty accepts any
	Keys    []string // vkeys pinned outside of the ledger; one that was ever in force is enough
	Anchors []Anchor // what is remembered outside: witness file, channel, auditors
	Workers int      // hashing goroutines; 0 for one a processor, up to 8

	// PerEntry is called for each readable entry in order, for rules this package does not know; an error becomes a problem of that
	// entry. It runs while the source is being read, so it must not read from the source's connection.
	PerEntry func(idx int64, leaf Leaf) error
}

// Verify reads the whole ledger and recomputes everything that is claimed of it: the encoding of each entry, the order of each stream,
// the tree, the stored tiles, the head and its signature, published checkpoints, what others remember, openings and documents. It uses
// memory for a few chunks of entries, 8 bytes an entry, some 20 a stream. What is wrong stands in the Report; an error means that there is no
// verdict because the source could not be read.
func Verify(ctx context.Context, src Source, opt Options) (Report, error) {
	v := &verification{
		src: src, opt: opt, tree: NewTree(), mono: -1, idSeed: maphash.MakeSeed(),
		streams: make(map[streamKey]int32), policies: make(map[string]int64),
	}
	for _, step := range []func(context.Context) error{
		v.readHead, v.collectMilestones, v.readEntries, v.findStrays, v.judgeHead, v.compareTiles, v.judgeFrontier,
		v.judgeCheckpoints, v.judgeDocuments, v.nameDuplicates,
	} {
		err := step(ctx)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Report{}, fmt.Errorf("verifying ledger: %w", err)
		}
	}
	v.report.finish()
	return v.report, nil
}

type verification struct {
	src    Source
	opt    Options
	report Report
	head   Head

	tree   *Tree
	sums   [][]tileSum // of the full tiles recomputed, by level
	rootOK bool        // the entries hash to the root that is signed, or claimed where no signature holds
	keys   keyChain

	milestones []milestone
	passed     int // milestones compared

	idSeed   maphash.Seed
	ids      []uint64            // of each entry, for finding two with one id at the end
	streams  map[streamKey]int32 // place in seqs: one look-up an entry
	seqs     []int64             // the last number of each stream
	policies map[string]int64    // hash of a document -> first entry naming it
	mono     int64
	time     int64
	missing  int64 // entries missing in the run that ends here
}

// milestone is a root that the ledger must have at a size.
type milestone struct {
	size int64
	root Hash
	from string // who remembers it; empty for a published checkpoint
}

func (v *verification) readHead(ctx context.Context) error {
	head, err := v.src.Head(ctx)
	if err != nil {
		return fmt.Errorf("reading the head: %w", err)
	}
	v.head = head
	v.report.Size = head.Size
	v.ids = make([]uint64, 0, max(0, min(head.Size, 1<<20))) // the size is a claim
	if head.Size < 0 {
		v.report.whole(CodeHead, "The head row says %d entries.", head.Size)
		v.head.Size = 0
	}
	return nil
}

// collectMilestones gathers what the roots will be compared with on the way through the entries.
func (v *verification) collectMilestones(ctx context.Context) error {
	for p, err := range v.src.Checkpoints(ctx) {
		if err != nil {
			return fmt.Errorf("reading published checkpoints: %w", err)
		}
		cp, err := unverifiedCheckpoint(p.Note)
		switch {
		case err != nil:
			v.report.whole(CodeCheckpoint, "The published checkpoint stored for %d entries cannot be read: %v.", p.Size, err)
		case cp.Size != p.Size:
			v.report.whole(CodeCheckpoint, "The published checkpoint stored for %d entries is one for %d.", p.Size, cp.Size)
		default:
			v.milestones = append(v.milestones, milestone{size: cp.Size, root: cp.Root})
		}
		if len(v.milestones) > maxMilestones {
			return fmt.Errorf("reading published checkpoints: more than %d", maxMilestones)
		}
		v.report.Checkpoints++
	}
	for _, a := range v.opt.Anchors {
		v.milestones = append(v.milestones, milestone{size: a.Size, root: a.Root, from: cmp.Or(a.From, "an anchor")})
		v.report.LargestAnchor = max(v.report.LargestAnchor, a.Size)
		v.report.Anchors++
	}
	if len(v.milestones) > 2*maxMilestones {
		return fmt.Errorf("comparing with %d anchors: more than %d", len(v.opt.Anchors), maxMilestones)
	}
	sort.SliceStable(v.milestones, func(i, j int) bool { return v.milestones[i].size < v.milestones[j].size })
	return nil
}

func (v *verification) readEntries(ctx context.Context) error {
	p := &pipeline{
		src: v.src, size: v.head.Size, workers: v.opt.Workers,
		hasher: hasher{ids: v.idSeed, streamA: maphash.MakeSeed(), streamB: maphash.MakeSeed(), decode: v.opt.PerEntry != nil},
	}
	v.passMilestones()
	if src, ok := v.src.(ForkingSource); ok {
		beside, err := src.Fork(ctx)
		if err == nil {
			defer beside.Close() // nothing is lost: it was only read
			p.beside = beside
		} else if !errors.Is(err, ErrNoFork) {
			return fmt.Errorf("opening a second view of the ledger: %w", err)
		}
	}
	if err := p.run(ctx, v.consume); err != nil {
		return err
	}
	v.reportMissing(p.ended)
	v.report.Streams = int64(len(v.streams))
	v.report.Root = v.tree.Root().String()
	if p.ended < v.head.Size {
		v.missing = cmp.Or(p.resume, v.head.Size) - p.ended
		v.reportMissing(p.ended + v.missing)
	}
	for _, m := range v.milestones[v.passed:] {
		v.rollback(m)
	}
	return nil
}

// rollback reports a milestone beyond the last entry. One the head still claims to cover is a consequence of missing rows.
func (v *verification) rollback(m milestone) {
	switch {
	case m.size <= v.head.Size:
		v.wrongAt(m.size)
	case m.from == "":
		v.report.whole(CodeRollback, "A checkpoint for %d entries was published, the head covers %d: %d entries are gone, or an old copy was put back.",
			m.size, v.head.Size, m.size-v.head.Size)
	default:
		v.report.whole(CodeRollback, "%s remembers %d entries, the head covers %d: %d entries are gone, or an old copy was put back.",
			m.from, m.size, v.head.Size, m.size-v.head.Size)
	}
}

// consume takes the hashed chunks in order: all that depends on what came before.
func (v *verification) consume(c *chunk) error {
	for i := range c.facts {
		v.entry(c, i)
	}
	rest := c.hashes
	for i := range c.tiles {
		v.grow(rest[:TileBytes], &c.tiles[i])
		rest = rest[TileBytes:]
	}
	v.grow(rest, nil)
	return nil
}

// grow adds entries to the tree: a whole tile at once where no milestone lies inside it.
func (v *verification) grow(hashes []byte, sum *tileSum) {
	if sum != nil && !v.milestoneBefore(v.tree.Size()+TileWidth) {
		v.keep(0, *sum)
		v.keepTiles(v.tree.appendTile(sum.root))
		v.passMilestones()
		return
	}
	for ; len(hashes) > 0; hashes = hashes[tlog.HashSize:] {
		v.keepTiles(v.tree.Append(Hash(hashes[:tlog.HashSize])))
		v.passMilestones()
	}
}

func (v *verification) keepTiles(full []Tile) {
	for _, t := range full {
		v.keep(t.Level, tileSum{root: subtreeRoot(t.Hashes), digest: sha256.Sum256(t.Hashes)})
	}
}

func (v *verification) keep(level int, s tileSum) {
	for level >= len(v.sums) {
		v.sums = append(v.sums, nil)
	}
	v.sums[level] = append(v.sums[level], s)
}

func (v *verification) milestoneBefore(size int64) bool {
	return v.passed < len(v.milestones) && v.milestones[v.passed].size < size
}

// passMilestones compares the root with all that is known of it at this size.
func (v *verification) passMilestones() {
	if !v.milestoneBefore(v.tree.Size() + 1) {
		return
	}
	root := v.tree.Root()
	for ; v.milestoneBefore(v.tree.Size() + 1); v.passed++ {
		switch m := v.milestones[v.passed]; {
		case m.root == root && m.size == v.tree.Size():
			if v.report.FirstWrongSize == 0 {
				v.report.LastGoodSize = m.size
			}
		case m.from == "":
			v.wrongAt(m.size)
			v.report.whole(CodeCheckpoint, "The first %d entries are not those of the checkpoint that was published: the root is %s, published was %s.",
				m.size, root, m.root)
		default:
			v.wrongAt(m.size)
			v.report.whole(CodeFork, "%s remembers another ledger: for the first %d entries it has root %s, here they give %s.",
				m.from, m.size, m.root, root)
		}
	}
}

func (v *verification) wrongAt(size int64) {
	if v.report.FirstWrongSize == 0 || size < v.report.FirstWrongSize {
		v.report.FirstWrongSize = size
	}
}

// findStrays looks for rows that the head does not cover.
func (v *verification) findStrays(ctx context.Context) error {
	for _, r := range [][2]int64{{math.MinInt64, 0}, {v.head.Size, math.MaxInt64}} {
		for e, err := range v.src.Entries(ctx, r[0], r[1]) {
			if err != nil {
				return fmt.Errorf("reading entries beyond the head: %w", err)
			}
			p := Problem{Code: CodeEntryExtra, Index: e.Index}
			p.Text = fmt.Sprintf("Entry %d%s is not covered by the head, which ends before %d: it was added behind the ledger's back, or the head is an old one.",
				e.Index, v.locate(&p, e.Leaf), v.head.Size)
			v.report.add(p)
		}
	}
	return nil
}

// locate fills in where an entry belongs, as far as it can still be read, and says so in brackets.
func (v *verification) locate(p *Problem, leaf []byte) string {
	var g glimpse
	if g.read(leaf) != nil {
		return ""
	}
	p.Stream, p.Seq = string(g.stream), g.seq
	return fmt.Sprintf(" (number %d of %s, %s)", p.Seq, p.Stream, g.typ)
}

// judgeHead compares entries, head row and signed note.
func (v *verification) judgeHead(context.Context) error {
	v.judgeKeys()
	want := v.head.Root
	cp, err := v.keys.open(v.head.Note)
	if err != nil {
		v.report.whole(CodeSignature, "The checkpoint in the head is not one that the ledger's key has signed: %v.", err)
		if cp, err = unverifiedCheckpoint(v.head.Note); err == nil {
			v.report.Origin = cmp.Or(v.report.Origin, cp.Origin)
		}
	} else if cp.Size == v.tree.Size() {
		want = cp.Root
	}
	if err == nil && (cp.Size != v.head.Size || cp.Root != v.head.Root) {
		v.report.whole(CodeHead, "The head row was edited: it says %d entries with root %s, the checkpoint in it %d with root %s.",
			v.head.Size, v.head.Root, cp.Size, cp.Root)
	}
	if v.opt.Origin != "" && v.report.Origin != v.opt.Origin {
		v.report.whole(CodeHead, "This is the ledger %q, not %q.", v.report.Origin, v.opt.Origin)
	}
	v.rootOK = v.tree.Size() == v.head.Size && v.tree.Root() == want
	if v.tree.Size() == v.head.Size && !v.rootOK {
		v.report.whole(CodeRoot, "The %d entries are not those that were signed: they give root %s, the head says %s.",
			v.head.Size, v.tree.Root(), want)
	}
	return nil
}

// judgeKeys decides which key counts. A ledger without entries has no key of its own: then the pinned ones stand for it.
func (v *verification) judgeKeys() {
	if len(v.keys.spans) == 0 {
		for _, p := range v.opt.Keys {
			if k, err := newVerifier(p); err == nil && v.head.Size == 0 {
				v.keys.origin = k.Name()
				v.keys.spans = []keySpan{{vkey: p, verifier: k, after: -1, until: math.MaxInt64}}
			}
		}
	}
	v.report.Origin = v.keys.origin
	v.report.KeyChanges = max(0, len(v.keys.spans)-1)
	if n := len(v.keys.spans); n > 0 {
		v.report.Key = v.keys.spans[n-1].vkey
	}
	v.report.KeyPinned = v.keys.trust(v.opt.Keys)
	if len(v.opt.Keys) > 0 && !v.report.KeyPinned {
		v.report.whole(CodeKey, "None of the keys you pinned has ever belonged to this ledger: it is another one, or it was rewritten from the start.")
	}
}

// judgeCheckpoints checks the signatures of what was published; the roots were compared on the way.
func (v *verification) judgeCheckpoints(ctx context.Context) error {
	for p, err := range v.src.Checkpoints(ctx) {
		if err != nil {
			return fmt.Errorf("reading published checkpoints: %w", err)
		}
		if _, err := v.keys.open(p.Note); err != nil {
			v.report.whole(CodeSignature, "The published checkpoint for %d entries is not signed by the key then in force: %v.", p.Size, err)
		}
	}
	for _, a := range v.opt.Anchors {
		if a.Note == "" {
			continue
		}
		cp, err := v.keys.open([]byte(a.Note))
		if err == nil && cp.Size == a.Size && cp.Root == a.Root {
			continue
		}
		v.report.whole(CodeSignature, "What %s remembers of %d entries is not signed by the key then in force, or about other entries.", a.From, a.Size)
	}
	return nil
}

// judgeDocuments reads each document that entries name.
func (v *verification) judgeDocuments(ctx context.Context) error {
	for hash, idx := range v.policies {
		b, err := v.src.Document(ctx, hash)
		switch {
		case errors.Is(err, ErrNoDocument):
			v.report.add(Problem{
				Code: CodeDocMissing, Index: idx,
				Text: fmt.Sprintf("The policy %s, first named by entry %d, is not there.", hash, idx),
			})
		case err != nil:
			return fmt.Errorf("reading document %s: %w", hash, err)
		case DocumentHash(b) != hash:
			v.report.add(Problem{
				Code: CodeDocChanged, Index: idx,
				Text: fmt.Sprintf("The policy %s, first named by entry %d, was changed: its bytes hash to %s.", hash, idx, DocumentHash(b)),
			})
		}
		v.report.Documents++
	}
	return nil
}
