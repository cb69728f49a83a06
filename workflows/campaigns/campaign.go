package campaigns

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// State is all runs of one campaign as its recorded events say.
type State struct {
	Name      string
	Planned   *Planned
	Since     workflows.Stamp // when the schedule began to count
	Last      workflows.Stamp // the latest time of the schedule that a run began for
	Runs      []Run
	Delivered map[string]workflows.Delivery
	Seq       int64
}

// Run is one holding of a campaign.
type Run struct {
	Begun
	At      workflows.Instant
	By      workflows.PersonID
	Done    map[workflows.SheetID]Counts
	Ended   *Ended
	EndedAt workflows.Instant
	Signed  []Signature
}

// Signature is somebody of management who acknowledged the outcome.
type Signature struct {
	By   workflows.PersonID
	Note string
	At   workflows.Instant
}

// Fold turns the history of a campaign into its state; it refuses gaps and foreign events.
func Fold(h []workflows.Record) (State, error) {
	s := State{Delivered: map[string]workflows.Delivery{}}
	if len(h) == 0 {
		return s, nil
	}
	if err := workflows.CheckSeq(h); err != nil {
		return State{}, err
	}
	s.Name = h[0].Stream.Rest()
	for _, r := range h {
		if err := s.apply(r); err != nil {
			return State{}, fmt.Errorf("folding %q at seq %d: %w", r.Stream, r.Seq, err)
		}
		s.Seq = r.Seq
	}
	return s, nil
}

func (s *State) apply(r workflows.Record) error {
	switch e := r.Event.(type) {
	case Planned:
		s.Planned, s.Since = &e, r.At.UTC
	case Begun:
		if s.run(e.Run) != nil || s.Open() != nil {
			return fmt.Errorf("run %q begins twice, or while another is under way", e.Run)
		}
		run := Run{Begun: e, At: r.At, By: r.Person, Done: map[workflows.SheetID]Counts{}}
		s.Runs = append(s.Runs, run)
		s.Last = max(s.Last, e.Scheduled)
	case SheetDone:
		run := s.run(e.Run)
		if run == nil || run.Ended != nil || !run.has(e.Sheet) {
			return fmt.Errorf("sheet %q is done, which is none of run %q", e.Sheet, e.Run)
		}
		if _, twice := run.Done[e.Sheet]; twice {
			return fmt.Errorf("sheet %q is done twice", e.Sheet)
		}
		run.Done[e.Sheet] = e.Counts
	case Ended:
		run := s.run(e.Run)
		if run == nil || run.Ended != nil || len(run.Done) < len(run.Sheets) {
			return fmt.Errorf("run %q ended twice, or with sheets open", e.Run)
		}
		run.Ended, run.EndedAt = &e, r.At
	case Acknowledged:
		run := s.run(e.Run)
		if run == nil || run.Ended == nil || !slices.Contains(run.Plan.Acknowledge, r.Person) {
			return fmt.Errorf("run %q acknowledged before its end, or by somebody who is not to", e.Run)
		}
		run.Signed = append(run.Signed, Signature{r.Person, e.Note, r.At})
	case workflows.Refused:
	case workflows.NoticeDelivered:
		s.Delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
	case workflows.NoticeUndelivered:
		s.Delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
	default:
		return fmt.Errorf("%s does not belong to a campaign", r.Event.Kind())
	}
	return nil
}

func (s *State) run(id workflows.CampaignID) *Run {
	for i := range s.Runs {
		if s.Runs[i].Run == id {
			return &s.Runs[i]
		}
	}
	return nil
}

func (r *Run) has(id workflows.SheetID) bool {
	return slices.ContainsFunc(r.Sheets, func(x SheetRef) bool { return x.Sheet == id })
}

// Run finds a run; false when there is none of that id. The empty id is the latest.
func (s *State) Run(id workflows.CampaignID) (Run, bool) {
	if id == "" && len(s.Runs) > 0 {
		return s.Runs[len(s.Runs)-1], true
	}
	if r := s.run(id); r != nil {
		return *r, true
	}
	return Run{}, false
}

// Open is the run under way; nil when none is.
func (s *State) Open() *Run {
	if n := len(s.Runs); n > 0 && s.Runs[n-1].Ended == nil {
		return &s.Runs[n-1]
	}
	return nil
}

// Total is what the sheets that are done say together.
func (r *Run) Total() Counts {
	var out Counts
	for _, c := range r.Done {
		out.add(c)
	}
	return out
}

// Plus is both together.
func (c Counts) Plus(o Counts) Counts {
	c.add(o)
	return c
}

func (c *Counts) add(o Counts) {
	c.Kept, c.Narrowed, c.Converted, c.HandedOver = c.Kept+o.Kept, c.Narrowed+o.Narrowed, c.Converted+o.Converted, c.HandedOver+o.HandedOver
	c.Revoked, c.Suspended, c.Silent = c.Revoked+o.Revoked, c.Suspended+o.Suspended, c.Silent+o.Silent
	c.Unverified, c.Failed, c.Overruled = c.Unverified+o.Unverified, c.Failed+o.Failed, c.Overruled+o.Overruled
}

// Plan records since when a schedule counts, if it is another one than before.
func Plan(f workflows.Facts, name string, p Planned) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.CampaignStream(name)
	s, err := Fold(f.Histories[stream])
	if err == nil && (s.Planned == nil || *s.Planned != p) {
		out.Add(stream, workflows.System, "", p)
	}
	return out, err
}

// Beginning is a run about to begin, with everything that was asked of the world.
type Beginning struct {
	By      workflows.Acting // workflows.System: the schedule
	May     bool             // whoever begins it may: security, an owner of the product
	Begun   Begun            // its sheets are open already
	Channel string
}

