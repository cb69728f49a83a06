package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Deciding again: the signatures show that nobody changed the entries since, not that the program was right when it wrote them, nor that
// whoever held the key wrote only what was decided. So every request, grant, runbook and review is folded through the engine, and
// each decision is held against the document that it names: the compiled policy, decoded from JSON, without YAML or expressions.

// replayed is what deciding everything again found.
type replayed struct {
	Streams   int      `json:"streams"`
	Requests  int      `json:"requests"`
	Decisions int      `json:"decisions"`          // entries held against the document recorded for them
	Policies  int      `json:"policies"`           // those documents
	Payloads  int      `json:"payloads"`           // raw deliveries that are still kept, compared with the decisions made of them
	Wrong     int      `json:"wrong"`              // everything that was found
	Problems  []string `json:"problems,omitempty"` // the first replayTrouble of it, by entry
	Custody   *madeBy  `json:"custody,omitempty"`  // of a bundle
	ToCome    int      `json:"to_come,omitempty"`  // streams that lack rows which the program that wrote them last did not keep

	Depth *store.Depth `json:"depth,omitempty"` // what lies beside the entries; only of a live ledger
	gaps  []string     // entries that were lost, in words

	found []finding
}

// finding is one thing that does not follow, and the entry it begins at; a finding about rows beside the ledger stands behind those.
type finding struct {
	index int64
	text  string
}

const (
	replayStep    = 2000    // entries read at once
	replayTrouble = 50      // problems named
	replayFound   = 100_000 // problems kept until they are put in order: a ledger that is wrong throughout must not eat the memory
	noEntry       = -1
)

func (r *replayed) say(format string, args ...any) { r.add(noEntry, fmt.Sprintf(format, args...)) }

func (r *replayed) add(index int64, text string) {
	if r.Wrong++; len(r.found) < replayFound {
		r.found = append(r.found, finding{index, text})
	}
}

// finish puts what was found in the order of the ledger: the first entry that is wrong is what people ask for.
func (r *replayed) finish() {
	sort.SliceStable(r.found, func(i, j int) bool { return uint64(r.found[i].index) < uint64(r.found[j].index) })
	for _, f := range r.found[:min(len(r.found), replayTrouble)] {
		r.Problems = append(r.Problems, f.text)
	}
	r.found = nil
}

// isPayload tells whether a stored delivery is the one of a digest: without what opens doors, as it is kept, or as it came in ledgers of the
// first release.
func isPayload(body []byte, want string) bool {
	scrubbed, raw := sha256.Sum256(slack.Scrub(body)), sha256.Sum256(body)
	return hex.EncodeToString(scrubbed[:]) == want || hex.EncodeToString(raw[:]) == want
}

func (r *replayed) writeText(w io.Writer) error {
	fmt.Fprintf(w, "  replayed     %d streams, %d of them requests, through the engine\n", r.Streams, r.Requests)
	fmt.Fprintf(w, "  decisions    %d held against the %s recorded for them\n", r.Decisions, howMany(r.Policies, "document"))
	if r.Payloads > 0 {
		fmt.Fprintf(w, "  deliveries   %d that decisions were made of are still kept and compared\n", r.Payloads)
	}
	r.Custody.writeText(w)
	r.writeDepth(w)
	if r.ToCome > 0 {
		fmt.Fprintf(w, "  to come      rows of %s, which an earlier program wrote and kept no such rows for: the bot makes them after its next start\n", howMany(r.ToCome, "stream"))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "  WRONG        %s\n", p)
	}
	if more := r.Wrong - len(r.Problems); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
	return nil
}

// count notes a stream that was folded.
func (r *replayed) count(s workflows.StreamID) {
	r.Streams++
	if s.Kind() == workflows.KindRequest {
		r.Requests++
	}
}

// chronicle is where a replay reads: a ledger up to one size, in a store or a bundle.
type chronicle interface {
	history(ctx context.Context, s workflows.StreamID) ([]workflows.Record, error)
	document(ctx context.Context, h workflows.DocHash) ([]byte, error)
}

