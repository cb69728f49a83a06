package bot

import (
	"context"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// sendSilence tells a person of security of the sheets of a run that nobody answered for, all in one letter: a campaign for two hundred reviewers
// would send them two hundred in one moment. One after the other to each person, because the first tells what the others would.
func (b *Bot) sendSilence(ctx context.Context, cause desk.Cause, stream workflows.StreamID, n workflows.Notice, to place, tries int) (string, error) {
	defer b.turns.take(n.To)()
	_, owed, err := b.c.Desk.Notice(ctx, stream, n.ID) // a letter that went out while this one waited for its turn may have told it
	if err != nil || !owed {
		return "", err
	}
	_, wait, err := b.c.Desk.Silence(ctx, n.To, workflows.SheetID(stream.Rest()))
	if err != nil {
		return "", err
	}
	if wait > 0 {
		return "", &Later{D: wait, Why: "what ends at the same time is told together"}
	}
	return b.send(ctx, cause, stream, n, to, tries)
}

// silentLetter is that letter, and the sheets beside the stream's that it tells of.
func (b *Bot) silentLetter(ctx context.Context, stream workflows.StreamID, n workflows.Notice) (letter, error) {
	l := b.in(ctx, n.To)
	sheets, _, err := b.c.Desk.Silence(ctx, n.To, workflows.SheetID(stream.Rest()))
	if err != nil {
		return letter{}, err
	}
	var out letter
	for _, s := range sheets {
		if other := workflows.SheetStream(s.ID); other != stream {
			out.also = append(out.also, other)
		}
	}
	if len(out.also) == 0 {
		s, err := b.c.Desk.Sheet(ctx, workflows.SheetID(stream.Rest()))
		out.Message = b.silentSheet(ctx, s, l)
		return out, err
	}
	out.Message = b.silentSheets(ctx, sheets, l)
	return out, nil
}

// silentSheet is one sheet, item by item.
func (b *Bot) silentSheet(ctx context.Context, s campaigns.Sheet, l screens.Locale) screens.Message {
	var items []screens.Item
	for _, x := range silent(s) {
		items = append(items, screens.Item{Title: x.ID, Line: screens.Escape(l.Silence(x.Verdict))})
	}
	title := l.Say("%s: nobody answered for what %s was asked about", s.Opened.Title, b.c.Identity.Name(ctx, s.Opened.Reviewer))
	return l.List(screens.Part{Title: title, Items: items, Empty: l.Of("None.")})
}

// silentSheets are several sheets of one run, a line each: as many as a message holds, and how many more there are.
func (b *Bot) silentSheets(ctx context.Context, sheets []campaigns.Sheet, l screens.Locale) screens.Message {
	var items []screens.Item
	for _, s := range sheets {
		open := silent(s)
		items = append(items, screens.Item{
			Title: b.c.Identity.Name(ctx, s.Opened.Reviewer),
			Line:  screens.Escape(l.Say("%d of %d without an answer: %s", len(open), len(s.Items), l.Silence(open[0].Verdict))),
		})
	}
	of := sheets[0].Opened
	out := l.List(screens.Part{Title: l.Say("%s: time is up, and nobody answered for all of it", of.Title), Items: items, Empty: l.Of("None.")})
	rest := screens.Say(l.Say("Item by item: `countersign identities campaign report %s`.", screens.Escape(of.Campaign)))
	out.Blocks = append(out.Blocks, rest.Blocks...)
	return out
}

// silent are the items of a sheet that nobody answered for.
func silent(s campaigns.Sheet) (out []campaigns.ItemState) {
	for _, x := range s.Items {
		if x.Verdict != "" && x.By == "" {
			out = append(out, x)
		}
	}
	return out
}
