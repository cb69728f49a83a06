package workflows

// What is watched for in the ledger. The rules stand in watch.yaml; each looks for one signal.
const (
	SignalUseOutside   = "use_outside_window" // access was used before it began or after its end
	SignalUseAfterEnd  = "use_after_revoke"   // access was used after it had been taken back
	SignalBurst        = "request_burst"      // many requests of one person in a short time
	SignalFirstTarget  = "first_target"       // somebody known for a while asks for a target they never asked for
	SignalUnusualHour  = "unusual_hour"       // a request at an hour at which this person never asked
	SignalFastApproval = "fast_approval"      // an approval sooner than anybody reads
	SignalSamePair     = "same_pair"          // two people approve each other's requests again and again
	SignalDenials      = "denials"            // many denials and refusals of one person
	SignalDormant      = "dormant_awake"      // an identity that slept asks for or uses access
	SignalBreakGlass   = "break_glass"        // many uses of break glass by one person
)

// WatchSignals lists the signals, in the order of the manual.
func WatchSignals() []string {
	return []string{
		SignalUseOutside, SignalUseAfterEnd, SignalBurst, SignalFirstTarget, SignalUnusualHour, SignalFastApproval, SignalSamePair, SignalDenials,
		SignalDormant, SignalBreakGlass,
	}
}

// What a rule does when it finds something. Each finding is recorded, and told to the security channel.
const (
	ThenNotify  = "notify"
	ThenSuspend = "suspend" // everything ends, and nothing is asked, decided or held until two people release it
)

// WatchRule is one rule of watch.yaml. Times and Within are those that the signal needs; the compiler fills in the usual ones.
type WatchRule struct {
	Name    string     `json:"name"`
	Signal  string     `json:"signal"`
	Times   int        `json:"times,omitempty"`
	Within  Span       `json:"within,omitempty"`
	Seconds int        `json:"seconds,omitempty"` // fast_approval: sooner than this after the stage was opened
	Targets []TargetID `json:"targets,omitempty"` // only these; empty: all
	Then    string     `json:"then"`
}

// WatchFound says that a rule found something. It is recorded once for each entry that completes a finding.
type WatchFound struct {
	Rule     string     `json:"rule"`
	Signal   string     `json:"signal"`
	Identity IdentityID `json:"identity"`            // whose doing
	With     PersonID   `json:"with,omitempty"`      // same_pair: the other; fast_approval: who had asked
	Entry    string     `json:"entry"`               // id of the entry that completes it
	About    StreamID   `json:"about,omitempty"`     // stream of that entry
	Count    int        `json:"count,omitempty"`     // how many
	Then     string     `json:"then"`                // what is done about it
	Suspends bool       `json:"suspended,omitempty"` // the identity was quarantined because of it
}

// Kind name for the ledger.
func (WatchFound) Kind() string { return "watch.found" }
