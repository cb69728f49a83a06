package screens

import (
	slackgo "github.com/slack-go/slack"
)

// StepAsked asks somebody to send a request that a workflow of Workflow Builder wants. value is that of both buttons.
func StepAsked(l Locale, chain, reason, value string) Message {
	send := button(ActStep, value, l.Of("Look and send…"), l.Say("Open the form for %s", chain))
	send.Style = slackgo.StylePrimary
	no := button(ActStepNo, value, l.Of("No"), l.Say("Do not ask for %s", chain))
	no.Confirm = l.confirm(l.Of("Ask for nothing?"), l.Of("The workflow is told that you did not want to."), l.Of("Ask for nothing"))
	blocks := []slackgo.Block{
		section(l.Say("A workflow wants you to ask for *%s*. Nothing is asked for in your name unless you send it.", label(chain))),
	}
	if reason != "" {
		blocks = append(blocks, section("*"+l.Of("Why, says the workflow")+"*"), l.typed(reason))
	}
	blocks = append(blocks, actions(send, no)...)
	return Message{Text: l.headline("Send? A workflow wants %s to ask for %s%s", l.Of("you"), chain, "", reason), Blocks: blocks}
}
