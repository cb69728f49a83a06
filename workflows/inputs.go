package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Inputs is all that the condition of a rule may look at: ids, words of the files and what the form says. Free text is not among it. Its JSON
// is recorded with the submission, so that a condition can be evaluated again years later.
type Inputs struct {
	Requester   InputPerson      `json:"requester"`
	Subject     InputSubject     `json:"subject"`
	Target      InputTarget      `json:"target"`
	Entitlement InputEntitlement `json:"entitlement"`

	Fields   map[string]InputField `json:"fields,omitempty"` // by name, without the types that are sealed and without what was left empty
	Seconds  Span                  `json:"seconds"`
	Now      Stamp                 `json:"now"`
	Day      string                `json:"day"`      // "Monday", on the clock of the workflow's calendar, or else the requester's
	Hour     int                   `json:"hour"`     // 0 to 23 on the same clock
	Business bool                  `json:"business"` // within the open hours of the workflow's calendar
	Freeze   string                `json:"freeze,omitempty"`
	Risk     int                   `json:"risk"` // place of the tier, 0 is the lowest
	Tier     string                `json:"tier,omitempty"`
	Severity string                `json:"severity,omitempty"` // of a choice field of that name
	Channel  string                `json:"channel"`            // "slack", "cli", "api"
	Network  string                `json:"network,omitempty"`  // label, empty when it is not known
	Renewals int                   `json:"renewals"`           // how often this access was extended before
}

// InputPerson is who asks.
type InputPerson struct {
	ID      PersonID `json:"id"`
	Groups  []string `json:"groups,omitempty"` // of the people file, in alphabetical order
	Zone    string   `json:"zone"`
	Manager PersonID `json:"manager,omitempty"`
	Kind    string   `json:"kind"`              // "person"
	Watched []string `json:"watched,omitempty"` // rules of watching that found something about them lately and want more than usual
}

// InputSubject is who is to hold the access.
type InputSubject struct {
	ID          IdentityID `json:"id"`
	Kind        string     `json:"kind"` // "person", or the kind of the non-human identity
	Owner       PersonID   `json:"owner,omitempty"`
	Environment string     `json:"environment,omitempty"`
	Self        bool       `json:"self"`                 // the requester
	ManagedBy   string     `json:"managed_by,omitempty"` // of an identity: internal, contractor, vendor, low-code
	Strength    string     `json:"strength,omitempty"`   // of its kind of credential: StrengthStatic …
	Findings    []string   `json:"findings,omitempty"`   // codes of what is wrong with it now
	Across      bool       `json:"across,omitempty"`     // it belongs to another environment than the target
	Watched     []string   `json:"watched,omitempty"`    // as of the requester
}

// InputTarget is the system.
type InputTarget struct {
	ID          TargetID `json:"id,omitempty"`
	Environment string   `json:"environment,omitempty"`
	DataClass   string   `json:"data_class,omitempty"`
	Owner       PersonID `json:"owner,omitempty"`
}

// InputEntitlement is what is asked for on it.
type InputEntitlement struct {
	ID      EntitlementID `json:"id,omitempty"`
	Action  string        `json:"action,omitempty"`
	Breadth string        `json:"breadth,omitempty"`
}

// InputField is a checked value of the form with the type that it is read as.
type InputField struct {
	Type  string `json:"type"` // FieldNumber …
	Value string `json:"value"`
}

// MaxInputs is the size in bytes of the inputs that are recorded: many times what a form holds, and small beside an entry of the ledger.
const MaxInputs = 8 << 10

// JSON is the form that is recorded: one text for one value, since members stand in a fixed order and maps in that of their keys. More than
// MaxInputs bytes are an error.
func (in Inputs) JSON() (string, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return "", fmt.Errorf("encoding inputs: %w", err)
	}
	if len(raw) > MaxInputs {
		return "", fmt.Errorf("inputs of the conditions: %d bytes, at most %d are recorded", len(raw), MaxInputs)
	}
	return string(raw), nil
}

// ReadInputs reads what JSON wrote, and nothing else.
func ReadInputs(s string) (Inputs, error) {
	var in Inputs
	dec := json.NewDecoder(strings.NewReader(s))
	dec.DisallowUnknownFields()
	if len(s) > MaxInputs {
		return in, fmt.Errorf("inputs of the conditions: %d bytes, at most %d are read", len(s), MaxInputs)
	}
	if err := dec.Decode(&in); err != nil {
		return in, fmt.Errorf("inputs of the conditions: %w", err)
	}
	if dec.More() {
		return in, errors.New("inputs of the conditions: something follows them")
	}
	return in, nil
}
