package workflows

import "strings"

// Identifiers. They are distinct types so that a function that wants a person cannot be handed an account.
type (
	// ActorID names one account (a Slack team+user, an OIDC subject, a Unix user) as "a_" + 128 random bits in hex, or
	// one of the fixed actors below.
	ActorID string
	// PersonID names one human as "p_" + 128 random bits in hex; names and addresses live in erasable tables.
	PersonID string
	// IdentityID names who holds access: a PersonID, or a non-human identity that stands in clear ("svc-deploy").
	IdentityID string
	// RequestID names a request as "r_" + a time-ordered random id.
	RequestID string
	// GrantID names one time-boxed effect of an approved request as "g_" + a time-ordered random id.
	GrantID string
	// ReviewID names a post-incident review as "v_" + a time-ordered random id.
	ReviewID string
	// RunID names one carrying out of a runbook's steps as "u_" + a time-ordered random id; of a routine one it is the id of its request.
	RunID string
	// CampaignID names one run of a campaign as "c_" + a time-ordered random id.
	CampaignID string
	// SheetID names what one reviewer looks at in one run, as the run's id, "-" and a number.
	SheetID string
	// WorkflowID names a documented chain, [a-z0-9-].
	WorkflowID string
	// TargetID names a system that access is granted on, [a-z0-9-].
	TargetID string
	// EntitlementID names one role or scope on a target, [a-z0-9-].
	EntitlementID string
	// RunbookID names a runbook document, [a-z0-9-].
	RunbookID string
	// DocHash is "sha256:" + 64 hex digits of a document's exact bytes.
	DocHash string
	// StreamID is "kind/rest"; every ledger entry belongs to exactly one stream.
	StreamID string
)

// SystemActor acts when nobody else does: timers, the jobs loop, start and stop.
const SystemActor ActorID = "system"

// The kinds of stream.
const (
	KindRequest  = "request"
	KindGrant    = "grant"
	KindRunbook  = "runbook"
	KindIdentity = "identity"
	KindPerson   = "person"
	KindIncident = "incident"
	KindReview   = "review"
	KindTarget   = "target" // what is found on one target beside its grants
	KindPolicy   = "policy"
	KindSystem   = "system"
	KindRun      = "run"

	KindEscalation = "escalation" // somebody is told that something cannot wait, until somebody acknowledges
	KindCampaign   = "campaign"   // all runs of one campaign
	KindSheet      = "sheet"      // what one reviewer looks at in one run
)

// PolicyStream and SystemStream are the two streams that exist once.
const (
	PolicyStream StreamID = "policy"
	SystemStream StreamID = "system"
)

// Kind is the part before the first slash.
func (s StreamID) Kind() string {
	kind, _, _ := strings.Cut(string(s), "/")
	return kind
}

// Rest is the part after the first slash, empty for the streams that exist once.
func (s StreamID) Rest() string {
	_, rest, _ := strings.Cut(string(s), "/")
	return rest
}

// RequestStream is the stream of one request.
func RequestStream(id RequestID) StreamID { return StreamID(KindRequest + "/" + string(id)) }

// GrantStream is the stream of everything one identity ever held of one entitlement on one target.
func GrantStream(who IdentityID, target TargetID, e EntitlementID) StreamID {
	return StreamID(KindGrant + "/" + string(who) + "/" + string(target) + "/" + string(e))
}

// RunbookStream is the stream of one runbook: its approvals and invocations.
func RunbookStream(id RunbookID) StreamID { return StreamID(KindRunbook + "/" + string(id)) }

// ReviewStream is the stream of one review.
func ReviewStream(id ReviewID) StreamID { return StreamID(KindReview + "/" + string(id)) }

// RunStream is the stream of one carrying out of a runbook.
func RunStream(id RunID) StreamID { return StreamID(KindRun + "/" + string(id)) }

// CampaignStream is the stream of all runs of one campaign, by its name.
func CampaignStream(name string) StreamID { return StreamID(KindCampaign + "/" + name) }

// SheetStream is the stream of what one reviewer looks at in one run.
func SheetStream(id SheetID) StreamID { return StreamID(KindSheet + "/" + string(id)) }

// PersonStream is the stream of one human.
func PersonStream(id PersonID) StreamID { return StreamID(KindPerson + "/" + string(id)) }

// IdentityStream is the stream of one non-human identity.
func IdentityStream(id IdentityID) StreamID { return StreamID(KindIdentity + "/" + string(id)) }

// TargetStream is the stream of what is found on one target, and of its drills.
func TargetStream(id TargetID) StreamID { return StreamID(KindTarget + "/" + string(id)) }

// HomeSurface is not a stream of the ledger: it names a person's Home page where surfaces to repaint are listed.
func HomeSurface(id PersonID) StreamID { return StreamID("home/" + string(id)) }

// IsPerson tells whether the holder is a human.
func (i IdentityID) IsPerson() bool { return strings.HasPrefix(string(i), "p_") }

// Person is the human, or empty for a non-human identity.
func (i IdentityID) Person() PersonID {
	if !i.IsPerson() {
		return ""
	}
	return PersonID(i)
}

// Identity is the holder that a human is.
func (p PersonID) Identity() IdentityID { return IdentityID(p) }
