package desk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// Desk carries out commands. It is safe for concurrent use.
type Desk struct {
	ledger    Ledger
	directory Directory
	ids       IDs
	log       *slog.Logger
	loading   sync.RWMutex // held while a policy becomes the one that governs; read-held while a decision under one is recorded
	policy    atomic.Pointer[Policy]
	waiting   *waiting // guarded by loading
	reader    Reader
	tasks     []TaskSource
	postures  []PostureSource
	incidents Incidents
	access    StandingAccess
	feeds     Feeds
	abilities Abilities
	prints    func(fingerprint string) []string
	onPolicy  func(*Policy)
	versions  versions
	seen15    memory // what was said of people in the last quarter of an hour
}

// Config is what a Desk is made of; every field is needed where nothing else is said.
type Config struct {
	Ledger    Ledger
	Directory Directory
	IDs       IDs
	Log       *slog.Logger
	Reader    Reader          // nil: targets are not asked
	Tasks     []TaskSource    // may be empty; asked in this order; the first that covers a reference answers for it
	Postures  []PostureSource // may be empty; all of them are asked
	Incidents Incidents       // nil: nobody keeps incidents
	Standing  StandingAccess  // nil: standing access is not taken away by campaigns
	Feeds     Feeds           // nil: no rotation goes by a feed
	Abilities Abilities       // nil: nobody says what targets can do
	// Prints gives the names under which the inventory may have a key with a fingerprint; nil: it has none.
	Prints   func(fingerprint string) []string
	OnPolicy func(*Policy) // may be nil; called whenever another policy governs, before anything is decided under it; must not call the desk
}

// Reader asks targets who has what, and changes nothing. Package cmd joins it to the connectors.
type Reader interface {
	// Holds tells whether an account has an entitlement on its target now, whatever gave it. An error means that the target cannot tell.
	Holds(ctx context.Context, e workflows.Entitlement, holder workflows.IdentityID, account string) (bool, error)
}

// New makes a Desk that refuses everything until Load has given it a policy.
func New(c Config) *Desk {
	d := &Desk{ledger: c.Ledger, ids: c.IDs, log: c.Log, onPolicy: c.OnPolicy, reader: c.Reader, tasks: c.Tasks, postures: c.Postures, incidents: c.Incidents, access: c.Standing, feeds: c.Feeds, abilities: c.Abilities, prints: c.Prints}
	d.directory = overseen{attentive{c.Directory, d}, d}
	d.policy.Store(&Policy{})
	return d
}

// IDs makes the identifiers that must exist before a decision is taken.
type IDs interface {
	// New gives prefix + a time-ordered random id of 26 characters, lower-case letters and digits.
	New(prefix string) string
	// Nonce gives 128 random bits in hex.
	Nonce() string
}

// Directory answers who people are now. Package bot implements it on the chat and on the people file.
type Directory interface {
	// Standing asks freshly (at most 60 s old) about the account that acts. Selected is left false. An error means "could
	// not ask", which refuses.
	Standing(ctx context.Context, by workflows.Acting) (workflows.Standing, error)
	// StandingOf asks about a person by whatever account they decide with.
	StandingOf(ctx context.Context, p workflows.PersonID) (workflows.Standing, error)
	// ChatGroup resolves a user group of the chat ("@dba") to persons. No such group is an error, not an empty list.
	ChatGroup(ctx context.Context, handle string) ([]workflows.PersonID, error)
	// ChatChannel resolves a channel of the chat ("#dba") to its members. No such channel is an error, not an empty list.
	ChatChannel(ctx context.Context, name string) ([]workflows.PersonID, error)
	// Name is how people know the person; the id when nobody does (any more).
	Name(ctx context.Context, p workflows.PersonID) string
}

// Policy is the version that governs now.
func (d *Desk) Policy() *Policy { return d.policy.Load() }

// Name is how people know the person.
func (d *Desk) Name(ctx context.Context, p workflows.PersonID) string {
	return d.directory.Name(ctx, p)
}

