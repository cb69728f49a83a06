package slack

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

// Classes are what a transport knows before the payload was read; Decode takes them as well as a stored kind.
const (
	classCommand     = KindCommand
	classInteractive = "interactive"
	classEvent       = "event"
)

// ErrUnknownKind is wrapped by Decode for payloads of a kind the adapter does not know. Slack adds kinds; they are acknowledged, counted
// and ignored.
var ErrUnknownKind = errors.New("unknown kind of payload")

// Malformed says that a payload of a known kind cannot be trusted: a field a decision rests on is missing, stands twice, has a twin that
// differs only in case, has another type or breaks a limit. Nothing may be done with it.
type Malformed struct {
	Kind string
	Err  error
}

func (m *Malformed) Error() string {
	return fmt.Sprintf("reading a %s payload: %v", clip(m.Kind), m.Err)
}

func (m *Malformed) Unwrap() error { return m.Err }

// Decode reads one raw payload. kind is a stored Interaction's kind, and then the payload must still say the same; or one of "command",
// "interactive" and "event" when only the road it came by is known. Unknown fields are ignored. Errors are *Malformed or wrap
// ErrUnknownKind.
func Decode(kind string, raw []byte) (Interaction, error) {
	n, err := parse(raw, maxBody)
	if err != nil {
		return Interaction{}, &Malformed{Kind: kind, Err: err}
	}
	return decode(kind, n)
}

func decode(kind string, n *node) (Interaction, error) {
	r := &reader{}
	in := Interaction{Kind: kindOf(r, kind, n), Raw: n.raw, Digest: sha256.Sum256(Scrub(n.raw))}
	if r.err != nil {
		return Interaction{}, &Malformed{Kind: kind, Err: r.err}
	}
	read := readerOf(in.Kind)
	if read == nil {
		return Interaction{}, fmt.Errorf("decoding %q: %w", clip(in.Kind), ErrUnknownKind)
	}
	if kind != in.Kind && kind != classInteractive && kind != classEvent {
		return Interaction{}, &Malformed{Kind: kind, Err: fmt.Errorf("the payload says it is %q", clip(in.Kind))}
	}
	read(r, n, &in)
	if r.err != nil {
		return Interaction{}, &Malformed{Kind: in.Kind, Err: r.err}
	}
	return in, nil
}

func readerOf(kind string) func(*reader, *node, *Interaction) {
	switch kind {
	case KindCommand:
		return readCommand
	case KindBlockActions:
		return readBlockActions
	case KindViewSubmission, KindViewClosed:
		return readView
	case KindShortcut, KindMessageAction:
		return readShortcut
	case KindBlockSuggestion:
		return readSuggestion
	}
	if strings.HasPrefix(kind, KindEvent) && len(kind) > len(KindEvent) {
		return readEvent
	}
	return nil
}

// kindOf reads the kind from the payload itself, so that a command cannot be read as an event or the other way round.
func kindOf(r *reader, class string, n *node) string {
	if n.kind != '{' {
		r.fail("not an object")
		return ""
	}
	if class == classCommand {
		if r.text(n, "command", maxID) == "" {
			return ""
		}
		return KindCommand
	}
	typ := r.text(n, "type", maxID)
	if class != classEvent && !strings.HasPrefix(class, KindEvent) {
		return typ
	}
	switch typ {
	case "event_callback":
		inner := r.text(r.object(n, "event"), "type", maxID)
		if inner == "" {
			r.fail("the event has no type")
		}
		return KindEvent + inner
	case "app_rate_limited":
		return KindEvent + typ
	}
	return typ
}

