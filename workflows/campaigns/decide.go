package campaigns

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// Looking is somebody who opens a page of their sheet.
type Looking struct {
	By       workflows.Acting
	Standing workflows.Standing
	Items    []int    // what is on the page
	Digests  []string // of what each of them says
	Channel  string
}

// Show records that somebody has items before them. The same page again is no news.
func Show(f workflows.Facts, id workflows.SheetID, l Looking) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.SheetStream(id)
	s, no, err := sheetFor(f, id, l.By, l.Standing)
	if err != nil || no != nil {
		return refused(no, "look", stream, id, l.By, l.Channel), err
	}
	if !s.has(l.Items) || len(l.Items) > MaxPage || len(l.Digests) != len(l.Items) {
		return refused(workflows.Refusef(workflows.CodeBadField, "", "A page has 1 to %d items of the sheet.", MaxPage), "look", stream, id, l.By, l.Channel), nil
	}
	if n := len(s.Looks); n > 0 && s.Looks[n-1].By == l.By.Person && slices.Equal(s.Looks[n-1].Digests, l.Digests) && slices.Equal(s.Looks[n-1].Items, l.Items) {
		return out, nil
	}
	out.Add(stream, l.By, "", Shown{Items: l.Items, Digests: l.Digests, Channel: l.Channel})
	return out, nil
}

// sheetFor is a sheet for somebody who is asked about it. Everybody else gets the answer of one that there is not.
func sheetFor(f workflows.Facts, id workflows.SheetID, by workflows.Acting, standing workflows.Standing) (Sheet, *workflows.Refusal, error) {
	s, err := FoldSheet(f.Histories[workflows.SheetStream(id)])
	missing := err == workflows.ErrNoStream
	if err != nil && !missing {
		return s, nil, err
	}
	switch r := standing.Refusal(); {
	case r != nil:
		return s, r, nil
	case missing || by.Person == "" || !slices.Contains(s.Asked, by.Person):
		return s, workflows.Unknown(), nil
	}
	return s, nil, nil
}

func refused(no *workflows.Refusal, command string, stream workflows.StreamID, id workflows.SheetID, by workflows.Acting, channel string) workflows.Outcome {
	if no == nil {
		return workflows.Outcome{}
	}
	if no.Code == workflows.Unknown().Code {
		return workflows.RefuseOn(workflows.SystemStream, by, command, channel, string(id), no)
	}
	return workflows.RefuseOn(stream, by, command, channel, "", no)
}

// Answer is a verdict about to be given, with everything that was asked of the world.
type Answer struct {
	By       workflows.Acting
	Standing workflows.Standing
	Items    []int
	Verdict  string
	Shown    string   // digest of what the reviewer had before them
	Now      string   // digest of what the same items say now
	Scope    []string // Narrow
	To       string   // HandOver
	Mine     []int    // items that the reviewer answers for by now
	Flagged  []int    // items that have a finding by now
	Cannot   string   // why the verdict cannot be carried out for one of them; empty: it can
	Reason   string
	Authn    string
	Channel  string
}

// Decide gives a verdict on items that were shown to whoever gives it.
func Decide(f workflows.Facts, id workflows.SheetID, a Answer) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.SheetStream(id)
	s, no, err := sheetFor(f, id, a.By, a.Standing)
	if err != nil {
		return out, err
	}
	if no == nil {
		no = s.refuse(a)
	}
	if no != nil {
		return refused(no, a.Verdict, stream, id, a.By, a.Channel), nil
	}
	look, _ := s.look(a.By.Person, a.Shown, a.Items)
	out.Add(stream, a.By, "", Decided{
		Items: a.Items, Verdict: a.Verdict, Shown: a.Shown, After: int64(f.Now.UTC.Sub(look.At.UTC).Seconds()), Scope: a.Scope, To: a.To,
		Reason: strings.TrimSpace(a.Reason), Authn: a.Authn, Channel: a.Channel,
	})
	return out, nil
}

func (s *Sheet) refuse(a Answer) *workflows.Refusal {
	const show = "Look at it first: countersign identities campaign page, or Show in the message."
	switch {
	case s.Lapsed || s.Closed != nil:
		return workflows.Refuse(workflows.CodeLate, "The time for this is over, and what follows from silence was done.", "Security can say how to get something back.")
	case !slices.Contains(Verdicts(), a.Verdict):
		return workflows.Refuse(workflows.CodeBadField, "Say keep, narrow, jit, hand-over or revoke.", "")
	case !s.has(a.Items):
		return workflows.Refusef(workflows.CodeBadField, "", "The sheet has the items 1 to %d.", len(s.Items))
	case !s.lookedAt(a.By.Person, a.Shown, a.Items):
		return workflows.Refuse(workflows.CodeStale, "Nothing is decided that was not looked at: these items were not shown to you.", show)
	case a.Shown != a.Now:
		return workflows.Refuse(workflows.CodeStale, "What you looked at has changed since.", show)
	case a.Cannot != "":
		return workflows.Refuse(workflows.CodeBadField, a.Cannot, "")
	case a.Verdict != Keep && utf8.RuneCountInString(strings.TrimSpace(a.Reason)) < MinReason:
		return workflows.Refusef(workflows.CodeReasonNeeded, "", "Say why, in at least %d characters.", MinReason)
	case utf8.RuneCountInString(a.Reason) > workflows.MaxReason:
		return workflows.Refusef(workflows.CodeTooLong, "", "A reason has at most %d characters.", workflows.MaxReason)
	}
	return s.refuseItems(a)
}

