package runbooks

import (
	"context"
	"iter"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// The optional parts of a connector. Each is found by assertion; who declares one is held to it by runbooktest.Exercise.
// What is said of Connector holds here too: calls come back soon after ctx ends, come from several goroutines, are repeated
// after a crash, and their errors are classed and safe for the ledger.

// Lister tells what the target really has: everybody's access of the kinds that this connector grants, whoever made it.
type Lister interface {
	// ListAccess streams all access, in any order, in memory that does not grow with their number: page on, keep nothing.
	// What belongs to the target itself (superusers, the bot's own account) is left out. An error ends the stream; what
	// came before it was true, but nothing can be concluded from what did not come.
	ListAccess(ctx context.Context) iter.Seq2[Access, error]

	// AccessKey is the Key under which ListAccess gives what Grant(g) makes. It is a function of g alone and does no I/O;
	// empty when g could never be made.
	AccessKey(g Grant) string

	// RemoveAccess takes away one access as it was listed, whoever made it, and ends what it can of its sessions. It is
	// idempotent, and refuses when the target has something else under that key by now.
	RemoveAccess(ctx context.Context, a Access) (Receipt, error)
}

// Access is one thing that one account can do on a target.
type Access struct {
	// Key names the access within the target: the same in every list for as long as it exists, ≤ 500 bytes. It equals the
	// AccessKey of a grant only if that grant explains the access in full: a membership that another administrator made
	// beside ours has another key.
	Key     string
	Account string              // who can: the name on the target
	Params  map[string][]string // what: in the words of this connector's entitlements, so that the entitlement can be found
	What    string              // the same as a phrase for people: "member of the role reader"

	Group bool              // the account is not one that logs in: taking it away would take it from all behind it, so nothing does by itself
	Ours  bool              // made by the bot, as the target tells (by grantor, label, comment)
	Grant workflows.GrantID // the grant that made it, where the target keeps that; it is a claim and is looked up

	MadeBy   string    // who made it, as the target names them; empty when it does not keep or log that
	MadeAt   time.Time // likewise; UTC
	LastUsed time.Time // likewise; zero: unknown, not "never"
	Ends     time.Time // the target's own end of it; zero: none
}

// Discoverer finds identities on the target, for the inventory: accounts of services, roles that log in, keys, tokens.
type Discoverer interface {
	// Discover streams them as ListAccess does.
	Discover(ctx context.Context) iter.Seq2[Discovered, error]
}

// Discovered is one identity or credential that a target has. No field ever holds a secret; an identifier that is one
// (a token) is given as the target's own masked form or as a fingerprint.
type Discovered struct {
	Ref   string // the target's own name, stable: "role app_payments", "key AKIA…", "serviceaccount prod/api"
	Kind  string // as the inventory says it: human, service_account, automation_account, api_key, oauth_token, certificate, ssh_key, workload, ai_agent, integration; empty: cannot tell
	Name  string // for people
	Owner string // whom the target names as owner: a hint (label, tag, comment), never proof
	Of    string // Ref of the identity that a credential belongs to; empty for an identity

	MadeBy                    string
	MadeAt, LastUsed, Expires time.Time         // zero: the target does not tell, or there is none
	Grants                    []string          // what it can do, in phrases, most important first, ≤ 20
	Facts                     map[string]string // ≤ 20 entries of ≤ 500 bytes: scopes, algorithm, serial
	Fingerprint               string            // of a key or certificate, "SHA256:…"
	Strong                    bool              // administers the target
	Grant                     workflows.GrantID // when it exists because of a grant of ours
}

// Facts of an app that the inventory takes in (R88).
const (
	FactVendor = "vendor"     // whose app it is
	FactReach  = "data_reach" // what data of the company it sees, as a phrase
)

// Catalog lists what can be granted, so that forms offer it and nobody types it.
type Catalog interface {
	// ListOffers streams what Grant would take, without what it would refuse.
	ListOffers(ctx context.Context) iter.Seq2[Offer, error]
}

// OpenCatalog is an optional part of a Catalog that does not list all that Grant takes.
type OpenCatalog interface {
	// IsUnlisted tells whether an entitlement's words mean something that ListOffers would not give though it is there.
	IsUnlisted(ctx context.Context, params map[string][]string) bool
}

// Offer is one thing that can be granted.
type Offer struct {
	Name        string              // short, stable within the target: becomes an entitlement's id
	Params      map[string][]string // the entitlement's words
	Description string              // the target's own words for it (a comment), redacted; may be empty
	Account     bool                // the holder needs an account on the target
}

// Planner says what exactly will change, for the approver, before anything does.
type Planner interface {
	// Plan reads the target and changes nothing. A refusal here is the refusal that Grant would give.
	Plan(ctx context.Context, g Grant) (Plan, error)
}

// Plan is what Grant would do now.
type Plan struct {
	Changes  []string // sentences, ≤ 20 of ≤ 500 bytes; none: the access is there already
	Notes    []string // what the approver should know: what else the role reaches, what revoking leaves
	Standing []string // other ways in which the account has the same already (R52); they do not end with the grant
}

// Waiter tells which grants wait for people at the target itself, after they were approved here: a control group of Vault, for one.
type Waiter interface {
	// Waiting gives a sentence for each such grant: what people do, and where.
	Waiting(ctx context.Context) (map[workflows.GrantID]string, error)
}

// SessionEnder ends the live sessions of a grant without taking the access away.
type SessionEnder interface {
	// EndSessions gives how many it ended; they are gone when it returns.
	EndSessions(ctx context.Context, g Grant) (int, error)
}

// SessionLog tells of sessions that are over, too, out of the target's own log.
type SessionLog interface {
	// PastSessions streams the sessions of a grant that began at or after since, oldest first, live ones included.
	PastSessions(ctx context.Context, g Grant, since time.Time) iter.Seq2[Session, error]
}

// Rotator replaces a credential of an identity: a new one is made beside the old one, proven, and only then the old one is
// retired. Each step is idempotent by r.ID; when one fails, the old credential still works.
type Rotator interface {
	// Renew makes the new credential. Where the caller has a say about the secret, it is r.Secret, made and kept before
	// this call, so that a repeated call makes the same; where the target makes it, it is in the answer and given only once
	// (a repeated call makes another one and retires the first).
	Renew(ctx context.Context, r Rotation) (Renewed, error)

	// Prove uses the new credential on the target, as its holder would.
	Prove(ctx context.Context, r Rotation, n Renewed) error

	// Retire takes the old credential out of use, and ends its sessions where it can.
	Retire(ctx context.Context, r Rotation, n Renewed) error
}

// Rotation is an order to replace one credential.
type Rotation struct {
	ID       string // "rot_…", made by us
	Identity workflows.IdentityID
	Account  string              // the identity's account on the target
	Old      string              // Ref of the credential to retire, as Discover gives it
	Params   map[string][]string // what the connector needs beside that
	Secret   Secret              // of the new one
	Expires  time.Time           // of the new one; zero: as the target does it
}

// Renewed is a new credential.
type Renewed struct {
	Ref    string            // the target's name for it
	Facts  map[string]string // safe for the ledger
	Secret Secret            // where the target made it; zero when it is the Rotation's
}
