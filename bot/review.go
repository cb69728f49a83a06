package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// sheetPage is how many items a message shows at once: five with their evidence are read on a telephone.
const sheetPage = 5

// sendSheetNotice posts a message about a sheet, one after the other to each person: two at once would both think that they are today's first.
func (b *Bot) sendSheetNotice(ctx context.Context, cause desk.Cause, stream workflows.StreamID, n workflows.Notice, to place, tries int) (string, error) {
	defer b.turns.take(n.To)()
	send, err := b.sheetTurn(ctx, stream, n, cause)
	if err != nil || !send {
		return "", err
	}
	return b.send(ctx, cause, stream, n, to, tries)
}

// turns lets one message at a time go out to a person. The zero value is ready.
type turns struct {
	mu   sync.Mutex
	held map[workflows.PersonID]*sync.Mutex
}

// take waits for the person's turn; the answer ends it.
func (t *turns) take(p workflows.PersonID) func() {
	t.mu.Lock()
	if t.held == nil {
		t.held = map[workflows.PersonID]*sync.Mutex{}
	}
	m := t.held[p]
	if m == nil {
		m = &sync.Mutex{}
		t.held[p] = m
	}
	t.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// sheetTurn holds a reviewer to one message a day: what another message told of already is recorded as told, what came later waits until their
// next working morning. send is false where nothing is to be posted now.
func (b *Bot) sheetTurn(ctx context.Context, stream workflows.StreamID, n workflows.Notice, cause desk.Cause) (send bool, err error) {
	place, covered, wait, err := b.c.Desk.MessageToday(ctx, n.To, workflows.SheetID(stream.Rest()))
	switch {
	case err != nil:
		return false, err
	case covered:
		return false, b.c.Desk.Delivered(ctx, cause, stream, workflows.NoticeDelivered{Notice: n.ID, Via: viaSlack, Place: place})
	case wait != 0:
		return false, &Later{D: max(wait.Sub(b.c.Now()), time.Minute), Why: "somebody is told of reviews once a day"}
	}
	return true, nil
}

// sheetLetter renders what a reviewer is asked, or what security is told of.
func (b *Bot) sheetLetter(ctx context.Context, stream workflows.StreamID, n workflows.Notice) (letter, error) {
	if n.What == campaigns.NoticeSilent {
		return b.silentLetter(ctx, stream, n)
	}
	s, err := b.c.Desk.Sheet(ctx, workflows.SheetID(stream.Rest()))
	if err != nil {
		return letter{}, err
	}
	m, err := b.sheet(ctx, s, n.To)
	if err != nil {
		return letter{}, err
	}
	out := letter{Message: m.Render(), surface: stream, seq: s.Seq}
	if n.What == campaigns.NoticeRemind {
		out.Text = m.In.Say("Still waiting: %s", out.Text)
	}
	return out, nil
}

// sheet is a sheet for one of those who are asked.
func (b *Bot) sheet(ctx context.Context, s campaigns.Sheet, reader workflows.PersonID) (screens.Sheet, error) {
	l := b.in(ctx, reader)
	out := screens.Sheet{
		ID: s.ID, Title: s.Opened.Title, Left: s.Left(), Of: len(s.Items), Due: s.Opened.DueAt, Late: s.Lapsed,
		In: l, Then: l.Silence(campaigns.SilenceVerdict(s.Opened.Silence, s.Items[0].Item)),
	}
	if s.Lapsed || s.Closed != nil || out.Left == 0 {
		return out, nil
	}
	var err error
	if out.More, err = b.otherSheets(ctx, s.ID, reader, l); err != nil {
		return out, err
	}
	look, ok := s.LastLook(reader, nil)
	open := slices.DeleteFunc(slices.Clone(look.Items), func(n int) bool { return s.Items[n-1].Verdict != "" })
	if !ok || len(open) == 0 {
		out.Next = b.c.Buttons.Value(Button{Kind: kindSheetNext, ID: string(s.ID)}, reader)
		return out, nil
	}
	page, err := b.c.Desk.Page(ctx, s.ID, look.Items)
	if err != nil {
		return out, err
	}
	for i, e := range page.Items {
		out.Old = out.Old || e.Verdict == "" && e.Digest != look.Digests[i]
	}
	if out.Old {
		out.Next = b.c.Buttons.Value(Button{Kind: kindSheetNext, ID: string(s.ID)}, reader)
		return out, nil
	}
	var safe []string
	for _, e := range page.Items {
		out.Items = append(out.Items, b.sheetItem(ctx, s, e, reader, l))
		if keepable(e) {
			safe = append(safe, e.Digest)
		}
	}
	if len(safe) > 1 {
		out.Keep, out.Many = b.c.Buttons.Value(Button{Kind: kindSheetAll, ID: string(s.ID), Shown: campaigns.Together(safe)}, reader), len(safe)
	}
	return out, nil
}

// keepable tells whether an item may be kept together with others.
func keepable(e desk.SheetEvidence) bool { return e.Verdict == "" && e.Safe() && !e.Gone }

func (b *Bot) sheetItem(ctx context.Context, s campaigns.Sheet, e desk.SheetEvidence, reader workflows.PersonID, l screens.Locale) screens.SheetItem {
	i := screens.SheetItem{Number: e.Number, Title: e.Title, Name: e.ID, Changed: e.Changed, Wrong: e.Now, Verdict: e.Verdict}
	for _, f := range e.Facts {
		line := screens.SheetFact{Name: f.Name, Value: f.Value}
		if f.Person != "" {
			who := b.person(ctx, f.Person)
			line.Who = &who
		}
		i.Facts = append(i.Facts, line)
	}
	if e.Gone {
		i.Wrong = []string{l.Of("it is not there any more")}
	}
	if e.Verdict == "" && (s.Opened.Self || e.Owner != string(reader)) {
		i.Keep = b.c.Buttons.Value(Button{Kind: kindSheetKeep, ID: string(s.ID), Stage: e.Number, Shown: e.Digest}, reader)
		i.Other = b.c.Buttons.Value(Button{Kind: kindSheetOther, ID: string(s.ID), Stage: e.Number, Shown: e.Digest}, reader)
	}
	return i
}

// otherSheets are one line for each other sheet that waits for somebody: one message tells of all.
func (b *Bot) otherSheets(ctx context.Context, but workflows.SheetID, p workflows.PersonID, l screens.Locale) ([]string, error) {
	list, err := b.c.Desk.SheetsFor(ctx, p)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range list {
		if s.ID != but && len(out) < maxListed {
			out = append(out, sheetLine(s, l))
		}
	}
	return out, nil
}

func sheetLine(s campaigns.Sheet, l screens.Locale) string {
	return l.Say("• *%s*: %d of %d left, until %s (`/access review %s`)", screens.Escape(s.Opened.Title), s.Left(), len(s.Items), l.When(s.Opened.DueAt), screens.Escape(string(s.ID)))
}

// sheetNext shows the next items, and records that they were shown.
func (b *Bot) sheetNext(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindSheetNext, "look")
	if no != nil || err != nil {
		return refusal(no), err
	}
	_, res, err := b.c.Desk.LookAtSheet(ctx, desk.LookAt{Cause: c.cause(), By: c.by, Sheet: workflows.SheetID(x.ID), Many: sheetPage, Channel: viaSlack})
	return refusal(res.Refusal), err // the message shows them
}

