package workflows

// What a campaign looks at.
const (
	CampaignIdentities = "identities" // non-human identities of the inventory
	CampaignAccess     = "access"     // standing access on targets that no grant of ours explains
	CampaignRunbooks   = "runbooks"   // documents that may be invoked in an emergency
)

// CampaignScopes lists them, in the order of the manual.
func CampaignScopes() []string { return []string{CampaignIdentities, CampaignAccess, CampaignRunbooks} }

// Who reviews an item first. Whoever may not review their own is passed over: then the next of backup owner, owner of the target, manager of
// the owner and security is asked.
const (
	ReviewByOwner       = "owner"
	ReviewByBackup      = "backup"
	ReviewByTargetOwner = "target_owner"
	ReviewByManager     = "manager"
	ReviewBySecurity    = "security"
)

// CampaignReviewers lists them.
func CampaignReviewers() []string {
	return []string{ReviewByOwner, ReviewByBackup, ReviewByTargetOwner, ReviewByManager, ReviewBySecurity}
}

// What follows when nobody answers until the end.
const (
	SilenceRevoke   = "revoke"
	SilenceSuspend  = "suspend"
	SilenceEscalate = "escalate" // nothing is taken away; security is told of each item
)

// CampaignPlan is one campaign of campaigns.yaml: what is looked at, by whom, how often, and what follows from silence.
type CampaignPlan struct {
	Name        string        `json:"name"`
	Title       string        `json:"title"`
	Why         string        `json:"why"` // why it is looked at that often
	Of          string        `json:"of"`
	Where       CampaignScope `json:"where,omitzero"`
	Cron        string        `json:"cron,omitempty"` // empty: on demand only
	Zone        string        `json:"zone,omitempty"` // IANA; empty: UTC
	Reviewer    string        `json:"reviewer"`
	Self        bool          `json:"self_review,omitempty"` // owners may look at what is theirs
	Due         Span          `json:"due"`
	Remind      []Span        `json:"remind,omitempty"` // after the first message
	Escalate    Span          `json:"escalate,omitempty"`
	EscalateTo  string        `json:"escalate_to,omitempty"` // ReviewByManager, ReviewByTargetOwner, ReviewBySecurity
	Silence     string        `json:"silence"`
	Acknowledge []PersonID    `json:"acknowledge,omitempty"` // management: one of them signs the outcome
}

// CampaignScope chooses items. Empty fields do not restrict.
type CampaignScope struct {
	Kinds       []string   `json:"kinds,omitempty"`
	Environment string     `json:"environment,omitempty"`
	ManagedBy   string     `json:"managed_by,omitempty"`
	Risks       []string   `json:"risks,omitempty"`
	Targets     []TargetID `json:"targets,omitempty"`
	Findings    []string   `json:"findings,omitempty"` // at least one of them
}