// past is what a decision may lean on beside its own stream: which documents were in force, which account was whose, who owned what.
type past struct {
	order  []workflows.StreamID // by first entry
	seen   map[workflows.StreamID]bool
	loads  []inForce
	links  map[workflows.ActorID][]link
	owners map[workflows.IdentityID][]owners

	sessions map[workflows.ActorID][]session

	lives  map[workflows.IdentityID]*identities.IdentityState // as far as the entries were read
	stands map[workflows.PersonID][]link                      // who was named to decide in somebody's place

	watches map[workflows.IdentityID][]demand

	since int64 // the first entry of a program that follows today's rules; neverStarted: none
}

// demand is a finding of watching that wants a stronger chain.
type demand struct {
	identities.Watched
	index int64
	at    workflows.Stamp
}

type inForce struct {
	from   int64
	loaded workflows.PolicyLoaded
}

type link struct {
	from   int64
	person workflows.PersonID
}

// session is a workload that proved to be an identity, with the person who answered for it then.
type session struct {
	from     int64
	person   workflows.PersonID
	identity workflows.IdentityID
}

type owners struct {
	from          int64
	owner, backup workflows.PersonID
}

func newPast() *past {
	return &past{
		seen: map[workflows.StreamID]bool{}, links: map[workflows.ActorID][]link{}, sessions: map[workflows.ActorID][]session{}, owners: map[workflows.IdentityID][]owners{},
		lives:  map[workflows.IdentityID]*identities.IdentityState{},
		stands: map[workflows.PersonID][]link{}, watches: map[workflows.IdentityID][]demand{},
		since: neverStarted,
	}
}

func (p *past) passes(s workflows.StreamID) {
	if !p.seen[s] {
		p.seen[s] = true
		p.order = append(p.order, s)
	}
}

func (p *past) note(r workflows.Record) {
	switch e := r.Event.(type) {
	case store.InstanceStarted:
		if e.Rules >= rulesNow {
			p.since = min(p.since, r.Index)
		}
	case workflows.PolicyLoaded:
		p.loads = append(p.loads, inForce{r.Index, e})
	case identities.Linked:
		p.links[e.Account] = append(p.links[e.Account], link{r.Index, workflows.PersonID(r.Stream.Rest())})
	case identities.Watched:
		id := workflows.IdentityID(r.Stream.Rest())
		p.watches[id] = append(p.watches[id], demand{e, r.Index, r.At.UTC})
	case identities.Authenticated:
		id := workflows.IdentityID(r.Stream.Rest())
		p.sessions[r.Actor] = append(p.sessions[r.Actor], session{r.Index, r.Person, id})
	case identities.Away:
		if away := workflows.PersonID(r.Stream.Rest()); e.Delegate != "" {
			p.stands[away] = append(p.stands[away], link{r.Index, e.Delegate})
		}
	}
	if r.Stream.Kind() == workflows.KindIdentity {
		p.noteOwner(r)
	}
}

// noteOwner follows who answers for an identity, as all its sources together say. An entry that does not follow from those before it is named
// when its stream is judged.
func (p *past) noteOwner(r workflows.Record) {
	id := workflows.IdentityID(r.Stream.Rest())
	s := p.lives[id]
	if s == nil {
		s = new(identities.IdentityState)
		p.lives[id] = s
	}
	if s.Apply(r) != nil {
		return
	}
	e := s.Entry()
	now := owners{r.Index, workflows.PersonID(e.Owner), workflows.PersonID(e.Backup)}
	if n := len(p.owners[id]); n == 0 || p.owners[id][n-1].owner != now.owner || p.owners[id][n-1].backup != now.backup {
		p.owners[id] = append(p.owners[id], now)
	}
}

// notable are the types of entries that note looks at.
var notable = [...]string{
	store.InstanceStarted{}.Kind(), workflows.PolicyLoaded{}.Kind(), identities.Linked{}.Kind(), identities.Registered{}.Kind(), identities.Away{}.Kind(), identities.Authenticated{}.Kind(), identities.Watched{}.Kind(),
	identities.Removed{}.Kind(), identities.Claimed{}.Kind(), identities.Vanished{}.Kind(), identities.HandoverOpened{}.Kind(),
	identities.HandoverWidened{}.Kind(), identities.HandoverAnswered{}.Kind(), identities.HandoverLapsed{}.Kind(),
	identities.RetirementOpened{}.Kind(), identities.Renewed{}.Kind(), identities.RotationOpened{}.Kind(), identities.RotationClosed{}.Kind(),
}

