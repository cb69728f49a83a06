package campaigns

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Sheet is what one reviewer looks at in one run, as its recorded events say.
type Sheet struct {
	ID        workflows.SheetID
	Opened    Opened
	At        workflows.Instant
	Items     []ItemState // in the order of Opened.Items
	Asked     []workflows.PersonID
	since     []workflows.Stamp // when each of them came to be asked
	Looks     []Look
	Lapsed    bool
	LapsedSeq int64
	LapsedAt  workflows.Stamp // zero: it did not
	Closed    *Closed
	Delivered map[string]workflows.Delivery
	Seq       int64
}

// ItemState is an item and what became of it.
type ItemState struct {
	Item
	Number  int // from 1
	Verdict string
	By      workflows.PersonID // empty: nobody answered
	Decided workflows.Instant
	Reason  string
	Scope   []string
	To      string
	After   int64 // seconds between looking and deciding
	Bulk    int   // how many were decided together
	Settled *Settled
}

// Look is somebody who had items before them.
type Look struct {
	Shown
	By workflows.PersonID
	At workflows.Instant
}

// Together is what stands for the digests of several items; of one it is that itself.
func Together(digests []string) string {
	if len(digests) == 1 {
		return digests[0]
	}
	sum := sha256.Sum256([]byte("countersign/sheet/together/v1\x00" + strings.Join(digests, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// Of is Together of some of the items that were looked at; false when one of them was not.
func (l Look) Of(items []int) (string, bool) {
	var out []string
	for _, n := range items {
		i := slices.Index(l.Items, n)
		if i < 0 || i >= len(l.Digests) {
			return "", false
		}
		out = append(out, l.Digests[i])
	}
	return Together(out), len(out) > 0
}

// FoldSheet turns a sheet's history into its state; it refuses gaps, foreign events, verdicts on what was not shown, and verdicts of people who
// were not asked.
func FoldSheet(h []workflows.Record) (Sheet, error) {
	s := Sheet{Delivered: map[string]workflows.Delivery{}}
	if len(h) == 0 {
		return s, workflows.ErrNoStream
	}
	if err := workflows.CheckSeq(h); err != nil {
		return Sheet{}, err
	}
	for _, r := range h {
		if err := s.apply(r); err != nil {
			return Sheet{}, fmt.Errorf("folding %q at seq %d: %w", r.Stream, r.Seq, err)
		}
		s.Seq = r.Seq
	}
	return s, nil
}

func (s *Sheet) apply(r workflows.Record) error {
	if _, opens := r.Event.(Opened); opens != (s.ID == "") {
		return fmt.Errorf("%s out of place", r.Event.Kind())
	}
	switch e := r.Event.(type) {
	case Opened:
		s.ID, s.Opened, s.At, s.Asked = workflows.SheetID(r.Stream.Rest()), e, r.At, []workflows.PersonID{e.Reviewer}
		s.since = []workflows.Stamp{r.At.UTC}
		for i, x := range e.Items {
			s.Items = append(s.Items, ItemState{Item: x, Number: i + 1})
		}
	case Shown:
		if !s.has(e.Items) || len(e.Items) != len(e.Digests) || !slices.Contains(s.Asked, r.Person) {
			return fmt.Errorf("shown to %q, who was not asked, or with items that there are not", r.Person)
		}
		s.Looks = append(s.Looks, Look{e, r.Person, r.At})
	case Decided:
		return s.decided(e, r)
	case Escalated:
		if slices.Contains(s.Asked, e.To) || e.To == "" {
			return fmt.Errorf("escalated to %q, who is asked already", e.To)
		}
		s.Asked, s.since = append(slices.Clip(s.Asked), e.To), append(slices.Clip(s.since), r.At.UTC)
	case Lapsed:
		return s.lapsed(e, r)
	case Settled:
		return s.settled(e)
	case Closed:
		if s.Closed != nil || s.Left() > 0 || len(s.unsettled()) > 0 {
			return fmt.Errorf("closed twice, or with something left to do")
		}
		s.Closed = &e
	case workflows.Refused:
	case workflows.NoticeDelivered:
		s.Delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
	case workflows.NoticeUndelivered:
		s.Delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
	default:
		return fmt.Errorf("%s does not belong to a sheet", r.Event.Kind())
	}
	return nil
}

func (s *Sheet) has(items []int) bool {
	return len(items) > 0 && !slices.ContainsFunc(items, func(n int) bool { return n < 1 || n > len(s.Items) })
}

func (s *Sheet) decided(e Decided, r workflows.Record) error {
	switch {
	case !s.has(e.Items) || !slices.Contains(s.Asked, r.Person):
		return fmt.Errorf("decided by %q, who was not asked, or on items that there are not", r.Person)
	case !slices.Contains(Verdicts(), e.Verdict):
		return fmt.Errorf("the verdict %q is none", e.Verdict)
	case !s.lookedAt(r.Person, e.Shown, e.Items):
		return fmt.Errorf("decided on what %q was not shown", r.Person)
	}
	s.Items = slices.Clone(s.Items)
	for _, n := range e.Items {
		x := &s.Items[n-1]
		if x.Verdict != "" {
			return fmt.Errorf("item %d was decided already", n)
		}
		if len(e.Items) > 1 && e.Verdict == Keep && !x.Safe() {
			return fmt.Errorf("item %d was kept together with others, and wants to be looked at by itself", n)
		}
		if !s.Opened.Self && x.Owner == string(r.Person) {
			return fmt.Errorf("item %d was decided by its owner", n)
		}
		x.Verdict, x.By, x.Decided, x.Reason, x.Scope, x.To, x.After, x.Bulk = e.Verdict, r.Person, r.At, e.Reason, e.Scope, e.To, e.After, len(e.Items)
	}
	return nil
}

// lookedAt tells whether somebody was shown these items in one look of that digest.
func (s *Sheet) lookedAt(p workflows.PersonID, digest string, items []int) bool {
	_, ok := s.look(p, digest, items)
	return ok
}

// LastLook is the latest look of somebody in which all these items were before them.
func (s *Sheet) LastLook(p workflows.PersonID, items []int) (Look, bool) {
	for _, l := range slices.Backward(s.Looks) {
		if l.By == p && !slices.ContainsFunc(items, func(n int) bool { return !slices.Contains(l.Items, n) }) {
			return l, true
		}
	}
	return Look{}, false
}

func (s *Sheet) look(p workflows.PersonID, digest string, items []int) (Look, bool) {
	for _, l := range slices.Backward(s.Looks) {
		if got, ok := l.Of(items); ok && l.By == p && got == digest {
			return l, true
		}
	}
	return Look{}, false
}

func (s *Sheet) lapsed(e Lapsed, r workflows.Record) error {
	if s.Lapsed || !s.has(e.Items) || !slices.Contains([]string{Revoke, Suspend, None}, e.Verdict) {
		return fmt.Errorf("lapsed twice, or into %q", e.Verdict)
	}
	s.Lapsed, s.LapsedSeq, s.LapsedAt, s.Items = true, r.Seq, r.At.UTC, slices.Clone(s.Items)
	for _, n := range e.Items {
		if x := &s.Items[n-1]; x.Verdict == "" {
			x.Verdict, x.Decided = e.Verdict, r.At
		}
	}
	return nil
}

func (s *Sheet) settled(e Settled) error {
	if !s.has([]int{e.Item}) || s.Items[e.Item-1].Verdict == "" || s.Items[e.Item-1].Settled != nil {
		return fmt.Errorf("item %d settled, which is not decided, or was settled already", e.Item)
	}
	s.Items = slices.Clone(s.Items)
	s.Items[e.Item-1].Settled = &e
	return nil
}

// AskedSince is when somebody came to be asked; zero: they are not.
func (s *Sheet) AskedSince(p workflows.PersonID) workflows.Stamp {
	if i := slices.Index(s.Asked, p); i >= 0 {
		return s.since[i]
	}
	return 0
}

// ToldAt is the latest message that somebody got about the sheet; the zero value: none.
func (s *Sheet) ToldAt(p workflows.PersonID) workflows.Delivery {
	var last workflows.Delivery
	for id, d := range s.Delivered {
		if d.OK && strings.HasSuffix(id, "/"+string(p)) && d.At.UTC > last.At.UTC {
			last = d
		}
	}
	return last
}

// Left is how many items nobody has decided.
func (s *Sheet) Left() int {
	n := 0
	for _, x := range s.Items {
		if x.Verdict == "" {
			n++
		}
	}
	return n
}

// Open are the numbers of the items that nobody has decided.
func (s *Sheet) Open() []int {
	var out []int
	for _, x := range s.Items {
		if x.Verdict == "" {
			out = append(out, x.Number)
		}
	}
	return out
}

func (s *Sheet) unsettled() []ItemState {
	return slices.DeleteFunc(slices.Clone(s.Items), func(x ItemState) bool { return x.Verdict == "" || x.Settled != nil })
}

// Counts is what the items say together.
func (s *Sheet) Counts() Counts {
	var c Counts
	for _, x := range s.Items {
		if x.Verdict == "" {
			continue
		}
		if x.By == "" {
			c.Silent++
		}
		if x.Settled != nil && x.Settled.How == HowFailed {
			c.Failed++
			continue
		}
		if x.Settled != nil && x.Settled.How == HowOverruled {
			c.Overruled++
			continue
		}
		if x.Settled != nil && x.Settled.Proof == "declared" {
			c.Unverified++
		}
		switch x.Verdict {
		case Keep:
			c.Kept++
		case Narrow:
			c.Narrowed++
		case ToJIT:
			c.Converted++
		case HandOver:
			c.HandedOver++
		case Revoke:
			c.Revoked++
		case Suspend:
			c.Suspended++
		}
	}
	return c
}

// NarrowBy is until when a scope is to be narrowed, before the identity is suspended.
func (x ItemState) NarrowBy() workflows.Stamp { return x.Decided.UTC.Add(narrowWithin) }

// SilenceVerdict is what follows for an item that nobody answers for.
func SilenceVerdict(silence string, x Item) string {
	switch {
	case silence == workflows.SilenceRevoke && x.Of != workflows.CampaignRunbooks:
		return Revoke
	case silence == workflows.SilenceSuspend && x.Of == workflows.CampaignIdentities:
		return Suspend
	case silence == workflows.SilenceSuspend && x.Of == workflows.CampaignAccess:
		return Revoke // access cannot be suspended, only taken away
	}
	return None // the text of a runbook is not taken away by silence: an emergency may need it
}

// Tick does what the deadlines of a sheet demand now.
func Tick(f workflows.Facts, stream workflows.StreamID) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := FoldSheet(f.Histories[stream])
	if err != nil || s.Closed != nil || s.Left() == 0 {
		return out, err
	}
	now := f.Now.UTC
	if o := s.Opened; o.AskAt != 0 && now >= o.AskAt && o.AskToo != "" && !slices.Contains(s.Asked, o.AskToo) {
		out.Add(stream, workflows.System, "", Escalated{To: o.AskToo})
	}
	if now >= s.Opened.DueAt && !s.Lapsed {
		groups := map[string][]int{}
		for _, n := range s.Open() {
			v := SilenceVerdict(s.Opened.Silence, s.Items[n-1].Item)
			groups[v] = append(groups[v], n)
		}
		for _, v := range []string{Revoke, Suspend, None} { // one sheet looks at one kind of thing, so that one of them holds all
			if len(groups[v]) > 0 {
				out.Add(stream, workflows.System, "", Lapsed{Items: groups[v], Verdict: v})
				break
			}
		}
	}
	return out, nil
}

// NextWake is the next moment at which Tick may do something, or another reminder is owed; zero: none.
func NextWake(s Sheet) workflows.Stamp {
	if s.Closed != nil || s.Left() == 0 || s.Lapsed {
		return 0
	}
	next := s.Opened.DueAt
	if o := s.Opened; o.AskAt != 0 && o.AskToo != "" && !slices.Contains(s.Asked, o.AskToo) {
		next = min(next, o.AskAt)
	}
	return next
}

// PendingSheet is everything a sheet still owes to the world.
func PendingSheet(s Sheet) []workflows.Job {
	var out []workflows.Job
	if at := NextWake(s); at != 0 {
		out = append(out, workflows.Job{Kind: workflows.JobWake, Key: "wake", Due: at})
	}
	todo := s.unsettled()
	for _, x := range todo {
		out = append(out, workflows.Job{Kind: JobSettle, Key: fmt.Sprint(x.Number)})
	}
	if s.Closed == nil && s.Left() == 0 && len(todo) == 0 {
		out = append(out, workflows.Job{Kind: JobClose, Key: "close"})
	}
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

// Notices are the messages that are still owed: to each who is asked one at the beginning and one for each reminder, while something is left; and
// to security what nobody answered for.
func (s Sheet) Notices() []workflows.Notice {
	var out []workflows.Notice
	owe := func(n workflows.Notice) {
		if _, done := s.Delivered[n.ID]; !done {
			out = append(out, n)
		}
	}
	if s.Lapsed {
		for _, p := range s.Opened.Security {
			owe(workflows.Notice{ID: NoticeSilent + "/" + string(p), What: NoticeSilent, To: p})
		}
		return out
	}
	if s.Left() == 0 || s.Closed != nil {
		return out
	}
	for i, p := range s.Asked {
		first := s.Opened.TellAt
		if i > 0 {
			first = s.Opened.AskAt
		}
		owe(workflows.Notice{ID: NoticeSheet + "/" + string(p), What: NoticeSheet, To: p, Due: first})
		for k, at := range s.Opened.RemindAt {
			if at > first && at < s.Opened.DueAt {
				owe(workflows.Notice{ID: fmt.Sprintf("%s/%d/%s", NoticeRemind, k+1, p), What: NoticeRemind, To: p, Due: at})
			}
		}
	}
	return out
}

// FindNotice gives an owed notice by its id; false when it is delivered or no longer owed.
func (s Sheet) FindNotice(id string) (workflows.Notice, bool) {
	for _, n := range s.Notices() {
		if n.ID == id {
			return n, true
		}
	}
	return workflows.Notice{}, false
}

// SheetListings are the lists a sheet stands on.
func SheetListings(s Sheet) []workflows.Listing {
	at := int64(s.At.UTC)
	out := []workflows.Listing{{List: ListRun, Member: string(s.Opened.Run), Sort: at}}
	for _, p := range s.Asked {
		if d := s.ToldAt(p); d.OK {
			out = append(out, workflows.Listing{List: ListTold, Member: string(p), Sort: int64(d.At.UTC)})
		}
	}
	if s.Closed != nil || s.Left() == 0 {
		return out
	}
	out = append(out, workflows.Listing{List: ListSheets, Sort: at})
	for _, p := range s.Asked {
		out = append(out, workflows.Listing{List: ListSheets, Member: string(p), Sort: at})
	}
	return out
}

// RubberStamp is how soon after looking a verdict on several items counts as not having been looked at: nobody reads an item in less.
const RubberStamp = 2 * time.Second
