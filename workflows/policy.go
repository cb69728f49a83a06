package workflows

// PolicyLoaded says which documents govern from here on. It is recorded when they differ from the last ones.
type PolicyLoaded struct {
	Workflows map[string]DocHash `json:"workflows"` // id -> compiled policy
	Runbooks  map[string]DocHash `json:"runbooks,omitempty"`
	Sources   map[string]DocHash `json:"sources"` // file -> exact bytes
	Changed   []string           `json:"changed"` // files added, changed or removed since the last load
	Version   string             `json:"version"` // of the program that compiled them

	Author   string         `json:"author,omitempty" seal:"true"` // of the commit
	Commit   string         `json:"commit,omitempty"`
	Changes  []PolicyChange `json:"changes,omitempty"`  // in words, against what governed before
	Proposal string         `json:"proposal,omitempty"` // "c_…": what people under the old policy approved
	Held     []string       `json:"held,omitempty"`     // units whose new version waits for approval
	Told     []PersonID     `json:"told,omitempty"`     // owners under the policy before, who are told of the changes
}

// PolicyChange is one difference between two policies in words.
type PolicyChange struct {
	Unit    string `json:"unit"`    // "workflow/prod-db-read", "role/security", "people", "target/pg-main", "runbook/db-failover"
	Text    string `json:"text"`    // "the quorum of stage Security falls from 2 to 1"; people as pseudonyms
	Loosens bool   `json:"loosens"` // somebody may do more, or fewer have to agree
}

// PolicyProposed says that a changed folder would loosen something. Until people under the old policy approve it, the old version of the
// units it loosens governs.
type PolicyProposed struct {
	Proposal string             `json:"proposal"` // "c_…"
	Units    map[string]DocHash `json:"units"`    // unit -> hash of its proposed compiled form; empty: removed
	Changes  []PolicyChange     `json:"changes"`
	Author   string             `json:"author,omitempty" seal:"true"`
	By       PersonID           `json:"by,omitempty"` // the author, where the commit's address is in the people file
	Commit   string             `json:"commit,omitempty"`
	Ask      []PersonID         `json:"ask"` // who may approve it, under the old policy
	Quorum   int                `json:"quorum"`
}

// PolicyVoted is one person's decision on a proposal.
type PolicyVoted struct {
	Proposal string  `json:"proposal"`
	Verdict  Verdict `json:"verdict"`
	Reason   string  `json:"reason,omitempty" seal:"true"`
	Authn    string  `json:"authn"`
	Channel  string  `json:"channel"`
}

// PolicySettled ends a proposal: approved, denied, or replaced because the folder changed again.
type PolicySettled struct {
	Proposal string `json:"proposal"`
	Outcome  string `json:"outcome"` // "approved", "denied", "replaced"
}

// What the notices of the policy stream say.
const (
	NoticePolicyChanged = "policy_changed" // to the owners under the policy before: this changed
	NoticePolicySettled = "policy_settled" // to those who were asked and the author: what became of it
)

// Kind name for the ledger.
func (PolicyLoaded) Kind() string   { return "policy.loaded" }
func (PolicyProposed) Kind() string { return "policy.proposed" }
func (PolicyVoted) Kind() string    { return "policy.voted" }
func (PolicySettled) Kind() string  { return "policy.settled" }

// PolicyEventKinds lists the kinds of the policy stream.
func PolicyEventKinds() []EventKind {
	return []EventKind{Of[PolicyLoaded](), Of[PolicyProposed](), Of[PolicyVoted](), Of[PolicySettled]()}
}
