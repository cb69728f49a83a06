package desk

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// Evidence answers what is asked about a credential in a dispute: whose it is, who approved it, who can take it back and how fast that was measured,
// how it is rotated, what it is for, who uses it now. What nobody can answer is a finding, never a blank.
type Evidence struct {
	IdentityView
	Approvals []EvidenceApproval // newest first, at most evidenceLines
	Revokers  []workflows.PersonID
	Held      []Holding // live grants
	ActedAs   []Holding // of people, to act as it: live and past ones, newest first, at most evidenceLines
	Sessions  int       // open ones, as far as targets tell
	Measured  int       // revocations that were read back
	P50, P95  time.Duration
	LastDrill workflows.Stamp // of its target
	Method    string          // how its secret is replaced; empty: nobody can say
	Silent    string          // where it is not told who uses it now; empty: every target that it is on tells
	Blanks    []string        // sentences: what nobody can answer
}

// EvidenceApproval is one decision that let it have something.
type EvidenceApproval struct {
	Entry     int64 // of the ledger
	At        workflows.Stamp
	What      string // "prod-db/read", "renewed until 2027-01-31"
	Request   workflows.RequestID
	Approvers []workflows.PersonID
}

// Prove is what to type for a proof of the decision; empty where an entry stands alone.
func (a EvidenceApproval) Prove() string {
	if a.Request == "" {
		return ""
	}
	return "countersign ledger prove " + string(a.Request)
}

const evidenceLines = 5 // newest approvals of a card

// EvidenceOf gathers the card of one identity for a person. What they may not see, and what there is not, is the same answer: workflows.ErrNoStream.
func (d *Desk) EvidenceOf(ctx context.Context, reader workflows.PersonID, id workflows.IdentityID) (Evidence, error) {
	v, err := d.Identity(ctx, reader, id)
	if err != nil {
		return Evidence{}, err
	}
	out := Evidence{IdentityView: v}
	e := v.Entry
	for _, o := range []string{e.Owner, e.Backup} {
		people, no := d.ownersOf(ctx, o)
		if o != "" && no == nil {
			out.revokers(people)
		}
	}
	out.revokers(d.roleHolders(ctx, d.Policy(), RoleSecurity))
	latency, err := d.evidenceGrants(ctx, &out)
	if err != nil {
		return out, err
	}
	if err := d.evidenceActs(ctx, &out); err != nil {
		return out, err
	}
	if err := d.evidenceLife(ctx, &out, &latency); err != nil {
		return out, err
	}
	if err := d.evidenceDrill(ctx, &out, &latency); err != nil {
		return out, err
	}
	sort.Slice(out.Approvals, func(i, j int) bool { return out.Approvals[j].Entry < out.Approvals[i].Entry })
	out.Approvals = out.Approvals[:min(len(out.Approvals), evidenceLines)]
	slices.Sort(latency)
	if n := len(latency); n > 0 {
		out.Measured, out.P50, out.P95 = n, latency[(n-1)/2], latency[(n*95+99)/100-1]
	}
	out.Method, out.Silent = d.rotationMethod(v.State, e), d.silentOn(&out)
	out.Blanks = out.blanks()
	return out, nil
}

func (x *Evidence) revokers(people []workflows.PersonID) {
	for _, p := range people {
		if p != "" && !slices.Contains(x.Revokers, p) {
			x.Revokers = append(x.Revokers, p)
		}
	}
}

