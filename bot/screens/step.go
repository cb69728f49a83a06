package screens

import (
	slackgo "github.com/slack-go/slack"
)

// StepAsked asks somebody to send a request that a workflow of Workflow Builder wants. value is that of both buttons.
func StepAsked(chain, reason, value string) Message {
	send := button(ActStep, value, "Look and send…", "Open the form for "+chain)
	send.Style = slackgo.StylePrimary
	no := button(ActStepNo, value, "No", "Do not ask for "+chain)
	no.Confirm = confirm("Ask for nothing?", "The workflow is told that you did not want to.", "Ask for nothing")
	blocks := []slackgo.Block{
		section("A workflow wants you to ask for *" + label(chain) + "*. Nothing is asked for in your name unless you send it."),
	}
	if reason != "" {
		blocks = append(blocks, section("*Why, says the workflow*"), typed(reason))
	}
	blocks = append(blocks, actions(send, no)...)
	return Message{Text: headline("Send? A workflow wants %s to ask for %s%s", "you", chain, "", reason), Blocks: blocks}
}
