package bot

import (
	"context"
	"errors"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
)

type viewRequest = slackgo.ModalViewRequest

// ephemeral answers a command: only the person who typed it sees it.
type ephemeral struct {
	ResponseType    string          `json:"response_type"`
	ReplaceOriginal bool            `json:"replace_original"`
	Text            string          `json:"text"`
	Blocks          []slackgo.Block `json:"blocks,omitempty"`
}

// submitted answers a form.
type submitted struct {
	ResponseAction string            `json:"response_action"`
	Errors         map[string]string `json:"errors,omitempty"`
	View           *viewRequest      `json:"view,omitempty"`

	late screens.Message // what is said when the answer no longer reaches the form
}

// deliver turns an answer into the reply that the kind of interaction takes; a click takes none, so its answer goes out by itself.
func (b *Bot) deliver(ctx context.Context, in slack.Interaction, a answer) (slack.Reply, error) {
	a = b.inLanguage(ctx, in.UserID, a)
	switch {
	case in.Kind == slack.KindViewSubmission && a.errors != nil:
		return slack.Reply{Payload: submitted{ResponseAction: "errors", Errors: a.errors, late: a.message}}, nil
	case in.Kind == slack.KindViewSubmission && a.view != nil:
		return slack.Reply{Payload: submitted{ResponseAction: "update", View: a.view, late: a.message}}, nil
	case in.Kind == slack.KindViewSubmission && a.clear:
		return slack.Reply{Payload: submitted{ResponseAction: "clear", late: a.message}}, nil
	case a.options != nil:
		return slack.Reply{Payload: a.options}, nil
	case a.silent():
		return slack.Reply{}, nil
	case in.Kind == slack.KindCommand:
		return slack.Reply{Payload: ephemeral{ResponseType: "ephemeral", Text: a.message.Text, Blocks: a.message.Blocks}}, nil
	}
	if err := b.tell(ctx, in, a.message); err != nil {
		// What was decided stands and shows on the card: an answer that cannot be delivered must not make it run again.
		b.log.WarnContext(ctx, "an answer was not delivered", "kind", in.Kind, "inbox", in.InboxID, "err", err)
	}
	return slack.Reply{}, nil
}

// Late delivers a reply that could not travel in the acknowledgement. It returns at once.
func (b *Bot) Late(in slack.Interaction, r slack.Reply) {
	var m screens.Message
	switch p := r.Payload.(type) {
	case ephemeral:
		m = screens.Message{Text: p.Text, Blocks: p.Blocks}
	case submitted:
		m = p.late
	case slack.Notice:
		m = screens.Say(p.Text)
	}
	if m.Text == "" {
		return
	}
	b.spawn(func(ctx context.Context) {
		if err := b.tell(ctx, in, m); err != nil {
			b.log.WarnContext(ctx, "a late answer was not delivered", "kind", in.Kind, "inbox", in.InboxID, "err", err)
		}
	})
}

// NotRecorded tells somebody that what they did could not even be made durable. It returns at once.
func (b *Bot) NotRecorded(in slack.Interaction, sentence string) {
	b.spawn(func(ctx context.Context) {
		if err := b.tell(ctx, in, screens.Say("⚠️ "+screens.Escape(b.inUser(ctx, in.UserID).Filled(sentence)))); err != nil {
			b.log.WarnContext(ctx, "a refusal was not delivered", "kind", in.Kind, "err", err)
		}
	})
}

// tell answers the person who acted: where they acted if that is possible, else in a direct message.
func (b *Bot) tell(ctx context.Context, in slack.Interaction, m screens.Message) error {
	if in.ResponseURL != "" {
		err := b.c.Slack.Respond(ctx, in.ResponseURL, slack.Response{Text: m.Text, Blocks: m.Blocks})
		var amb *slack.Ambiguous
		if err == nil || errors.As(err, &amb) {
			return err // it may stand there already; saying it twice is worse than once too few
		}
	}
	if in.UserID == "" {
		return nil
	}
	dm, err := b.c.Slack.OpenDM(ctx, in.UserID)
	if err != nil {
		return err
	}
	_, err = b.c.Slack.PostMessage(ctx, dm, slack.Message{Text: m.Text, Blocks: m.Blocks})
	return err
}
