package workflows

// AlarmRaised records, on the system stream, that something outside a request needs an operator's eyes: connections that nobody here opened,
// payloads of another app. The same alarm is recorded at most once an hour.
type AlarmRaised struct {
	What   string `json:"what"`             // stable, for statistics: "slack.ghost", "slack.foreign", "slack.malformed", "internal_error"
	Detail string `json:"detail,omitempty"` // numbers and ids, no text of people
}

// Kind name for the ledger.
func (AlarmRaised) Kind() string { return "alarm.raised" }

// RefusalsSummarised stands for attempts of accounts that belong to nobody in the people file, beyond those that have an entry of their own: so
// that strangers cannot fill the ledger (T62). A refusal of a known person is never among them.
type RefusalsSummarised struct {
	From     Stamp `json:"from"`
	Until    Stamp `json:"until"`
	Attempts int64 `json:"attempts"`
	Accounts int64 `json:"accounts"` // how many accounts, counted up to a thousand
}

// Kind name for the ledger.
func (RefusalsSummarised) Kind() string { return "refusals.summarised" }

// SystemEventKinds lists the kinds of the system stream that no other room defines.
func SystemEventKinds() []EventKind {
	return []EventKind{Of[AlarmRaised](), Of[RefusalsSummarised](), Of[WatchFound]()}
}