// sheetKeep keeps one item.
func (b *Bot) sheetKeep(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindSheetKeep, campaigns.Keep)
	if no != nil || err != nil {
		return refusal(no), err
	}
	res, err := b.c.Desk.AnswerSheet(ctx, desk.SheetAnswer{
		Cause: c.cause(), By: c.by, Sheet: workflows.SheetID(x.ID), Items: []int{x.Stage}, Verdict: campaigns.Keep, Shown: x.Shown, Authn: slackClick, Channel: viaSlack,
	})
	return refusal(res.Refusal), err
}

// sheetKeepAll keeps what was shown, has no finding and is not decided.
func (b *Bot) sheetKeepAll(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindSheetAll, campaigns.Keep)
	if no != nil || err != nil {
		return refusal(no), err
	}
	id := workflows.SheetID(x.ID)
	s, err := b.c.Desk.Sheet(ctx, id)
	if err != nil {
		return answer{}, err
	}
	look, _ := s.LastLook(c.by.Person, nil)
	page, err := b.c.Desk.Page(ctx, id, look.Items)
	if err != nil {
		return answer{}, err
	}
	var items []int
	for _, e := range page.Items {
		if keepable(e) {
			items = append(items, e.Number)
		}
	}
	res, err := b.c.Desk.AnswerSheet(ctx, desk.SheetAnswer{
		Cause: c.cause(), By: c.by, Sheet: id, Items: items, Verdict: campaigns.Keep, Shown: x.Shown, Authn: slackClick, Channel: viaSlack,
	})
	return refusal(res.Refusal), err
}