// Begin starts a run. With nothing to look at it is over at once, and nobody is troubled. A time of the schedule begins one run.
func Begin(f workflows.Facts, name string, b Beginning) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.CampaignStream(name)
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	scheduled := b.Begun.Scheduled != 0
	switch {
	case scheduled && (b.Begun.Scheduled <= s.Last || s.Open() != nil):
		return out, nil
	case !scheduled && !b.May:
		return workflows.RefuseOn(workflows.SystemStream, b.By, "begin a campaign", b.Channel, name, workflows.Refuse(workflows.CodeNotYours, "Security and owners of Countersign begin a campaign.", "Ask one of them.")), nil
	case s.Open() != nil:
		return workflows.RefuseOn(stream, b.By, "begin a campaign", b.Channel, "", workflows.Refuse(workflows.CodeAsked, "This campaign is under way already.", "countersign identities campaign show "+name+" says how far it is.")), nil
	}
	out.Add(stream, b.By, "", b.Begun)
	if len(b.Begun.Sheets) == 0 {
		out.Add(stream, workflows.System, "", Ended{Run: b.Begun.Run})
	}
	return out, nil
}

// OpenSheet gives a reviewer their sheet. One that is there stays as it is: what is repeated after a crash changes nothing.
func OpenSheet(f workflows.Facts, o Opened, id workflows.SheetID) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.SheetStream(id)
	switch {
	case len(f.Histories[stream]) > 0:
		return out, nil
	case len(o.Items) == 0 || len(o.Items) > MaxItems || o.Reviewer == "":
		return out, fmt.Errorf("opening sheet %q: %d items for %q", id, len(o.Items), o.Reviewer)
	}
	out.Add(stream, workflows.System, "", o)
	return out, nil
}

// Signing is somebody about to acknowledge the outcome of a run.
type Signing struct {
	By       workflows.Acting
	Standing workflows.Standing
	Run      workflows.CampaignID
	Note     string
	Authn    string
	Channel  string
}

// Acknowledge records management's word on a run that is over.
func Acknowledge(f workflows.Facts, name string, a Signing) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.CampaignStream(name)
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	run, ok := s.Run(a.Run)
	no := a.Standing.Refusal()
	switch {
	case no != nil:
	case !ok || !slices.Contains(run.Plan.Acknowledge, a.By.Person):
		no = workflows.Unknown()
	case run.Ended == nil:
		no = workflows.Refuse(workflows.CodeNotActive, "This run is not over yet: its outcome is not known.", "countersign identities campaign show "+name+" says what is left.")
	case slices.ContainsFunc(run.Signed, func(x Signature) bool { return x.By == a.By.Person }):
		no = workflows.Refuse(workflows.CodeDecided, "You have acknowledged this already.", "")
	case utf8.RuneCountInString(a.Note) > workflows.MaxReason:
		no = workflows.Refusef(workflows.CodeTooLong, "", "A note has at most %d characters.", workflows.MaxReason)
	}
	if no != nil {
		on := stream
		if !ok {
			on = workflows.SystemStream
		}
		return workflows.RefuseOn(on, a.By, "acknowledge", a.Channel, "", no), nil
	}
	out.Add(stream, a.By, "", Acknowledged{Run: run.Run, Note: strings.TrimSpace(a.Note), Authn: a.Authn, Channel: a.Channel})
	return out, nil
}

// Job kinds.
const (
	JobSettle = "sheet.settle" // carry a verdict out; the key is the item
	JobClose  = "sheet.close"  // every item is settled: tell the campaign
)

// Notices of campaigns.
const (
	NoticeOutcome = "campaign_outcome" // to those who acknowledge, and the channel of alarms
	NoticeSheet   = "sheet"            // to a reviewer: this waits for you
	NoticeRemind  = "sheet_remind"
	NoticeSilent  = "sheet_silent" // to security: nobody answered for these
)

// Pending is what a campaign owes: telling the outcome of its latest run.
func Pending(s State) []workflows.Job {
	var out []workflows.Job
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

// Notices are the messages that are still owed.
func (s State) Notices() []workflows.Notice {
	var out []workflows.Notice
	if len(s.Runs) == 0 {
		return nil
	}
	r := s.Runs[len(s.Runs)-1]
	if r.Ended == nil || r.Items == 0 {
		return nil
	}
	owe := func(n workflows.Notice) {
		if _, done := s.Delivered[n.ID]; !done {
			out = append(out, n)
		}
	}
	for _, p := range r.Plan.Acknowledge {
		owe(workflows.Notice{ID: NoticeOutcome + "/" + string(r.Run) + "/" + string(p), What: NoticeOutcome, To: p})
	}
	if r.Alarm != "" {
		owe(workflows.Notice{ID: NoticeOutcome + "/" + string(r.Run) + "/", What: NoticeOutcome, Channel: r.Alarm})
	}
	return out
}

// FindNotice gives an owed notice by its id; false when it is delivered or no longer owed.
func (s State) FindNotice(id string) (workflows.Notice, bool) {
	for _, n := range s.Notices() {
		if n.ID == id {
			return n, true
		}
	}
	return workflows.Notice{}, false
}

// The lists of campaigns.
const (
	ListCampaigns = "campaigns"
	ListSheets    = "sheets.open" // member: a reviewer, "" for all
	ListRun       = "sheets.run"  // member: the run
	ListTold      = "sheets.told" // member: somebody who got a message about it; the latest message first
)

// Listings are the lists the campaign stands on.
func Listings(s State) []workflows.Listing {
	return []workflows.Listing{{List: ListCampaigns, Sort: int64(max(s.Since, s.Last))}}
}
