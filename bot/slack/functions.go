package slack

import (
	"context"
	"encoding/json"
	"net/url"

	slackgo "github.com/slack-go/slack"
)

// CompleteStep ends a step of a workflow in Workflow Builder well, with its outputs (functions.completeSuccess). A *Permanent with
// execution_not_in_running_state means that somebody cancelled the workflow.
func (s *Sender) CompleteStep(ctx context.Context, execution string, outputs map[string]string) error {
	b, err := json.Marshal(outputs)
	if err != nil {
		return err
	}
	form := url.Values{"function_execution_id": {execution}, "outputs": {string(b)}}
	return s.call(ctx, "functions.completeSuccess", form, nothing)
}

// FailStep ends such a step with a reason that the people of the workflow read (functions.completeError).
func (s *Sender) FailStep(ctx context.Context, execution, reason string) error {
	return s.call(ctx, "functions.completeError", url.Values{"function_execution_id": {execution}, "error": {reason}}, nothing)
}

// SuggestPrompts offers questions in an assistant thread (assistant.threads.setSuggestedPrompts): title and what is asked, the same words.
func (s *Sender) SuggestPrompts(ctx context.Context, channel, thread, title string, prompts []string) error {
	p := slackgo.AssistantThreadsSetSuggestedPromptsParameters{Title: title, ChannelID: channel, ThreadTS: thread}
	for _, x := range prompts {
		p.AddPrompt(x, x)
	}
	return translate("assistant.threads.setSuggestedPrompts", s.api.SetAssistantThreadsSuggestedPromptsContext(ctx, p))
}

func nothing([]byte) error { return nil }