func readCommand(r *reader, n *node, in *Interaction) {
	in.APIAppID = r.required(n, "api_app_id")
	in.TeamID = r.text(n, "team_id", maxID)
	in.EnterpriseID = r.text(n, "enterprise_id", maxID)
	in.UserID = r.required(n, "user_id")
	in.ChannelID = r.text(n, "channel_id", maxID)
	in.ThreadTS = r.text(n, "thread_ts", maxID)
	in.Command = r.required(n, "command")
	in.Text = r.text(n, "text", maxText)
	in.TriggerID = r.secret(n, "trigger_id")
	in.ResponseURL = r.text(n, "response_url", maxToken)
	r.home(in)
}

// required reads a field a decision rests on (F24: its absence refuses the payload).
func (r *reader) required(n *node, name string) string {
	v := r.text(n, name, maxID)
	if v == "" {
		r.fail("%q is missing", name)
	}
	return v
}

func (r *reader) secret(n *node, name string) string {
	v := r.text(n, name, maxToken)
	if v == "" {
		r.fail("%q is missing", name)
	}
	return v
}

// home wants the payload to say whose workspace or organisation it is about.
func (r *reader) home(in *Interaction) {
	if in.TeamID == "" && in.EnterpriseID == "" {
		r.fail("neither a workspace nor an organisation is named")
	}
}

// readActor reads what every interactive payload has: app, workspace, organisation and the person who acted.
func readActor(r *reader, n *node, in *Interaction) {
	in.APIAppID = r.text(n, "api_app_id", maxID)
	// Slack documents shortcuts without the app's id; over a socket the connection itself belongs to the app.
	if in.APIAppID == "" && in.Kind != KindShortcut && in.Kind != KindMessageAction {
		r.fail("%q is missing", "api_app_id")
	}
	team := r.object(n, "team")
	in.TeamID = r.text(team, "id", maxID)
	in.EnterpriseID = r.text(r.object(n, "enterprise"), "id", maxID)
	if e := r.text(team, "enterprise_id", maxID); e != "" {
		if in.EnterpriseID != "" && in.EnterpriseID != e {
			r.fail("two organisations are named")
		}
		in.EnterpriseID = e
	}
	user := r.object(n, "user")
	in.UserID = r.required(user, "id")
	in.UserTeamID = r.text(user, "team_id", maxID)
	in.TriggerID = r.text(n, "trigger_id", maxToken)
	in.ResponseURL = r.text(n, "response_url", maxToken)
	in.CallbackID = r.text(n, "callback_id", maxID)
	in.ActionTS = r.text(n, "action_ts", maxID)
	r.home(in)
}

// readPlace reads where a message interaction happened. The container is Slack's own word for it; channel and message repeat it.
func readPlace(r *reader, n *node, in *Interaction) {
	box := r.object(n, "container")
	in.ChannelID = r.agree("channel", r.text(box, "channel_id", maxID), r.text(r.object(n, "channel"), "id", maxID))
	msg := r.object(n, "message")
	in.MessageTS = r.agree("message", r.text(box, "message_ts", maxID), r.text(n, "message_ts", maxID))
	in.MessageTS = r.agree("message", in.MessageTS, r.text(msg, "ts", maxID))
	in.ThreadTS = r.agree("thread", r.text(box, "thread_ts", maxID), r.text(msg, "thread_ts", maxID))
}

// agree takes the one of two places that is told, and refuses a payload that names two different ones.
func (r *reader) agree(what, a, b string) string {
	if a != "" && b != "" && a != b {
		r.fail("two different places are named for the %s", what)
	}
	if a == "" {
		return b
	}
	return a
}

func readBlockActions(r *reader, n *node, in *Interaction) {
	readActor(r, n, in)
	readPlace(r, n, in)
	actions := r.array(n, "actions")
	if actions == nil || len(actions.kids) == 0 {
		r.fail("no action is named")
		return
	}
	if len(actions.kids) > maxActions {
		r.fail("more than %d actions", maxActions)
		return
	}
	for _, a := range actions.kids {
		if a.kind != '{' {
			r.fail("an action is not an object")
			return
		}
		act := Action{Input: readInput(r, a), TS: r.required(a, "action_ts")}
		act.BlockID, act.ActionID = r.required(a, "block_id"), r.required(a, "action_id")
		in.Actions = append(in.Actions, act)
	}
	in.ActionTS = in.Actions[0].TS
	in.Values = readValues(r, r.object(n, "state"))
	if r.object(n, "view") != nil {
		in.View = viewOf(r, n)
	}
}