func (s *Sheet) refuseItems(a Answer) *workflows.Refusal {
	for _, n := range a.Items {
		x := s.Items[n-1]
		switch {
		case x.Verdict != "":
			return workflows.Refusef(workflows.CodeDecided, "", "Item %d was decided already: %s.", n, x.Verdict)
		case !s.Opened.Self && (x.Owner == string(a.By.Person) || slices.Contains(a.Mine, n)):
			return workflows.Refusef(workflows.CodeReviewer, "Somebody else is asked when the time comes.", "Item %d is your own, and this campaign wants somebody else to look at it.", n)
		case len(a.Items) > 1 && a.Verdict == Keep && (!x.Safe() || slices.Contains(a.Flagged, n)):
			return workflows.Refusef(workflows.CodeBadField, "Keep the others together, and that one by itself.", "Item %d has a finding or a high risk, so it is not kept together with others.", n)
		case a.Verdict == Narrow && (x.Of != workflows.CampaignIdentities || len(a.Scope) == 0 || len(a.Items) > 1):
			return workflows.Refuse(workflows.CodeBadField, "Narrowing is for one identity at a time, with the scope that stays.", "-scope role:reader")
		case a.Verdict == ToJIT && x.Of != workflows.CampaignAccess:
			return workflows.Refuse(workflows.CodeBadField, "Only standing access can be made requestable.", "")
		case a.Verdict == HandOver && (x.Of != workflows.CampaignIdentities || a.To == ""):
			return workflows.Refuse(workflows.CodeBadField, "An identity is handed over to somebody.", "-to KEY")
		}
	}
	return nil
}

// Settle records what became of an item. What is settled stays so.
func Settle(f workflows.Facts, id workflows.SheetID, by workflows.Acting, e Settled) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.SheetStream(id)
	s, err := FoldSheet(f.Histories[stream])
	if err != nil || !s.has([]int{e.Item}) || s.Items[e.Item-1].Verdict == "" || s.Items[e.Item-1].Settled != nil {
		return out, err
	}
	out.Add(stream, by, "", e)
	return out, nil
}

// Declare settles an item by somebody's word: what no connector can verify. It wants evidence, and is counted as not verified.
func Declare(f workflows.Facts, id workflows.SheetID, a Answer, item int, evidence string) (workflows.Outcome, error) {
	stream := workflows.SheetStream(id)
	s, no, err := sheetFor(f, id, a.By, a.Standing)
	switch {
	case err != nil:
		return workflows.Outcome{}, err
	case no != nil:
	case !s.has([]int{item}) || s.Items[item-1].Verdict == "" || s.Items[item-1].Settled != nil:
		no = workflows.Refuse(workflows.CodeNotActive, "There is nothing to be done about that item.", "")
	case utf8.RuneCountInString(strings.TrimSpace(evidence)) < MinReason:
		no = workflows.Refuse(workflows.CodeReasonNeeded, "Say what shows that it is done: a link, a ticket, or what you saw.", "-evidence TEXT")
	}
	if no != nil {
		return refused(no, "done", stream, id, a.By, a.Channel), nil
	}
	var out workflows.Outcome
	out.Add(stream, a.By, "", Settled{Item: item, How: "done by hand", Proof: "declared", Evidence: strings.TrimSpace(evidence), Authn: a.Authn, Channel: a.Channel})
	return out, nil
}

// Close ends a sheet and tells its campaign; the last sheet ends the run. Both streams are named.
func Close(f workflows.Facts, id workflows.SheetID) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := FoldSheet(f.Histories[workflows.SheetStream(id)])
	if err != nil || s.Closed != nil || s.Left() > 0 || len(s.unsettled()) > 0 {
		return out, err
	}
	on := workflows.CampaignStream(s.Opened.Campaign)
	c, err := Fold(f.Histories[on])
	if err != nil {
		return out, err
	}
	counts := s.Counts()
	out.Add(workflows.SheetStream(id), workflows.System, "", Closed{Counts: counts})
	run := c.run(s.Opened.Run)
	if run == nil || !run.has(id) || run.Ended != nil {
		return out, nil // a sheet that was given out and whose run never began counts nowhere
	}
	out.Add(on, workflows.System, "", SheetDone{Run: run.Run, Sheet: id, Counts: counts})
	if len(run.Done)+1 == len(run.Sheets) {
		total := run.Total()
		total.add(counts)
		out.Add(on, workflows.System, "", Ended{Run: run.Run, Counts: total})
	}
	return out, nil
}
