package bot

import (
	"context"
	"errors"
	"fmt"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// letter is a message about to be sent, and whether it stays a surface that is repainted.
type letter struct {
	screens.Message
	surface workflows.StreamID   // empty: sent once and left alone
	seq     int64                // of that stream, as rendered
	also    []workflows.StreamID // which owe the same notice, and are told of in it
}

// place is where it goes.
type place struct {
	channel string
	person  workflows.PersonID
}

// Notify sends a message that a stream owes, if it still owes it, and records that it was delivered or why it never will be. What it says
// is rendered now, not when it was owed. It is a job: an error means try again. tries is how often it was tried before: from then on it
// looks whether the message stands there already, because a try that failed may have been heard.
func (b *Bot) Notify(ctx context.Context, stream workflows.StreamID, noticeID string, cause desk.Cause, tries int) error {
	n, owed, err := b.c.Desk.Notice(ctx, stream, noticeID)
	if err != nil || !owed {
		return err
	}
	to, why, err := b.destination(ctx, n)
	if err != nil {
		return err
	}
	switch {
	case why != "":
	case n.What == workflows.NoticeRemind:
		if later := b.disturb(ctx, n.To); later != nil {
			return later
		}
		why, err = b.remind(ctx, cause, stream, n, to, tries)
	case n.What == workflows.NoticeEscalated:
		why, err = b.widen(ctx, cause, stream, n, to, tries)
	case n.What == campaigns.NoticeSheet || n.What == campaigns.NoticeRemind:
		why, err = b.sendSheetNotice(ctx, cause, stream, n, to, tries)
	case n.What == campaigns.NoticeSilent:
		why, err = b.sendSilence(ctx, cause, stream, n, to, tries)
	default:
		why, err = b.send(ctx, cause, stream, n, to, tries)
	}
	if err != nil || why == "" {
		return err
	}
	b.log.WarnContext(ctx, "somebody could not be told", "stream", stream, "notice", n.What, "err", why)
	return b.c.Desk.Undelivered(ctx, cause, stream, workflows.NoticeUndelivered{Notice: noticeID, Why: why})
}

// send posts the message and keeps what follows: the surface first, so that its buttons work, then the record.
func (b *Bot) send(ctx context.Context, cause desk.Cause, stream workflows.StreamID, n workflows.Notice, to place, tries int) (why string, err error) {
	l, err := b.compose(ctx, stream, n)
	if err != nil {
		return "", err
	}
	at, found, err := b.post(ctx, stream, n, to, l, tries)
	if why, err := permanent(err); why != "" || err != nil {
		return why, err
	}
	// It stands there: a stop that comes now must not keep us from writing that down, or its buttons are nobody's until it is found again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWait)
	defer cancel()
	if l.surface != "" {
		if found {
			l.seq = 0 // what stands there was drawn earlier: draw it again
		} else {
			b.drawn.put(at, l.Message)
		}
		f := Surface{Stream: l.surface, Channel: at.Channel, TS: at.TS, Person: to.person, Pace: slack.PaceKey(at.Channel)}
		if _, err := b.c.Surfaces.Save(ctx, f, l.seq); err != nil {
			return "", err
		}
	}
	told := workflows.NoticeDelivered{Notice: n.ID, Via: viaSlack, Place: at.Channel + "/" + at.TS}
	if err := b.c.Desk.Delivered(ctx, cause, stream, told); err != nil || found { // what stands there was written earlier, and may not tell of all
		return "", err
	}
	return "", b.toldAlso(context.WithoutCancel(ctx), cause, l.also, told)
}

// toldAlso writes down that other streams were told of in the same message. Those that it cannot write down are told again.
func (b *Bot) toldAlso(ctx context.Context, cause desk.Cause, streams []workflows.StreamID, told workflows.NoticeDelivered) error {
	for i, stream := range streams {
		one, cancel := context.WithTimeout(ctx, keepWait)
		err := b.c.Desk.Delivered(one, desk.Cause(fmt.Sprintf("%s#%d/%s", cause, i, stream)), stream, told)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// post sends a message, or finds that an earlier try was heard.
func (b *Bot) post(ctx context.Context, stream workflows.StreamID, n workflows.Notice, to place, l letter, tries int) (at slack.Posted, found bool, err error) {
	id := string(stream) + "#" + n.ID
	if tries > 0 {
		at, found, err := b.c.Slack.FindByMetadata(ctx, to.channel, b.c.BotUser, ourMetadata, "id", id, "")
		var auth *slack.Auth
		switch {
		case errors.As(err, &auth):
			b.log.WarnContext(ctx, "no scope to look whether a message was sent: it may stand there twice", "err", err)
		case err != nil || found:
			return at, found, err
		}
	}
	under, err := b.threadOf(ctx, stream, n, to.channel)
	if err != nil {
		return at, false, err
	}
	at, err = b.c.Slack.PostMessage(ctx, to.channel, slack.Message{
		Text: l.Text, Blocks: l.Blocks, ThreadTS: under, Metadata: slack.Metadata{EventType: ourMetadata, Payload: map[string]any{"id": id}},
	})
	return at, false, err
}

// permanent turns an answer that will never change into words for the record; everything else stays an error and is tried again.
func permanent(err error) (string, error) {
	var no *slack.Permanent
	if errors.As(err, &no) {
		return "Slack said " + no.Code, nil
	}
	return "", err
}

// passing tells whether an error is Slack's condition now, and not its answer: it is worth asking again.
func passing(err error) bool {
	var (
		limited *slack.RateLimited
		auth    *slack.Auth
		unclear *slack.Ambiguous
		away    *slack.Unreached
	)
	return errors.As(err, &limited) || errors.As(err, &auth) || errors.As(err, &unclear) || errors.As(err, &away) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// destination finds where a notice goes, or why it cannot go anywhere.
func (b *Bot) destination(ctx context.Context, n workflows.Notice) (place, string, error) {
	if n.To == "" {
		return b.channelFor(ctx, n.Channel)
	}
	id, err := b.c.Identity.Slack(ctx, n.To)
	if err != nil {
		return place{}, "", err
	}
	if id == "" {
		return place{}, "no Slack account is known", nil
	}
	s, err := b.c.Identity.StandingOf(ctx, n.To)
	switch {
	case err != nil:
		return place{}, "", err
	case !s.Active:
		return place{}, "the Slack account is deactivated", nil
	}
	dm, err := b.c.Slack.OpenDM(ctx, id)
	why, err := permanent(err)
	return place{channel: dm, person: n.To}, why, err
}

// channelFor refuses channels that people of another organisation can see (T11).
func (b *Bot) channelFor(ctx context.Context, name string) (place, string, error) {
	id := name
	if b.c.Finder != nil {
		var err error
		if id, err = b.c.Finder.ChannelID(ctx, name); err != nil && !passing(err) {
			return place{}, "no such channel, or it is archived, or the app is not in it", nil
		}
		if err != nil {
			return place{}, "", err
		}
	}
	info, err := b.channel(ctx, id)
	var auth *slack.Auth
	switch why, rest := permanent(err); {
	case why != "":
		return place{}, why, nil
	case errors.As(err, &auth):
		b.log.WarnContext(ctx, "whether a channel is shared cannot be asked", "channel", name, "err", err)
	case rest != nil:
		return place{}, "", rest
	case info.Archived:
		return place{}, "the channel is archived", nil
	case shared(info):
		return place{}, "the channel is shared with another organisation", nil
	}
	return place{channel: id}, "", nil
}

// isShared is asked about every click in a channel. Not being able to ask does not refuse: the person's own standing still decides.
func (b *Bot) isShared(ctx context.Context, channel string) bool {
	info, err := b.channel(ctx, channel)
	return err == nil && shared(info)
}

// compose renders a notice.
func (b *Bot) compose(ctx context.Context, stream workflows.StreamID, n workflows.Notice) (letter, error) {
	switch stream.Kind() {
	case workflows.KindRequest:
		return b.requestLetter(ctx, workflows.RequestID(stream.Rest()), n)
	case workflows.KindGrant:
		return b.grantLetter(ctx, n)
	case workflows.KindRunbook:
		return b.glassLetter(ctx, workflows.RunbookID(stream.Rest()), n)
	case workflows.KindReview:
		return b.reviewLetter(ctx, stream, n)
	case workflows.KindTarget:
		return b.targetLetter(ctx, workflows.TargetID(stream.Rest()), n)
	case workflows.KindRun:
		return b.runLetter(ctx, workflows.RunID(stream.Rest()), n)
	case workflows.KindSheet:
		return b.sheetLetter(ctx, stream, n)
	case workflows.KindCampaign:
		return b.campaignLetter(ctx, stream, n)
	case workflows.KindIncident:
		return b.incidentLetter(ctx, stream.Rest(), n)
	case workflows.KindEscalation:
		return b.pageLetter(ctx, stream, n)
	case workflows.KindPolicy:
		return b.policyLetter(ctx, stream, n)
	case workflows.KindIdentity:
		return b.identityLetter(ctx, stream, n)
	}
	return letter{}, fmt.Errorf("composing notice %q of %q: no screen shows it", n.What, stream)
}

// Announce posts a sentence of ours to a channel, after a sign, and says where it stands, as "channel/ts".
func (b *Bot) Announce(ctx context.Context, channel, sign string, words screens.Sentence) (string, error) {
	return b.announce(ctx, channel, sign+screens.Escape(b.workspace().Sentence(words)))
}

// AnnounceExact is Announce with lines of ours below the sentence that stay as they are, byte by byte: whoever copies them, or asks the channel
// for them, gets what was signed.
func (b *Bot) AnnounceExact(ctx context.Context, channel string, words screens.Sentence, exact string) (string, error) {
	return b.announce(ctx, channel, screens.Escape(b.workspace().Sentence(words))+"\n```"+exact+"```")
}

func (b *Bot) announce(ctx context.Context, channel, text string) (string, error) {
	to, why, err := b.channelFor(ctx, channel)
	if err == nil && why != "" {
		err = &slack.Permanent{Method: "chat.postMessage", Code: why}
	}
	if err != nil {
		return "", fmt.Errorf("announcing in %q: %w", channel, err)
	}
	m := screens.Say(text)
	at, err := b.c.Slack.PostMessage(ctx, to.channel, slack.Message{Text: m.Text, Blocks: m.Blocks})
	if err != nil {
		return "", fmt.Errorf("announcing in %q: %w", channel, err)
	}
	return at.Channel + "/" + at.TS, nil
}

// Tell sends sentences of ours to a person, or to a channel when the person cannot be reached, and says where they stand.
func (b *Bot) Tell(ctx context.Context, p workflows.PersonID, otherwise string, lines ...screens.Sentence) (string, error) {
	reader := p
	to, why, err := b.destination(ctx, workflows.Notice{To: p})
	if err == nil && why != "" && otherwise != "" {
		reader = "" // a channel
		to, why, err = b.channelFor(ctx, otherwise)
	}
	if err == nil && why != "" {
		err = &slack.Permanent{Method: "chat.postMessage", Code: why}
	}
	if err != nil {
		return "", fmt.Errorf("telling %q: %w", p, err)
	}
	in, safe := b.in(ctx, reader), make([]string, 0, len(lines))
	for _, l := range lines {
		safe = append(safe, screens.Escape(in.Sentence(l)))
	}
	m := screens.Lines(safe)
	at, err := b.c.Slack.PostMessage(ctx, to.channel, slack.Message{Text: m.Text, Blocks: m.Blocks})
	if err != nil {
		return "", fmt.Errorf("telling %q: %w", p, err)
	}
	return at.Channel + "/" + at.TS, nil
}
