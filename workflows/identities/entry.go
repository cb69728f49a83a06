package identities

import (
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Kinds of identity. Those of people and contractors stand for humans; the rest is not human.
const (
	KindHuman      = "human"
	KindContractor = "contractor"
	KindAgent      = "ai_agent"
	KindWorkload   = "workload"
)

// MachineKinds are the kinds that are not people.
func MachineKinds() []string {
	return []string{
		"service_account", "automation_account", "api_key", "oauth_token", "certificate", "ssh_key", KindWorkload, KindAgent, KindApp,
	}
}

// Who manages an identity (R39).
const (
	ManagedInternal   = "internal"
	ManagedContractor = "contractor"
	ManagedVendor     = "vendor"
	ManagedLowCode    = "low-code"
)

// Where the secret of a credential is stored (R16).
const (
	StoredVault     = "vault"     // in a secret store
	StoredNative    = "native"    // the platform keeps it: a service account token, a role's trust
	StoredNone      = "none"      // there is no secret to keep: federation, short-lived certificates
	StoredUnmanaged = "unmanaged" // a file, a variable, a person: a finding
)

// Entry is what a source says of an identity. An empty field says nothing. Texts that can be erased stand in Claimed beside it.
type Entry struct {
	Class       string             `json:"class,omitempty"` // one of the kinds
	Name        string             `json:"name,omitempty"`
	Owner       string             `json:"owner,omitempty"` // "p_…", or "group:dba"
	Backup      string             `json:"backup,omitempty"`
	Business    string             `json:"business_owner,omitempty"`
	Purpose     string             `json:"purpose,omitempty"`
	Environment string             `json:"environment,omitempty"`
	Target      workflows.TargetID `json:"target,omitempty"`
	Scope       []string           `json:"scope,omitempty"`  // exactly what it may do there: "role:app_rw", "repo:shop:write"
	Used        []string           `json:"used,omitempty"`   // of that, what it was seen to use (R90)
	Uses        []string           `json:"uses,omitempty"`   // the workloads that were seen to use it (R94)
	Stored      string             `json:"stored,omitempty"` // class of the place of its secret
	ManagedBy   string             `json:"managed_by,omitempty"`
	Risk        string             `json:"risk,omitempty"` // low, medium, high, critical
	Vendor      string             `json:"vendor,omitempty"`
	Sponsor     workflows.PersonID `json:"sponsor,omitempty"`
	ContractEnd workflows.Stamp    `json:"contract_end,omitzero"`
	Ticket      string             `json:"ticket,omitempty"` // the evidence of its approval: a ticket, or "request/r_…"
	Created     workflows.Stamp    `json:"created,omitzero"`
	LastUsed    workflows.Stamp    `json:"last_used,omitzero"`
	Rotated     workflows.Stamp    `json:"rotated,omitzero"`
	Expires     workflows.Stamp    `json:"expires,omitzero"`
	RotateEvery workflows.Span     `json:"rotate_every,omitempty"`
	ReviewEvery workflows.Span     `json:"review_every,omitempty"`
	Issuer      string             `json:"issuer,omitempty"` // of tokens, certificates, workload identities
	Subject     string             `json:"subject,omitempty"`
	Serial      string             `json:"serial,omitempty"`
	LastFour    string             `json:"last_four,omitempty"`
	Print       string             `json:"fingerprint,omitempty"` // keyed: "hmac:…"
	Mark        string             `json:"mark,omitempty"`        // keyed, of the account on the target
	Model       string             `json:"model,omitempty"`       // of an AI agent: provider and model
	Tools       []string           `json:"tools,omitempty"`
	DataReach   string             `json:"data_reach,omitempty"`
	Autonomy    string             `json:"autonomy,omitempty"`
	KillTested  workflows.Stamp    `json:"kill_tested,omitzero"`
	RetirePlan  string             `json:"retire_plan,omitempty"`
	Person      workflows.PersonID `json:"person,omitempty"` // the human whose own account automation runs as
	Tags        []string           `json:"tags,omitempty"`
	Creator     workflows.PersonID `json:"creator,omitempty"` // who asked for it, or made it: they may know its secret; NobodyNow: a person of whom nothing else is known
}

// NobodyNow is a creator whom a source names and the people file does not know.
const NobodyNow workflows.PersonID = "gone"

// field is one thing that sources may say, and disagree about.
type field struct {
	name string
	fact bool // what only the target knows: discovery goes first
	text func(*Entry) *string
	when func(*Entry) *workflows.Stamp
	span func(*Entry) *workflows.Span
	list func(*Entry) *[]string
}

// fields are those whose sources are weighed, in the order of Entry.
func fields() []field {
	word := func(name string, at func(*Entry) *string) field { return field{name: name, text: at} }
	fact := func(name string, at func(*Entry) *string) field { return field{name: name, fact: true, text: at} }
	return []field{
		word("kind", func(e *Entry) *string { return &e.Class }), word("name", func(e *Entry) *string { return &e.Name }),
		word("owner", func(e *Entry) *string { return &e.Owner }), word("backup", func(e *Entry) *string { return &e.Backup }),
		word("business_owner", func(e *Entry) *string { return &e.Business }), word("purpose", func(e *Entry) *string { return &e.Purpose }),
		word("environment", func(e *Entry) *string { return &e.Environment }),
		word("target", func(e *Entry) *string { return (*string)(&e.Target) }),
		{name: "scope", fact: true, list: func(e *Entry) *[]string { return &e.Scope }},
		{name: "used", fact: true, list: func(e *Entry) *[]string { return &e.Used }},
		{name: "uses", fact: true, list: func(e *Entry) *[]string { return &e.Uses }},
		word("stored", func(e *Entry) *string { return &e.Stored }), word("managed_by", func(e *Entry) *string { return &e.ManagedBy }),
		word("risk", func(e *Entry) *string { return &e.Risk }), word("vendor", func(e *Entry) *string { return &e.Vendor }),
		word("sponsor", func(e *Entry) *string { return (*string)(&e.Sponsor) }),
		{name: "contract_end", when: func(e *Entry) *workflows.Stamp { return &e.ContractEnd }},
		word("ticket", func(e *Entry) *string { return &e.Ticket }),
		{name: "created", fact: true, when: func(e *Entry) *workflows.Stamp { return &e.Created }},
		{name: "last_used", fact: true, when: func(e *Entry) *workflows.Stamp { return &e.LastUsed }},
		{name: "rotated", fact: true, when: func(e *Entry) *workflows.Stamp { return &e.Rotated }},
		{name: "expires", when: func(e *Entry) *workflows.Stamp { return &e.Expires }},
		{name: "rotate_every", span: func(e *Entry) *workflows.Span { return &e.RotateEvery }},
		{name: "review_every", span: func(e *Entry) *workflows.Span { return &e.ReviewEvery }},
		fact("issuer", func(e *Entry) *string { return &e.Issuer }), fact("subject", func(e *Entry) *string { return &e.Subject }),
		fact("serial", func(e *Entry) *string { return &e.Serial }), fact("last_four", func(e *Entry) *string { return &e.LastFour }),
		fact("fingerprint", func(e *Entry) *string { return &e.Print }), fact("mark", func(e *Entry) *string { return &e.Mark }),
		word("model", func(e *Entry) *string { return &e.Model }),
		{name: "tools", list: func(e *Entry) *[]string { return &e.Tools }},
		word("data_reach", func(e *Entry) *string { return &e.DataReach }), word("autonomy", func(e *Entry) *string { return &e.Autonomy }),
		{name: "kill_tested", when: func(e *Entry) *workflows.Stamp { return &e.KillTested }},
		word("retire_plan", func(e *Entry) *string { return &e.RetirePlan }),
		word("person", func(e *Entry) *string { return (*string)(&e.Person) }),
		{name: "tags", list: func(e *Entry) *[]string { return &e.Tags }},
		word("creator", func(e *Entry) *string { return (*string)(&e.Creator) }),
	}
}

// value is a field of an entry as one text; empty when the entry says nothing.
func (f field) value(e *Entry) string {
	switch {
	case f.text != nil:
		return *f.text(e)
	case f.when != nil:
		if at := *f.when(e); at != 0 {
			return at.String()
		}
	case f.span != nil:
		if d := *f.span(e); d != 0 {
			return d.String()
		}
	case f.list != nil:
		return strings.Join(*f.list(e), "\n")
	}
	return ""
}

// take copies a field.
func (f field) take(dst, src *Entry) {
	switch {
	case f.text != nil:
		*f.text(dst) = *f.text(src)
	case f.when != nil:
		*f.when(dst) = *f.when(src)
	case f.span != nil:
		*f.span(dst) = *f.span(src)
	case f.list != nil:
		*f.list(dst) = *f.list(src)
	}
}

// with is the entry with what another says put in.
func (e Entry) with(o Entry) Entry {
	for _, f := range fields() {
		if f.value(&o) != "" {
			f.take(&e, &o)
		}
	}
	return e
}
