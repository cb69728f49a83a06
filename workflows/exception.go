package workflows

import "slices"

// Controls that an exception can waive. A waived control is not a finding while its exception stands.
const (
	ControlRotation  = "rotation"        // its secret is not replaced in time
	ControlExpiry    = "expiry"          // its account or secret cannot expire on the target
	ControlReview    = "review"          // it is not attested in time
	ControlScope     = "least_privilege" // it may do more than it needs
	ControlSharing   = "one_use"         // more than one workload uses it
	ControlStorage   = "secret_store"    // its secret lies outside of a secret store
	ControlPersonal  = "no_human_use"    // automation runs as a person's own account
	ControlDetection = "monitoring"      // nobody sees when it is used
)

// Controls lists them, in the order of the manual.
func Controls() []string {
	return []string{ControlRotation, ControlExpiry, ControlReview, ControlScope, ControlSharing, ControlStorage, ControlPersonal, ControlDetection}
}

// What makes up for a waived control, looked at again and again while the exception stands.
const (
	CheckRotated = "rotated_within" // its secret was replaced within a time
	CheckFrom    = "used_from"      // it is used from these networks only
	CheckAlert   = "alert_on_use"   // its target can tell when it is used, and each use is told
	CheckVault   = "vault_scoped"   // its secret lies in a secret store, at this place
)

// CheckTerms is one compensating control of an exception.
type CheckTerms struct {
	Kind   string   `json:"kind"`
	Within Span     `json:"within,omitempty"` // CheckRotated
	From   []string `json:"from,omitempty"`   // CheckFrom: networks, "10.2.0.0/16"
	Place  string   `json:"place,omitempty"`  // CheckVault: what the reference of its secret begins with
}

// String is the check in words.
func (c CheckTerms) String() string {
	switch c.Kind {
	case CheckRotated:
		return "its secret is replaced every " + c.Within.String()
	case CheckFrom:
		out := "it is used only from "
		for i, n := range c.From {
			if i > 0 {
				out += ", "
			}
			out += n
		}
		return out
	case CheckAlert:
		return "each use of it is seen and told"
	case CheckVault:
		if c.Place == "" {
			return "its secret lies in a secret store"
		}
		return "its secret lies in " + c.Place
	}
	return c.Kind
}

// What follows when a check fails, or the exception ends.
const (
	FailedSuspends = "suspend" // the identity is suspended until somebody may say otherwise
	FailedRetires  = "retire"  // everything is taken back for good, and a list of what is left to do opens
)

// ExceptionTerms are what the approval of an exception allows.
type ExceptionTerms struct {
	Control string       `json:"control"`
	Checks  []CheckTerms `json:"checks"`
	Failed  string       `json:"failed"`           // FailedSuspends, FailedRetires
	Higher  string       `json:"higher,omitempty"` // the stage that is asked from the HigherFrom-th renewal on
}

// HigherFrom is from which renewal on an exception needs its higher stage: who renews a fourth time has made a rule of it.
const HigherFrom = 4

// ExitPlan is the field of the form that says how the exception will not be needed any more.
const ExitPlan = "exit_plan"

// Ahead tells that an approval of this kind gives no access by itself: a standing window, an exception, a change of an identity.
func (k RequestKind) Ahead() bool { return k == KindWindow || k == KindException || k == KindLife }

// Raised leaves the higher stage out of a choice where the exception was not renewed that often.
func (w *Workflow) Raised(c Choice, renewal int) Choice {
	if w.Exception == nil || w.Exception.Higher == "" || renewal >= HigherFrom {
		return c
	}
	c.Stages = slices.DeleteFunc(slices.Clone(c.Stages), func(name string) bool { return name == w.Exception.Higher })
	return c
}

// Renewed says how often an exception was renewed before an ask, and since when it stands.
type Renewed struct {
	Times int // of this ask: 0 is the first
	Since Stamp
}