// loaded gives the documents in force just before an entry.
func (p *past) loaded(before int64) (workflows.PolicyLoaded, bool) {
	i := sort.Search(len(p.loads), func(i int) bool { return p.loads[i].from >= before })
	if i == 0 {
		return workflows.PolicyLoaded{}, false
	}
	return p.loads[i-1].loaded, true
}

// linked tells whether the account belonged to the person before an entry.
func (p *past) linked(a workflows.ActorID, who workflows.PersonID, before int64) bool {
	return slices.ContainsFunc(p.links[a], func(l link) bool { return l.person == who && l.from < before })
}

// workload tells whether the account was that of a workload that had proved to be an identity, for which the person answered.
func (p *past) workload(a workflows.ActorID, who workflows.PersonID, before int64) (workflows.IdentityID, bool) {
	for _, x := range slices.Backward(p.sessions[a]) {
		if x.from < before && x.person == who && p.owned(x.identity, who, x.from) {
			return x.identity, true
		}
	}
	return "", false
}

// delegate tells whether somebody had named the other one, before an entry, to decide in their place.
func (p *past) delegate(away, other workflows.PersonID, before int64) bool {
	return slices.ContainsFunc(p.stands[away], func(l link) bool { return l.person == other && l.from < before })
}

// owned tells whether the person owned or backed up the identity, as its last entry before that one says.
func (p *past) owned(id workflows.IdentityID, who workflows.PersonID, before int64) bool {
	for _, o := range slices.Backward(p.owners[id]) {
		if o.from < before {
			// Who was of a team then was asked of the world: the entry is the witness.
			team := strings.HasPrefix(string(o.owner), identities.GroupPrefix) || strings.HasPrefix(string(o.backup), identities.GroupPrefix)
			return who != "" && (who == o.owner || who == o.backup || team)
		}
	}
	return false
}

// kindsDecided are the streams on which something is decided.
var kindsDecided = [...]string{
	workflows.KindRequest, workflows.KindGrant, workflows.KindReview, workflows.KindRunbook, workflows.KindRun, workflows.KindCampaign, workflows.KindSheet, workflows.KindIncident, workflows.KindEscalation, workflows.KindTarget, workflows.KindPolicy, workflows.KindPerson, workflows.KindIdentity,
	custody.KindCustody,
}

func decided(s workflows.StreamID) bool { return slices.Contains(kindsDecided[:], s.Kind()) }

// storeChronicle reads a live store up to a size: what is appended meanwhile is for the next verification.
type storeChronicle struct {
	s    *store.Store
	size int64
}

func (c storeChronicle) history(ctx context.Context, s workflows.StreamID) ([]workflows.Record, error) {
	h, err := c.s.History(ctx, s)
	n := sort.Search(len(h), func(i int) bool { return h[i].Index >= c.size })
	return h[:n], err
}

func (c storeChronicle) document(ctx context.Context, h workflows.DocHash) ([]byte, error) {
	d, err := c.s.Document(ctx, h)
	return d.Bytes, err
}

// replayAll folds every stream through the engine (which refuses an approval without its quorum), holds every decision against its
// document, and compares the lists that people read with what the fold says they must be.
func replayAll(ctx context.Context, s *store.Store) (replayed, error) {
	var out replayed
	head, err := s.Head(ctx)
	if err != nil {
		return out, err
	}
	p := newPast()
	for from := int64(0); from < head.Size; from += replayStep {
		records, err := s.Entries(ctx, from, min(from+replayStep, head.Size))
		if err != nil {
			return out, err
		}
		for _, r := range records {
			p.passes(r.Stream)
			p.note(r)
			if err := out.payload(ctx, s, r); err != nil {
				return out, err
			}
		}
	}
	j := newJudge(storeChronicle{s, head.Size}, p, &out)
	for _, stream := range p.order {
		if err := out.live(ctx, s, j, stream); err != nil {
			return out, err
		}
	}
	out.finish()
	return out, nil
}

