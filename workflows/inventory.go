package workflows

import "strings"

// The states of an identity in the inventory.
const (
	IdentityUnclaimed = "unclaimed" // known, and somebody still has to answer for it: owner, purpose or end is missing
	IdentityActive    = "active"
	IdentitySuspended = "suspended" // holds nothing and may ask for nothing until somebody who may says otherwise
	IdentityRetired   = "retired"   // everything was taken back and looked at
)

// InventoryRow is what lists and searches read of one identity. It follows from the entries of its stream alone, which the store keeps it equal to;
// no decision is taken by it. Texts that can be erased are not in it: an account is found by its mark.
type InventoryRow struct {
	ID          IdentityID   `json:"id"`
	State       string       `json:"state"`
	Kind        string       `json:"kind"`
	Name        string       `json:"name,omitempty"`
	Owner       string       `json:"owner,omitempty"` // "p_…", or "group:dba"
	Backup      string       `json:"backup,omitempty"`
	Business    string       `json:"business_owner,omitempty"`
	Purpose     string       `json:"purpose,omitempty"`
	Environment string       `json:"environment,omitempty"`
	ManagedBy   string       `json:"managed_by,omitempty"`
	Target      TargetID     `json:"target,omitempty"`
	Risk        string       `json:"risk,omitempty"`
	Created     Stamp        `json:"created,omitzero"`
	LastUsed    Stamp        `json:"last_used,omitzero"`
	Rotated     Stamp        `json:"rotated,omitzero"` // its secret was made or replaced
	RotateBy    Stamp        `json:"rotate_by,omitzero"`
	Expires     Stamp        `json:"expires,omitzero"`
	ReviewBy    Stamp        `json:"review_by,omitzero"` // the next attestation
	Attested    Stamp        `json:"attested,omitzero"`
	Sources     []string     `json:"sources,omitempty"`  // who says that it exists: "file", "import/cmdb", "discovery/pg-main"
	Findings    []string     `json:"findings,omitempty"` // codes of what is wrong whatever the time is
	Related     []IdentityID `json:"related,omitempty"`
	Waived      []string     `json:"waived,omitempty"`     // controls that exceptions waive now
	KillTested  Stamp        `json:"kill_tested,omitzero"` // of an AI agent: when its kill switch was tried last
	Creator     PersonID     `json:"creator,omitempty"`
	LastUser    PersonID     `json:"last_user,omitempty"` // the person who acted as it last: grants say that, and who reads puts it in

	Words []string `json:"-"` // lower case; what a search finds it by, from their beginning
	Keys  []string `json:"-"` // exact names of other systems: "subject:…", "fp:…", "serial:…", "account:…"
}

// InventoryQuery asks for identities, in the order of their ids. Empty fields do not restrict.
type InventoryQuery struct {
	Words       []string // each must begin a word of the row
	Key         string   // one exact key
	State       string
	Kind        string
	Owner       string // or backup
	Target      TargetID
	Environment string
	ManagedBy   string
	Finding     string // a code
	EndsBefore  Stamp  // expires, and before this
	UsedBefore  Stamp  // last used before this, or never as far as is known
	After       IdentityID
	Limit       int // rows; the store's own cap when it is zero or more
}

// Matches tells whether a row is among those that the query asks for, whatever its limit.
func (q InventoryQuery) Matches(r InventoryRow) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return r.ID > q.After && is(q.State, r.State) && is(q.Kind, r.Kind) && is(string(q.Target), string(r.Target)) && is(q.Environment, r.Environment) &&
		is(q.ManagedBy, r.ManagedBy) && (q.Owner == "" || q.Owner == r.Owner || q.Owner == r.Backup) &&
		(q.EndsBefore == 0 || r.Expires > 0 && r.Expires < q.EndsBefore) && (q.UsedBefore == 0 || r.LastUsed < q.UsedBefore) &&
		(q.Finding == "" || hasText(r.Findings, q.Finding)) && (q.Key == "" || hasText(r.Keys, q.Key)) && q.found(r.Words)
}

func (q InventoryQuery) found(words []string) bool {
	for _, want := range q.Words {
		hit := false
		for _, w := range words {
			hit = hit || strings.HasPrefix(w, want)
		}
		if !hit {
			return false
		}
	}
	return true
}

func hasText(list []string, want string) bool {
	for _, x := range list {
		if x == want {
			return true
		}
	}
	return false
}
