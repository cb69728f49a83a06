package workflows

// AlarmRaised records, on the system stream, that something outside a request needs an operator's eyes: connections that nobody here opened,
// payloads of another app. The same alarm is recorded at most once an hour.
type AlarmRaised struct {
	What   string `json:"what"`             // stable, for statistics: "slack.ghost", "slack.foreign"
	Detail string `json:"detail,omitempty"` // numbers and ids, no text of people
}

// Kind name for the ledger.
func (AlarmRaised) Kind() string { return "alarm.raised" }

// SystemEventKinds lists the kinds of the system stream that no other room defines.
func SystemEventKinds() []EventKind { return []EventKind{Of[AlarmRaised]()} }