// evidenceGrants takes in everything that it ever held of what the documents can grant, and what it holds now of anything.
func (d *Desk) evidenceGrants(ctx context.Context, out *Evidence) ([]time.Duration, error) {
	var streams []workflows.StreamID
	for _, e := range d.Policy().entitlements() {
		streams = append(streams, workflows.GrantStream(out.State.ID, e.Target, e.ID))
	}
	err := d.eachOf(ctx, out.State.ID, func(s workflows.StreamID) error {
		if !slices.Contains(streams, s) {
			streams = append(streams, s)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var latency []time.Duration
	for _, stream := range streams {
		h, err := d.ledger.History(ctx, stream)
		if err != nil {
			return nil, err
		}
		s, err := grants.Fold(h)
		if err != nil {
			return nil, err
		}
		for _, hold := range s.Holds {
			if hold.Live() {
				out.Held = append(out.Held, Holding{stream, hold})
				out.Sessions += len(hold.LiveSessions())
			}
			if hold.Presence == "absent" && hold.EndingAt.UTC != 0 && hold.KeptBy == "" {
				latency = append(latency, max(0, hold.EndedAt.UTC.Sub(hold.EndingAt.UTC)))
			}
		}
		for _, r := range h {
			if e, ok := r.Event.(grants.Approved); ok {
				out.Approvals = append(out.Approvals, EvidenceApproval{r.Index, r.At.UTC, string(e.Target) + "/" + string(e.Entitlement), e.Request, e.Approvers})
			}
		}
	}
	return latency, nil
}

// evidenceActs takes in who was let act as it, with the six items of each (R106).
func (d *Desk) evidenceActs(ctx context.Context, out *Evidence) error {
	streams, err := d.all(ctx, grants.ListActsAs, string(out.State.ID))
	if err != nil {
		return err
	}
	for _, stream := range streams {
		h, err := d.ledger.History(ctx, stream)
		if err != nil {
			return err
		}
		s, err := grants.Fold(h)
		if err != nil {
			return err
		}
		for _, hold := range s.Holds {
			if hold.Approved.ActsAs.Identity == out.State.ID {
				out.ActedAs = append(out.ActedAs, Holding{stream, hold})
			}
		}
	}
	sort.Slice(out.ActedAs, func(i, j int) bool { return out.ActedAs[j].Hold.At.UTC < out.ActedAs[i].Hold.At.UTC })
	out.ActedAs = out.ActedAs[:min(len(out.ActedAs), evidenceLines)]
	return nil
}

// evidenceLife takes in what was approved about the identity itself, and how long taking everything from it took.
func (d *Desk) evidenceLife(ctx context.Context, out *Evidence, latency *[]time.Duration) error {
	h, err := d.ledger.History(ctx, workflows.IdentityStream(out.State.ID))
	if err != nil {
		return err
	}
	asked := map[int64]workflows.Stamp{}
	for _, r := range h {
		switch e := r.Event.(type) {
		case identities.Suspended, identities.RetirementOpened:
			asked[r.Seq] = r.At.UTC
		case identities.Emptied:
			if from := asked[e.For]; from != 0 {
				*latency = append(*latency, max(0, r.At.UTC.Sub(from)))
			}
		case identities.Renewed:
			out.Approvals = append(out.Approvals, EvidenceApproval{r.Index, r.At.UTC, "renewed until " + e.Expires.LastDay(), e.Request, e.Approvers})
		case identities.WindowGranted:
			out.Approvals = append(out.Approvals, EvidenceApproval{r.Index, r.At.UTC, "standing window for " + string(e.Target) + "/" + string(e.Entitlement), workflows.RequestID(e.Window), e.Approvers})
		}
	}
	if id, ok := strings.CutPrefix(out.Entry.Ticket, workflows.KindRequest+"/"); ok {
		return d.evidenceTicket(ctx, out, workflows.RequestID(id))
	}
	return nil
}

// evidenceTicket takes in the request that the identity was approved by.
func (d *Desk) evidenceTicket(ctx context.Context, out *Evidence, id workflows.RequestID) error {
	h, err := d.ledger.History(ctx, workflows.RequestStream(id))
	if err != nil || len(h) == 0 {
		return err
	}
	s, err := workflows.Fold(h)
	if err != nil {
		return err
	}
	for _, r := range h {
		if _, ok := r.Event.(workflows.Approved); ok {
			out.Approvals = append(out.Approvals, EvidenceApproval{r.Index, r.At.UTC, "the identity itself", id, s.Voters()})
		}
	}
	return nil
}

// evidenceDrill takes in the last rehearsal on its target: where nothing of its own was ever revoked, that is how fast it would be.
func (d *Desk) evidenceDrill(ctx context.Context, out *Evidence, latency *[]time.Duration) error {
	if out.Entry.Target == "" {
		return nil
	}
	h, err := d.ledger.History(ctx, workflows.TargetStream(out.Entry.Target))
	if err != nil || len(h) == 0 {
		return err
	}
	s, err := targets.Fold(h)
	if err != nil || s.DrilledAt == 0 || !s.Drilled.OK {
		return err
	}
	out.LastDrill = s.DrilledAt
	*latency = append(*latency, time.Duration(s.Drilled.RevokeMS)*time.Millisecond)
	return nil
}

func (x *Evidence) blanks() []string {
	var out []string
	blank := func(is bool, text string) {
		if is {
			out = append(out, text)
		}
	}
	e := x.Entry
	blank(e.Owner == "", "nobody owns it")
	blank(x.Row.Attested == 0, "nobody attested it yet")
	blank(len(x.Approvals) == 0, "no approval of it is on record")
	blank(len(x.Revokers) == 0, "nobody can take it back")
	blank(e.Stored == "", "where its secret is kept is not on record")
	blank(x.Row.Rotated == 0, "when its secret was made is not on record")
	blank(e.RotateEvery == 0 && e.Stored != identities.StoredNone, "how often its secret is replaced is not on record")
	blank(x.Method == "", "how its secret is replaced is not on record: no routine does it, and nobody ever did")
	blank(x.Silent != "", "who uses it now cannot be told: "+x.Silent)
	blank(e.LastUsed == 0, "when it was used last is not on record")
	blank(len(e.Scope) == 0, "exactly what it may do is not on record")
	blank(x.Measured == 0, "taking it back was never measured, neither on it nor in a drill of its target")
	blank(x.LastDrill == 0 && e.Target != "", "taking access back was never rehearsed on its target")
	blank(e.Purpose == "", "what it is for is not on record")
	blank(e.Ticket == "", "no ticket or request says why it exists")
	return out
}

// FindIdentities finds identities by whatever somebody has of one: keys first (a fingerprint, a serial, last characters, a pseudonym of an account), and
// only where none fits the words of a name. It gives no people, and only what the reader may see.
func (d *Desk) FindIdentities(ctx context.Context, reader workflows.PersonID, keys []string, word string) ([]workflows.InventoryRow, error) {
	queries := make([]workflows.InventoryQuery, 0, len(keys)+1)
	for _, k := range keys[:min(len(keys), MaxLeakKeys)] {
		queries = append(queries, workflows.InventoryQuery{Key: k})
	}
	if w := identities.Words(word); len(w) > 0 {
		queries = append(queries, workflows.InventoryQuery{Words: w[:min(len(w), 8)]})
	}
	var found []workflows.InventoryRow
	for _, q := range queries {
		if q.Key == "" && len(found) > 0 {
			continue
		}
		rows, _, err := d.Inventory(ctx, reader, q)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			seen := slices.ContainsFunc(found, func(o workflows.InventoryRow) bool { return o.ID == r.ID })
			if !seen && r.Kind != identities.KindHuman {
				found = append(found, r)
			}
		}
	}
	return found, nil
}