// decide is a decision over recorded facts.
type decide func(workflows.Facts) (workflows.Outcome, error)

// update runs a decision and adds to its outcome what every change owes: the outstanding jobs and lists of each stream that
// changed, and the surfaces that show it.
func (d *Desk) update(ctx context.Context, cause Cause, streams []workflows.StreamID, fn decide) (Result, error) {
	return d.ledger.Update(ctx, cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := fn(f)
		if err != nil {
			return workflows.Outcome{}, err
		}
		return settle(f, out)
	})
}

// under is update for a decision that was prepared under a policy. If another governs by now, nothing is decided and ErrAskAgain returned:
// the entries of the ledger then stand in the order in which their policies did.
func (d *Desk) under(ctx context.Context, p *Policy, cause Cause, streams []workflows.StreamID, fn decide) (Result, error) {
	d.loading.RLock()
	defer d.loading.RUnlock()
	return d.update(ctx, cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		if d.Policy() != p {
			return workflows.Outcome{}, workflows.ErrAskAgain
		}
		return fn(f)
	})
}

// maxAsks bounds how often a command asks the world again because somebody else voted or the policy changed meanwhile.
const maxAsks = 5

// again carries out a command, and anew as long as the record or the policy has moved on since the world was asked.
func again[T any](fn func() (T, error)) (T, error) {
	out, err := fn()
	for i := 1; i < maxAsks && errors.Is(err, workflows.ErrAskAgain); i++ {
		out, err = fn()
	}
	return out, err
}

func settle(f workflows.Facts, out workflows.Outcome) (workflows.Outcome, error) {
	out.Pending = map[workflows.StreamID][]workflows.Job{}
	out.Listings = map[workflows.StreamID][]workflows.Listing{}
	out.Inventory = map[workflows.StreamID]*workflows.InventoryRow{}
	after := f.Provisional(out.Events)
	for stream, h := range f.Histories {
		// A stream that was named but did not change says again what it owes: a job row that came early is set right. What
		// changed without being named is a refusal on the system stream: nothing hangs on it.
		if changed, ok := after[stream]; ok {
			h = changed
		}
		if len(h) == 0 {
			continue
		}
		o, err := Outstanding(stream, h)
		if err != nil {
			return workflows.Outcome{}, fmt.Errorf("settling %q: %w", stream, err)
		}
		out.Pending[stream], out.Listings[stream] = o.Jobs, o.Lists
		if stream.Kind() == workflows.KindIdentity {
			out.Inventory[stream] = o.Row
		}
		if _, changed := after[stream]; changed {
			out.Touch = append(out.Touch, o.Touch...)
		}
	}
	return out, nil
}

// Outlasting is what a stream's state owes: jobs, lists, surfaces.
type Outlasting struct {
	Jobs  []workflows.Job
	Lists []workflows.Listing
	Touch []workflows.StreamID
	Row   *workflows.InventoryRow // of an identity; nil: no source knows it
}