func readView(r *reader, n *node, in *Interaction) {
	readActor(r, n, in)
	in.View = viewOf(r, n)
	in.CallbackID = in.View.CallbackID
}

func readShortcut(r *reader, n *node, in *Interaction) {
	readActor(r, n, in)
	if in.CallbackID == "" {
		r.fail("%q is missing", "callback_id")
	}
	if in.TriggerID == "" {
		r.fail("%q is missing", "trigger_id")
	}
	if in.Kind != KindMessageAction {
		return
	}
	readPlace(r, n, in)
	if in.ChannelID == "" || in.MessageTS == "" {
		r.fail("the message is not named")
	}
}

func readSuggestion(r *reader, n *node, in *Interaction) {
	readActor(r, n, in)
	readPlace(r, n, in)
	in.Actions = []Action{{Input: Input{
		Type: KindBlockSuggestion, BlockID: r.required(n, "block_id"), ActionID: r.required(n, "action_id"), Value: r.text(n, "value", maxText),
	}}}
	if r.object(n, "view") != nil {
		in.View = viewOf(r, n)
	}
}

func viewOf(r *reader, n *node) *View {
	v := r.object(n, "view")
	view := &View{
		ID:                 r.required(v, "id"),
		Hash:               r.text(v, "hash", maxToken),
		Type:               r.text(v, "type", maxID),
		CallbackID:         r.text(v, "callback_id", maxID),
		ExternalID:         r.text(v, "external_id", maxID),
		PrivateMetadata:    r.text(v, "private_metadata", maxMetadata),
		RootID:             r.text(v, "root_view_id", maxID),
		PreviousID:         r.text(v, "previous_view_id", maxID),
		TeamID:             r.text(v, "team_id", maxID),
		AppInstalledTeamID: r.text(v, "app_installed_team_id", maxID),
		Values:             readValues(r, r.object(v, "state")),
	}
	if view.Hash == "" {
		r.fail("the view has no hash")
	}
	view.inputBlock = firstInput(v)
	return view
}

// firstInput finds a block that can show an error message; it is looked for leniently because only a sentence hangs on it.
func firstInput(view *node) string {
	var quiet reader
	blocks := quiet.array(view, "blocks")
	if blocks == nil {
		return ""
	}
	for _, b := range blocks.kids {
		if quiet.text(b, "type", maxID) == "input" {
			return quiet.text(b, "block_id", maxID)
		}
	}
	return ""
}

func readEvent(r *reader, n *node, in *Interaction) {
	in.APIAppID = r.required(n, "api_app_id")
	in.TeamID = r.text(n, "team_id", maxID)
	in.EnterpriseID = r.text(n, "enterprise_id", maxID)
	r.home(in)
	if in.Kind == KindEvent+"app_rate_limited" {
		in.EventTime = r.number(n, "minute_rate_limited")
		in.Event = n.raw
		return
	}
	in.EventID = r.required(n, "event_id")
	in.EventTime = r.number(n, "event_time")
	in.ExtShared = r.flag(n, "is_ext_shared_channel")
	event := r.object(n, "event")
	in.Event = event.raw
	in.UserID = r.reference(event, "user")
	in.ChannelID = r.reference(event, "channel")
}

// reference reads an id that Slack gives either bare or as the id of an object (event.user of app_home_opened and of user_change).
func (r *reader) reference(n *node, name string) string {
	v := r.get(n, name)
	if v == nil {
		return ""
	}
	if v.kind == '{' {
		return r.text(v, "id", maxID)
	}
	return r.text(n, name, maxID)
}
