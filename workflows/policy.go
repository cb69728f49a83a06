package workflows

// PolicyLoaded says which documents govern from here on. It is recorded when they differ from the last ones.
type PolicyLoaded struct {
	Workflows map[string]DocHash `json:"workflows"` // id -> compiled policy
	Runbooks  map[string]DocHash `json:"runbooks,omitempty"`
	Sources   map[string]DocHash `json:"sources"` // file -> exact bytes
	Changed   []string           `json:"changed"` // files added, changed or removed since the last load
	Version   string             `json:"version"` // of the program that compiled them
}

// Kind name for the ledger.
func (PolicyLoaded) Kind() string { return "policy.loaded" }

// PolicyEventKinds lists the kinds of the policy stream.
func PolicyEventKinds() []EventKind { return []EventKind{Of[PolicyLoaded]()} }