// sheetOther opens the form for a verdict that needs words.
func (b *Bot) sheetOther(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindSheetOther, "decide")
	if no != nil || err != nil {
		return refusal(no), err
	}
	s, err := b.c.Desk.Sheet(ctx, workflows.SheetID(x.ID))
	if err != nil || x.Stage < 1 || x.Stage > len(s.Items) {
		return answer{}, err
	}
	l := b.inUser(ctx, c.UserID)
	choices := []screens.Choice{{Value: campaigns.Revoke, Text: l.Of("Revoke: it is not needed any more")}}
	switch s.Items[x.Stage-1].Of {
	case workflows.CampaignIdentities:
		choices = append(choices, screens.Choice{Value: campaigns.HandOver, Text: l.Of("Hand over: somebody else answers for it")}, screens.Choice{Value: campaigns.Narrow, Text: l.Of("Narrow: it may do less")})
	case workflows.CampaignAccess:
		choices = append(choices, screens.Choice{Value: campaigns.ToJIT, Text: l.Of("Make it requestable: the standing access goes")})
	}
	meta := b.c.Buttons.Value(Button{Kind: kindSheetForm, ID: x.ID, Stage: x.Stage, Shown: x.Shown}, c.by.Person)
	return b.open(ctx, c, screens.SheetForm(l, x.Stage, s.Items[x.Stage-1].ID, choices, meta))
}

// sheetDecided is the form that sheetOther opened.
func (b *Bot) sheetDecided(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.meta(ctx, c, kindSheetForm, "decide")
	if no != nil || err != nil {
		return inModal(refusal(no)), err
	}
	text := func(block string) string {
		v, _ := c.View.Input(block, screens.InputValue)
		return strings.TrimSpace(v.Value)
	}
	picked, _ := c.View.Input(screens.BlockSheetVerdict, screens.InputValue)
	in := desk.SheetAnswer{
		Cause: c.cause(), By: c.by, Sheet: workflows.SheetID(x.ID), Items: []int{x.Stage}, Verdict: picked.Value, Reason: text(screens.BlockReason), Shown: x.Shown,
		Authn: slackClick, Channel: viaSlack, To: b.ownerKey(text(screens.BlockSheetTo)),
	}
	if scope := text(screens.BlockSheetScope); scope != "" {
		in.Scope = strings.FieldsFunc(scope, func(r rune) bool { return r == ',' || r == ';' })
		for i := range in.Scope {
			in.Scope[i] = strings.TrimSpace(in.Scope[i])
		}
	}
	res, err := b.c.Desk.AnswerSheet(ctx, in)
	if err != nil || res.Refusal != nil {
		return inModal(refusal(res.Refusal)), err
	}
	return inModal(spoken(func(l screens.Locale) screens.Message {
		return screens.Say(l.Say("✅ Recorded: %s for item %d.", l.SheetVerdict(in.Verdict), x.Stage))
	})), nil
}

