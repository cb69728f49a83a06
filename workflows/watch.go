package workflows

import "slices"

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
	ThenNotify   = "notify"
	ThenStronger = "stronger" // for a while, what is asked by or for whom it found needs one more person than usual, and never goes without people
	ThenSuspend  = "suspend"  // everything ends, and nothing is asked, decided or held until two people release it
)

// WatchRule is one rule of watch.yaml. Times and Within are those that the signal needs; the compiler fills in the usual ones.
type WatchRule struct {
	Name    string     `json:"name"`
	Signal  string     `json:"signal"`
	Times   int        `json:"times,omitempty"`
	Within  Span       `json:"within,omitempty"`
	Seconds int        `json:"seconds,omitempty"` // fast_approval: sooner than this after the stage was opened and its voter told
	Targets []TargetID `json:"targets,omitempty"` // only these; empty: all
	Then    string     `json:"then"`
	For     Span       `json:"for,omitempty"` // of ThenStronger: how long

	Unopened bool `json:"unopened,omitempty"` // fast_approval: only those of somebody who had not opened the request
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
	Until    Stamp      `json:"until,omitzero"`      // of ThenStronger: until when a stronger chain is demanded
	Unopened bool       `json:"unopened,omitempty"`  // fast_approval: they had not opened the request
}

// Kind name for the ledger.
func (WatchFound) Kind() string { return "watch.found" }

// Watchful is the way of an ask that watching wants to be decided more strictly: an approval by the document itself becomes one by the people of
// all its stages.
func (w *Workflow) Watchful(c Choice, watched []string) Choice {
	if len(watched) > 0 && c.Auto() {
		c.Stages = w.stageNames(nil)
	}
	return c
}

// Guarded is a copy of the workflow whose last stage of approvals wants one more person; false where it has no such stage.
func (w *Workflow) Guarded() (*Workflow, bool) {
	out := *w
	out.Stages = slices.Clone(w.Stages)
	for i := len(out.Stages) - 1; i >= 0; i-- {
		st := &out.Stages[i]
		if st.Kind != StageApproval {
			continue
		}
		st.Quorum++
		st.Parts = slices.Clone(st.Parts)
		for k := range st.Parts {
			if st.AnyPart || k == len(st.Parts)-1 {
				st.Parts[k].Quorum++
			}
		}
		return &out, true
	}
	return w, false
}
