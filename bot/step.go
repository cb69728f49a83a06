package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// "Ask for approval" is a step of workflows in Workflow Builder. A workflow says who asks, and anybody can build a workflow that names anybody:
// so a step never sends a request. It asks the named person, in a direct message that only works for them, to send it themselves; the step is
// complete when the request is decided.

// StepCallback is the callback id of the step in the app's manifest.
const StepCallback = "ask_for_approval"

// functionsPlace is the channel of a surface that is no message but a running step: TS is the execution.
const functionsPlace = "function"

// step is function_executed, as far as we read it. slack-go has no field for the data of a function in interactions, so the event is read raw.
type step struct {
	Function struct {
		CallbackID string `json:"callback_id"`
	} `json:"function"`
	Execution string                     `json:"function_execution_id"`
	Inputs    map[string]json.RawMessage `json:"inputs"`
}

func (s step) input(name string) string {
	var out string
	_ = json.Unmarshal(s.Inputs[name], &out) // what is no string is no answer
	return strings.TrimSpace(out)
}

// stepStarted asks the person whom a workflow names.
func (b *Bot) stepStarted(ctx context.Context, in slack.Interaction) error {
	var s step
	if err := json.Unmarshal(in.Event, &s); err != nil {
		return fmt.Errorf("reading function_executed: %w", err)
	}
	if s.Function.CallbackID != StepCallback || s.Execution == "" || len(s.Execution) > maxPlace {
		return nil
	}
	user, chain := s.input("requester"), workflows.WorkflowID(strings.ToLower(s.input("chain")))
	person, err := b.c.Identity.PersonOf(ctx, user)
	if err != nil {
		return err
	}
	if person == "" {
		return b.failStep(ctx, s.Execution, "The requester is not in the people file of Countersign. Ask its operator to add them.")
	}
	o, ok, err := b.offer(ctx, person, chain)
	if err != nil {
		return err
	}
	if !ok {
		return b.failStep(ctx, s.Execution, fmt.Sprintf("There is no chain %q, or the requester may not ask for it. /access list says what they can ask for.", chain))
	}
	dm, err := b.c.Slack.OpenDM(ctx, user)
	if err != nil {
		return b.failStep(ctx, s.Execution, "The requester cannot be reached in Slack.")
	}
	reason := s.input("reason")
	for len(reason) > maxStepReason { // bytes: a button's value has to stay short
		reason = cutRunes(reason, utf8.RuneCountInString(reason)-1)
	}
	value := b.c.Buttons.Value(Button{Kind: kindStep, ID: strings.Join([]string{s.Execution, string(chain), reason}, "\x00")}, person)
	m := screens.StepAsked(b.inUser(ctx, user), o.Version.Workflow.Title, reason, value)
	id := "step/" + s.Execution
	_, err = b.c.Slack.PostMessage(ctx, dm, slack.Message{
		Text: m.Text, Blocks: m.Blocks, Metadata: slack.Metadata{EventType: ourMetadata, Payload: map[string]any{"id": id}},
	})
	return err
}

// failStep ends a step that cannot go on. One that is over already is left alone.
func (b *Bot) failStep(ctx context.Context, execution, why string) error {
	err := b.c.Slack.FailStep(ctx, execution, why)
	var no *slack.Permanent
	if errors.As(err, &no) {
		b.log.WarnContext(ctx, "a step of a workflow could not be ended", "err", err)
		return nil
	}
	return err
}

// ofStep opens the value of a step's button. The button is sealed for the one person it was made for; wherever it stands it does no more than
// open their own form.
func (b *Bot) ofStep(ctx context.Context, c *call) (execution, chain, reason string, no *workflows.Refusal, err error) {
	x, err := b.c.Buttons.Open(c.value(), kindStep, c.by.Person)
	if err != nil {
		_, no, err := b.tampered(ctx, c, "step", "")
		return "", "", "", no, err
	}
	parts := strings.SplitN(x.ID, "\x00", 3)
	if len(parts) != 3 {
		return "", "", "", nil, errors.New("a button of a step without its parts")
	}
	return parts[0], parts[1], parts[2], nil, nil
}

// stepOpened opens the form that a workflow asked somebody to send.
func (b *Bot) stepOpened(ctx context.Context, c *call) (answer, error) {
	execution, chain, reason, no, err := b.ofStep(ctx, c)
	if no != nil || err != nil {
		return refusal(no), err
	}
	c.step, c.reason = execution, reason
	return b.openChain(ctx, c, workflows.WorkflowID(chain))
}

// stepDeclined ends the step: its person does not want to ask.
func (b *Bot) stepDeclined(ctx context.Context, c *call) (answer, error) {
	execution, _, _, no, err := b.ofStep(ctx, c)
	if no != nil || err != nil {
		return refusal(no), err
	}
	if err := b.failStep(ctx, execution, "The requester did not want to send the request."); err != nil {
		return answer{}, err
	}
	return said("Nothing was asked for. The workflow was told."), nil
}

// follows keeps that a step waits for a request. A step follows one request only: the first that its person sent.
func (b *Bot) follows(ctx context.Context, execution string, id workflows.RequestID, p workflows.PersonID) error {
	if execution == "" {
		return nil
	}
	_, err := b.c.Surfaces.Save(ctx, Surface{Stream: workflows.RequestStream(id), Channel: functionsPlace, TS: execution, Person: p, Pace: "slack/functions"}, 0)
	return err
}

// finishStep completes a step when its request is decided; until then there is nothing to do.
func (b *Bot) finishStep(ctx context.Context, f Surface) error {
	v, err := b.c.Desk.Look(ctx, workflows.RequestID(f.Stream.Rest()))
	if err != nil || !v.State.Final() {
		return err
	}
	if err := b.c.Slack.CompleteStep(ctx, f.TS, b.outputs(ctx, v)); err != nil {
		return err
	}
	return b.c.Surfaces.Drop(ctx, f.ID)
}

func (b *Bot) outputs(ctx context.Context, v desk.View) map[string]string {
	var by []string
	for _, st := range v.State.Stages {
		for _, vote := range st.Votes {
			by = append(by, b.c.Identity.Name(ctx, vote.Person))
		}
	}
	return map[string]string{
		"outcome": string(v.State.Status), "request": string(v.State.ID), "decided_by": strings.Join(by, ", "), "card": b.cardLink(ctx, v),
	}
}

// maxStepReason is how many bytes of a workflow's reason a button carries; the person writes the rest into the form.
const maxStepReason = 150
