package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// The assistant answers a few questions in a thread of its own. There is no model behind it: every answer is what explain says, and nothing
// that is typed there decides or asks for anything (R2).

// prompts are the questions that a thread begins with, in the language of who opened it.
func (b *Bot) prompts(l screens.Locale) []string {
	out := []string{l.Of("What am I waiting for?"), l.Of("What waits for me?"), l.Of("What can I ask for?")}
	if id := b.firstChain(); id != "" {
		out = append(out, l.Say("Who can approve %s?", id))
	}
	return out
}

// assistantOpened offers the questions that it can answer.
func (b *Bot) assistantOpened(ctx context.Context, in slack.Interaction) error {
	var e struct {
		Thread struct {
			User    string `json:"user_id"`
			Channel string `json:"channel_id"`
			TS      string `json:"thread_ts"`
		} `json:"assistant_thread"`
	}
	if err := json.Unmarshal(in.Event, &e); err != nil {
		return fmt.Errorf("reading assistant_thread_started: %w", err)
	}
	if e.Thread.Channel == "" || e.Thread.TS == "" {
		return nil
	}
	l := b.inUser(ctx, in.UserID)
	prompts := b.prompts(l)
	if err := b.c.Slack.SuggestPrompts(ctx, e.Thread.Channel, e.Thread.TS, l.Of("Ask me"), prompts); err != nil {
		b.log.WarnContext(ctx, "no questions could be offered in an assistant thread", "err", err)
	}
	m := screens.Say(l.Say("I answer from the record and from the documents: *%s*. What is typed here decides nothing.", strings.Join(prompts, "* · *")))
	_, err := b.c.Slack.PostMessage(ctx, e.Thread.Channel, slack.Message{Text: m.Text, Blocks: m.Blocks, ThreadTS: e.Thread.TS})
	return err
}

func (b *Bot) firstChain() string {
	for _, id := range sortedKeys(b.c.Desk.Policy().Workflows) {
		return string(id)
	}
	return ""
}

// isQuestion tells whether a message is one to the assistant: an answer in a thread of the direct messages that reads like one of its questions.
func isQuestion(in slack.Interaction) (threadEvent, bool) {
	e, ok := answersIn(in)
	return e, ok && e.ChannelType == "im" && questionOf(e.Text) != ""
}

// questionOf sorts what was asked by its words, whose language is any of screens.Languages.
func questionOf(text string) string {
	t := strings.ToLower(text)
	has := func(list ...string) bool {
		for _, w := range list {
			if !strings.Contains(t, w) {
				return false
			}
		}
		return true
	}
	switch {
	case has("who", "approve"), has("who", "decide"), has("wer", "genehmig"), has("wer", "entscheide"), has("quién", "aprob"), has("quién", "decid"):
		return "who"
	case has("waits for me"), has("waiting for me"), has("need to approve"), has("have to decide"), has("wartet auf mich"), has("muss ich entscheiden"), has("espera mi decisión"), has("tengo que decidir"):
		return "for me"
	case has("waiting"), has("my request"), has("warte ich"), has("mein", "antr"), has("estoy esperando"), has("mis solicitudes"):
		return "mine"
	case has("can i ask"), has("can i request"), has("what access can"), has("kann ich beantragen"), has("puedo pedir"), has("puedo solicitar"):
		return "offers"
	case has("what do i have"), has("my access"), has("was habe ich"), has("meine zugänge"), has("qué tengo"), has("mis accesos"):
		return "held"
	}
	return ""
}

// assisted answers a question in its thread.
func (b *Bot) assisted(ctx context.Context, in slack.Interaction, e threadEvent) error {
	if b.stranger(ctx, in) {
		return nil
	}
	by, err := b.c.Identity.Resolve(ctx, in)
	if err != nil {
		return err
	}
	m, err := b.reply(ctx, by, e.Text, b.inUser(ctx, in.UserID))
	if err != nil {
		return err
	}
	_, err = b.c.Slack.PostMessage(ctx, in.ChannelID, slack.Message{Text: m.Text, Blocks: m.Blocks, ThreadTS: e.Thread})
	return err
}

func (b *Bot) reply(ctx context.Context, by workflows.Acting, text string, l screens.Locale) (screens.Message, error) {
	p := by.Person
	switch questionOf(text) {
	case "mine":
		list, err := b.c.Desk.Requests(ctx, workflows.ListMyOpen, p, maxListed)
		return l.List(screens.Part{Title: l.Of("You are waiting for"), Empty: l.Of("Nothing: you have no open requests."), Items: b.requestItems(ctx, list, l)}), err
	case "for me":
		list, err := b.c.Desk.Requests(ctx, workflows.ListWaiting, p, maxListed)
		return l.List(screens.Part{Title: l.Of("Waiting for you"), Empty: l.Of("Nothing waits for your decision."), Items: b.requestItems(ctx, list, l)}), err
	case "held":
		list, err := b.c.Desk.Grants(ctx, p, 0)
		return l.List(screens.Part{Title: l.Of("Access you have"), Empty: l.Of("None."), Items: b.grantItems(list, l)}), err
	case "offers":
		list, err := b.c.Desk.Catalogue(ctx, p)
		return l.List(screens.Part{Title: l.Of("What you can ask for"), Empty: l.Of("Nothing."), Items: offerItems(list, l)}), err
	}
	return b.whoApproves(ctx, by, text, l)
}

// whoApproves says who would be asked now for what a question names: a chain, a target, an entitlement, or a request by its id.
func (b *Bot) whoApproves(ctx context.Context, by workflows.Acting, text string, l screens.Locale) (screens.Message, error) {
	if _, listed := b.c.Desk.Policy().People[by.Person]; !listed {
		return screens.Say(l.Of("This account is not linked to a person in the people file, so I cannot tell. Ask the operator to add you.")), nil
	}
	found := map[workflows.WorkflowID]desk.Version{}
	for _, w := range words(strings.ToLower(text)) {
		w = strings.Trim(w, "`?!.,:;\"'¿¡")
		if strings.HasPrefix(w, "r_") {
			if v, no, err := b.byWord(ctx, by.Person, w); err != nil || no == nil {
				return screens.Status(b.card(ctx, v, by.Person)), err
			}
		}
		if len(w) < 3 {
			continue
		}
		for _, v := range b.chainsNamed(w) {
			found[v.Workflow.ID] = v
		}
	}
	if len(found) == 0 {
		return screens.Say(l.Of("I found no chain, target or entitlement of that name. `/access how` lists them all.")), nil
	}
	var items []screens.Item
	for _, id := range sortedKeys(found) {
		w := found[id].Workflow
		lines := b.preview(ctx, l, desk.Submission{By: by, Workflow: id, Form: usualForm(w), Channel: viaSlack, Authn: slackClick})
		items = append(items, screens.Item{Title: w.Title, Line: strings.Join(append([]string{l.Of("if you asked now:")}, lines...), "\n    ")})
	}
	return l.List(screens.Part{Title: l.Of("Who decides"), Items: items}), nil
}