// ownerKey is the owner that a key of the people file or a group's name means; the word itself where it means nobody, which is refused later.
func (b *Bot) ownerKey(word string) string {
	if strings.HasPrefix(word, identities.GroupPrefix) {
		return word
	}
	for id, p := range b.c.Desk.Policy().People {
		if word != "" && (p.Key == word || strings.EqualFold(p.Email, word)) {
			return string(id)
		}
	}
	return word
}

// reviewVerb is /access review: what waits for somebody, or one sheet, which is sent to them.
func (b *Bot) reviewVerb(ctx context.Context, c *call, rest []string) (answer, error) {
	list, err := b.c.Desk.SheetsFor(ctx, c.by.Person)
	if err != nil || c.by.Person == "" {
		return said("No review waits for you."), err
	}
	if len(rest) == 0 {
		if len(list) == 0 {
			return said("No review waits for you."), nil
		}
		return spoken(func(l screens.Locale) screens.Message {
			var lines []string
			for _, s := range list {
				lines = append(lines, sheetLine(s, l))
			}
			return screens.Say(strings.Join(lines, "\n"))
		}), nil
	}
	word := strings.ToLower(strings.Trim(rest[0], "`"))
	for _, s := range list {
		if string(s.ID) == word {
			return b.sendSheet(ctx, c, s)
		}
	}
	no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "review", viaSlack, word, workflows.Refuse(workflows.CodeUnknown, "There is no such review, or it does not wait for you.", "Type `/access review` to see what does."))
	return refusal(no), err
}

// sendSheet puts a sheet into the direct messages of who asked for it: buttons are taken only from messages that we keep.
func (b *Bot) sendSheet(ctx context.Context, c *call, s campaigns.Sheet) (answer, error) {
	m, err := b.sheet(ctx, s, c.by.Person)
	if err != nil {
		return answer{}, err
	}
	to, why, err := b.destination(ctx, workflows.Notice{To: c.by.Person})
	if err != nil || why != "" {
		return said("You could not be sent it: %s", why), err
	}
	drawn := m.Render()
	at, err := b.c.Slack.PostMessage(ctx, to.channel, slack.Message{Text: drawn.Text, Blocks: drawn.Blocks})
	if err != nil {
		return answer{}, err
	}
	f := Surface{Stream: workflows.SheetStream(s.ID), Channel: at.Channel, TS: at.TS, Person: c.by.Person, Pace: slack.PaceKey(at.Channel)}
	if _, err := b.c.Surfaces.Save(ctx, f, s.Seq); err != nil {
		return answer{}, err
	}
	return said("It is in your direct messages with me."), nil
}

// campaignLetter tells management and the channel of alarms how a campaign ended.
func (b *Bot) campaignLetter(ctx context.Context, stream workflows.StreamID, n workflows.Notice) (letter, error) {
	st, err := b.c.Desk.Campaign(ctx, stream.Rest())
	if err != nil {
		return letter{}, err
	}
	run, ok := st.Run("")
	if !ok || run.Ended == nil {
		return letter{}, fmt.Errorf("composing notice %q of %q: no run has ended", n.What, stream)
	}
	c := run.Ended.Counts
	l := b.in(ctx, n.To)
	text := l.Say("The campaign *%s* is over: of %d items %d were kept, %d narrowed, %d made requestable, %d handed over, %d revoked, %d suspended; nobody answered for %d.",
		screens.Escape(run.Plan.Title), run.Items, c.Kept, c.Narrowed, c.Converted, c.HandedOver, c.Revoked, c.Suspended, c.Silent)
	if n.To != "" {
		text += "\n" + l.Say("Please read the report and acknowledge it: `countersign identities campaign report %s`, then `… acknowledge %s`.", screens.Escape(st.Name), screens.Escape(st.Name))
	}
	return letter{Message: screens.Say(text)}, nil
}
