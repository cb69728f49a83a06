package slack

import (
	"context"
	"encoding/json"
	"slices"
)

// Kinds of interaction the adapter understands; an event is KindEvent + its type.
const (
	KindCommand         = "command"
	KindBlockActions    = "block_actions"
	KindViewSubmission  = "view_submission"
	KindViewClosed      = "view_closed"
	KindShortcut        = "shortcut"
	KindMessageAction   = "message_action"
	KindBlockSuggestion = "block_suggestion"
	KindEvent           = "event:"
)

// Inbox keeps raw interactions durably. cmd joins it to the store.
type Inbox interface {
	// Put stores one raw interaction durably and tells whether any of its keys was seen before. When dup is true, id is the first row's
	// and nothing was written. The stored row's time of receipt is the store's product time of the commit. An error means that nothing
	// was written and nothing will be: the person is told so. Put may be called from many goroutines and returns soon after ctx ends.
	Put(ctx context.Context, in Received) (id string, dup bool, err error)
}

// Received is one interaction as it is stored: enough to Decode it again after a restart.
type Received struct {
	Transport string   // "socket" or "http"
	Kind      string   // an Interaction's kind
	Keys      []string // one per transport delivery and one per meaning; no secret can be read from them
	Body      []byte   // the raw JSON payload; a slash command's form is kept as a JSON object
}

// Handler is what bot does with an interaction.
type Handler interface {
	// Handle gets the interaction once it is durable and gives at most one answer. It may take longer than the acknowledgement: an
	// answer that comes too late goes to Late. It is called from many goroutines; a panic ends only this call.
	Handle(ctx context.Context, in Interaction) (Reply, error)
}

// Reply is what a Handler answers.
type Reply struct {
	// Payload goes into the acknowledgement as JSON: form errors, options, a command's answer. nil acknowledges without words.
	Payload any
}

// Interaction is one thing a person or Slack did, decoded. Only ids are taken over: names in a payload are the sender's claim.
type Interaction struct {
	InboxID string // empty for block_suggestion, which is asked at every keystroke and changes nothing
	Kind    string

	APIAppID     string // empty where Slack does not send it (shortcuts)
	TeamID       string // the workspace the payload names; empty for organisation-wide installations
	EnterpriseID string
	UserTeamID   string // the actor's own workspace where Slack tells it
	UserID       string // the actor, always from the payload's own user field
	External     bool   // the actor belongs to another organisation: they can see and click, and must be refused

	ChannelID, MessageTS, ThreadTS string
	TriggerID, ResponseURL         string // bearer secrets: three seconds, and thirty minutes
	CallbackID                     string
	ActionTS                       string

	Command, Text string
	Actions       []Action
	Values        []Input // values of inputs in a message
	View          *View

	EventID   string
	EventTime int64           // seconds since 1970
	ExtShared bool            // the event happened in a channel shared with another organisation
	Event     json.RawMessage // the inner event

	Raw    []byte
	Digest [32]byte // sha256 of Raw as Scrub leaves it
	Retry  int      // how often Slack has sent this event before
}

// Input is the value of one interactive element.
type Input struct {
	BlockID, ActionID, Type string
	Value                   string          // typed text, the chosen option, user, channel, date or time
	Selected                []string        // all choices of an element that allows many
	Rich                    json.RawMessage // rich_text_input only
}

// Action is one element somebody used.
type Action struct {
	Input
	TS string // action_ts: when, in Slack's words
}

// View is the modal or Home an interaction happened in. Everything in it travelled through the client.
type View struct {
	ID, Hash, Type, CallbackID, ExternalID string
	PrivateMetadata                        string
	RootID, PreviousID                     string
	TeamID, AppInstalledTeamID             string
	Values                                 []Input
	inputBlock                             string // an input block that can carry an error message
}

// Input returns the value a view holds for one element, and whether the element is there at all.
func (v *View) Input(blockID, actionID string) (Input, bool) {
	if v == nil {
		return Input{}, false
	}
	i := slices.IndexFunc(v.Values, func(in Input) bool { return in.BlockID == blockID && in.ActionID == actionID })
	if i < 0 {
		return Input{}, false
	}
	return v.Values[i], true
}
