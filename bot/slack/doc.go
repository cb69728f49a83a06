// Package slack is the thin adapter between Slack and the rest of the house: it receives what people do there, makes it durable before
// it is acknowledged, hands it on decoded, and calls the Web API.
//
// It takes Slack's side of the conversation and nothing else: it knows no word of what the interactions mean, opens no database and
// decides nothing. The Inbox and the Handler it needs are declared here and joined in cmd; bot is its only other caller.
//
// The Socket Mode transport is written here and not taken from slack-go's socketmode package: that one closes the old connection at once
// when Slack announces a refresh, acknowledges on whichever connection is current, stalls its reader behind a slow consumer and opens
// thousands of connections while it is refused. Slack never retries a click, so each of those loses a decision somebody made.
package slack