// Outstanding folds a history of any kind and says what it owes. A verifier calls it too: the store's jobs and lists must
// equal it.
func Outstanding(stream workflows.StreamID, h []workflows.Record) (Outlasting, error) {
	switch stream.Kind() {
	case workflows.KindRequest:
		s, err := workflows.Fold(h)
		if err != nil {
			return Outlasting{}, err
		}
		return Outlasting{Jobs: workflows.Pending(s), Lists: workflows.Listings(s), Touch: homes(s.Parties())}, nil
	case workflows.KindGrant:
		s, err := grants.Fold(h)
		if err != nil {
			return Outlasting{}, err
		}
		return Outlasting{Jobs: grants.Pending(s), Lists: grants.Listings(s), Touch: grantSurfaces(s)}, nil
	case workflows.KindReview:
		s, err := reviews.Fold(h)
		if err != nil {
			return Outlasting{}, err
		}
		return Outlasting{Jobs: reviews.Pending(s), Lists: reviews.Listings(s), Touch: homes(append([]workflows.PersonID{s.Opened.Owner}, s.Opened.Others...))}, nil
	case workflows.KindRunbook:
		s, err := incidents.Fold(h)
		if err != nil {
			return Outlasting{}, err
		}
		return Outlasting{Jobs: incidents.Pending(s), Lists: incidents.Listings(s)}, nil
	case workflows.KindRun:
		s, err := runs.Fold(h)
		if err != nil {
			return Outlasting{}, err
		}
		return Outlasting{Jobs: runs.Pending(s), Lists: runs.Listings(s), Touch: homes(s.People)}, nil
	}
	if stream.Kind() == workflows.KindCampaign {
		s, err := campaigns.Fold(h)
		return Outlasting{Jobs: campaigns.Pending(s), Lists: campaigns.Listings(s)}, err
	}
	if stream.Kind() == workflows.KindSheet {
		s, err := campaigns.FoldSheet(h)
		return Outlasting{Jobs: campaigns.PendingSheet(s), Lists: campaigns.SheetListings(s)}, err
	}
	if stream.Kind() == workflows.KindIdentity {
		s, err := identities.FoldIdentity(h)
		if err != nil {
			return Outlasting{}, err
		}
		return Outlasting{Jobs: identities.Pending(s), Lists: slices.Concat(identities.Listings(s), quarantineLists(s.ID, s.Quarantine), watchLists(s.ID, s.Watches)), Row: s.Row()}, nil
	}
	if stream.Kind() == workflows.KindIncident {
		s, err := incidents.FoldIncident(h)
		return Outlasting{Jobs: incidents.IncidentPending(s), Lists: incidents.IncidentListings(s)}, err
	}
	if stream.Kind() == workflows.KindEscalation {
		s, err := escalations.Fold(h)
		return Outlasting{Jobs: escalations.Pending(s), Lists: escalations.Listings(s), Touch: homes(s.Parties())}, err
	}
	if stream.Kind() == workflows.KindTarget {
		s, err := targets.Fold(h)
		return Outlasting{Jobs: targets.Pending(s), Lists: targets.Listings(s)}, err
	}
	if stream.Kind() == workflows.KindPerson {
		s, err := identities.FoldPerson(h)
		return Outlasting{Jobs: identities.PersonPending(s), Lists: slices.Concat(awayLists(s), s.KeyListings(), quarantineLists(s.ID.Identity(), s.Quarantine), watchLists(s.ID.Identity(), s.Watches))}, err
	}
	if stream == workflows.PolicyStream {
		s, err := foldPolicy(h)
		if err != nil {
			return Outlasting{}, err
		}
		var jobs []workflows.Job
		for _, n := range s.notices() {
			jobs = append(jobs, n.Job())
		}
		return Outlasting{Jobs: jobs}, nil
	}
	return Outlasting{}, nil
}

func homes(people []workflows.PersonID) []workflows.StreamID {
	out := make([]workflows.StreamID, 0, len(people))
	for _, p := range people {
		if p != "" {
			out = append(out, workflows.HomeSurface(p))
		}
	}
	return out
}

// grantSurfaces are the cards of the requests behind live or lately ended grants, and the homes of their people.
func grantSurfaces(s grants.State) []workflows.StreamID {
	var out []workflows.StreamID
	for i, h := range s.Holds {
		if !h.Live() && i < len(s.Holds)-8 {
			continue // long over: its card was painted when it ended
		}
		if h.Approved.Request != "" {
			out = append(out, workflows.RequestStream(h.Approved.Request))
		}
		out = append(out, homes([]workflows.PersonID{h.Approved.Requester, h.Approved.Identity.Person()})...)
	}
	return out
}

// askTimeout bounds what is asked of the world before a decision, so that a slow directory refuses instead of hanging.
const askTimeout = 10 * time.Second