// live judges one stream of a store, and the rows beside it.
func (r *replayed) live(ctx context.Context, s *store.Store, j *judge, stream workflows.StreamID) error {
	r.count(stream)
	before := r.Wrong
	if err := j.stream(ctx, stream); err != nil || r.Wrong > before {
		return err // rows beside a stream that does not hold mean nothing
	}
	what, later, err := astray(ctx, s, stream, func() (int64, error) { return j.past.since, nil })
	switch {
	case later:
		r.ToCome++
	case what != "":
		r.say("%s: %s", stream, what)
	}
	return err
}

// payload compares the digest in a decision with the raw delivery it was made of, while that is kept: what the person's client sent.
func (r *replayed) payload(ctx context.Context, s *store.Store, rec workflows.Record) error {
	want := ""
	switch e := rec.Event.(type) {
	case workflows.VoteRecorded:
		want = e.Payload
	case incidents.Invoked:
		want = e.Payload
	}
	row, ok := strings.CutPrefix(rec.Cause, "inbox/")
	id, err := strconv.ParseInt(row, 10, 64)
	if want == "" || !ok || err != nil {
		return nil
	}
	in, err := s.Received(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // its thirty days are over; the digest stays
	}
	if err != nil {
		return err
	}
	r.Payloads++
	if !isPayload(in.Body, want) {
		r.add(rec.Index, fmt.Sprintf("entry %d of %s: the delivery %s is kept, but is not the one that was decided on", rec.Index, rec.Stream, rec.Cause))
	}
	return nil
}

// bundleChronicle reads a bundle: the places of each stream's entries, 8 bytes each, and the runs of entries it has seen last. Texts stay
// closed: an engine that decided by them would fail here.
type bundleChronicle struct {
	near   *nearby
	places map[workflows.StreamID][]int64
}

func (c bundleChronicle) history(ctx context.Context, s workflows.StreamID) ([]workflows.Record, error) {
	h := make([]workflows.Record, 0, len(c.places[s]))
	for _, i := range c.places[s] {
		leaf, err := c.near.leaf(ctx, i)
		if err != nil {
			return nil, broken(err)
		}
		r, err := c.near.e.dec.Record(i, leaf, nil)
		if err != nil {
			return nil, unreadable{err}
		}
		h = append(h, r)
	}
	return h, nil
}

func (c bundleChronicle) document(ctx context.Context, h workflows.DocHash) ([]byte, error) {
	return c.near.e.src.Document(ctx, string(h))
}

// unreadable is an entry that does not decode: a finding, where a disk that does not read is an error.
type unreadable struct{ error }

// replay decides everything in a bundle again, as replayAll does for the store.
func (e *evidence) replay(ctx context.Context) (out replayed, err error) {
	out.Custody = e.made
	c := bundleChronicle{&nearby{e: e, bundles: map[int64][][]byte{}}, map[workflows.StreamID][]int64{}}
	p := newPast()
	size, err := e.size(ctx)
	if err != nil {
		return out, err
	}
	for x, err := range e.src.Entries(ctx, 0, size) {
		if err != nil {
			return out, broken(err)
		}
		l, err := ledger.Decode(x.Leaf)
		if err != nil {
			out.add(x.Index, fmt.Sprintf("entry %d cannot be read: %v", x.Index, err))
			continue
		}
		s := workflows.StreamID(l.Stream)
		p.passes(s)
		c.places[s] = append(c.places[s], x.Index)
		if slices.Contains(notable[:], l.Type) {
			if r, err := e.dec.Record(x.Index, x.Leaf, nil); err == nil {
				p.note(r)
			}
		}
	}
	j := newJudge(c, p, &out)
	for _, s := range p.order {
		out.count(s)
		if err := j.stream(ctx, s); err != nil {
			return out, err
		}
	}
	out.finish()
	return out, nil
}
