package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// evidenceCard answers what is asked about every credential (R35): whose it is, what it is for, how it is rotated, how fast it is revoked, and
// who approved it. What the ledger cannot answer is a finding, never a blank.
type evidenceCard struct {
	Name    string `json:"name"` // target/entitlement
	Origin  string `json:"origin"`
	Entries int64  `json:"entries"` // of the ledger it was read from
	AsOf    string `json:"as_of"`   // of the last of them

	Owner      string `json:"owner"`
	Backup     string `json:"backup,omitempty"`
	ReviewDate string `json:"review_date"` // until when its entry in the catalogue was attested
	Policy     string `json:"policy"`      // document that says so
	InForce    int64  `json:"in_force"`    // entry that put it in force

	Purpose     string   `json:"purpose"`
	Environment string   `json:"environment"`
	DataClass   string   `json:"data_class"`
	Tickets     []string `json:"tickets,omitempty"` // newest first, at most cardLines

	Rotation string     `json:"rotation"` // how it comes to be renewed
	Longest  string     `json:"longest"`
	Issued   int        `json:"issued"`
	Last     *cardGrant `json:"last,omitempty"`
	Open     int        `json:"open"` // not ended yet

	Revoked     int     `json:"revoked"`     // of which the target said so
	Unconfirmed int     `json:"unconfirmed"` // of which the target could not be read back yet
	Overdue     int     `json:"overdue"`     // alarms about revocations that did not succeed in time
	P50         float64 `json:"revoke_p50_s"`
	P95         float64 `json:"revoke_p95_s"`
	Slowest     float64 `json:"revoke_slowest_s"`
	LastDrill   string  `json:"last_drill,omitempty"`

	Approvals []cardGrant `json:"approvals,omitempty"` // newest first, at most cardLines
	Findings  []string    `json:"findings,omitempty"`
}

// cardGrant is one grant and where the ledger says who let it happen.
type cardGrant struct {
	Grant     string   `json:"grant"`
	Entry     int64    `json:"entry"`
	At        string   `json:"at"`
	Holder    string   `json:"holder"`
	Approvers []string `json:"approvers,omitempty"`
	Votes     []int64  `json:"votes,omitempty"` // entries
	Prove     string   `json:"prove"`           // what to type for a proof
	EndsAt    string   `json:"ends_at"`
}

const cardLines = 10 // newest approvals and tickets on a card; history and sample have the others

// ledgerCard prints the card of one entitlement.
func ledgerCard(ctx context.Context, p proc) error {
	flags := p.flags("ledger card", "TARGET/ENTITLEMENT [-data DIR|-bundle FILE] [-json]")
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	from := flags.String("bundle", "", "read an exported bundle instead")
	asJSON := flags.Bool("json", false, "print the card as JSON")
	words, err := p.parseMixed(flags, 1, 1)
	if err != nil {
		return err
	}
	e, err := openEvidence(ctx, p, *data, *from)
	if err != nil {
		return err
	}
	defer e.close()
	c, err := e.card(ctx, words[0])
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(c)
	}
	return c.writeText(p.out)
}

// cardReader gathers a card while the entries pass.
type cardReader struct {
	e        *evidence
	card     evidenceCard
	loaded   workflows.PolicyLoaded
	loadedAt int64
	votes    map[workflows.StreamID][]int64
	ending   map[workflows.GrantID]workflows.Stamp
	grants   map[workflows.GrantID]cardGrant
	ended    map[workflows.GrantID]bool
	waits    map[workflows.GrantID]bool // revoked, and not confirmed yet
	latency  []time.Duration
	drill    workflows.Stamp
	now      workflows.Stamp
	names    *narrator
}

func (e *evidence) card(ctx context.Context, name string) (c evidenceCard, err error) {
	size, err := e.size(ctx)
	if err != nil {
		return c, err
	}
	key, err := e.key(ctx, size)
	if err != nil {
		return c, err
	}
	r := &cardReader{
		e: e, card: evidenceCard{Name: name, Origin: originOf(key), Entries: size}, votes: map[workflows.StreamID][]int64{}, loadedAt: -1,
		ending: map[workflows.GrantID]workflows.Stamp{}, grants: map[workflows.GrantID]cardGrant{}, ended: map[workflows.GrantID]bool{},
		waits: map[workflows.GrantID]bool{}, names: newNarrator(time.UTC, e.names),
	}
	if err := e.rows(ctx, 0, size, func(x *row) error { r.take(x.Record); return nil }); err != nil {
		return c, err
	}
	if err := r.describe(ctx); err != nil {
		return c, err
	}
	if r.card.Policy == "" && r.card.Issued == 0 {
		return c, hint(fmt.Errorf("the ledger knows nothing called %q", name), "name an entitlement as target/entitlement, such as bastion/deploy; countersign docs lists them")
	}
	r.finish()
	return r.card, nil
}

func (r *cardReader) take(x workflows.Record) {
	r.now = max(r.now, x.At.UTC)
	switch e := x.Event.(type) {
	case workflows.PolicyLoaded:
		r.loaded, r.loadedAt = e, x.Index
	case workflows.VoteRecorded:
		if e.Verdict == workflows.Approve {
			r.votes[x.Stream] = append(r.votes[x.Stream], x.Index)
		}
	case grants.Approved:
		r.granted(x, e)
	case grants.Ending:
		if _, ours := r.grants[e.Grant]; ours && e.KeptBy == "" {
			r.ending[e.Grant] = x.At.UTC
		}
	case grants.Overdue:
		if _, ours := r.grants[e.Grant]; ours {
			r.card.Overdue++
		}
	case grants.Revoked:
		r.revoked(x, e.Grant, e.Presence == "absent")
	case grants.Verified:
		r.revoked(x, e.Grant, e.Presence == "")
	case grants.Failed:
		r.ended[e.Grant] = true
	}
}

func (r *cardReader) granted(x workflows.Record, e grants.Approved) {
	if string(e.Target)+"/"+string(e.Entitlement) != r.card.Name {
		return
	}
	g := cardGrant{
		Grant: string(e.Grant), Entry: x.Index, At: x.At.UTC.String(), Holder: r.names.identity(e.Identity), EndsAt: e.EndsAt.String(),
		Prove: "countersign ledger prove " + string(cmp.Or(e.Request, workflows.RequestID(e.Grant))),
	}
	for _, p := range e.Approvers {
		g.Approvers = append(g.Approvers, r.names.person(p))
	}
	if e.Request != "" {
		g.Votes = r.votes[workflows.RequestStream(e.Request)]
	}
	r.grants[e.Grant] = g
	r.card.Issued++
	r.card.Last = &g
	r.card.Approvals = append([]cardGrant{g}, r.card.Approvals[:min(len(r.card.Approvals), cardLines-1)]...)
	if t := cmp.Or(e.Ticket, e.Fields["ticket"]); t != "" && !slices.Contains(r.card.Tickets, t) {
		r.card.Tickets = append([]string{t}, r.card.Tickets[:min(len(r.card.Tickets), cardLines-1)]...)
	}
	if e.Drill {
		r.drill = max(r.drill, x.At.UTC)
	}
}

// revoked measures from the moment the access was over to the one at which the target was read back without it.
func (r *cardReader) revoked(x workflows.Record, id workflows.GrantID, absent bool) {
	from, over := r.ending[id]
	if _, ours := r.grants[id]; !ours || !over {
		return
	}
	r.ended[id] = true
	if r.waits[id] = !absent; absent {
		r.latency = append(r.latency, max(0, x.At.UTC.Sub(from)))
	}
}

// describe looks the entitlement up in the documents that are in force at the end.
func (r *cardReader) describe(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(r.loaded.Workflows)) {
		var w workflows.Workflow
		hash := r.loaded.Workflows[id]
		if err := r.document(ctx, hash, &w); err != nil {
			return err
		}
		for _, ent := range w.Entitlements {
			if ent.Name() == r.card.Name {
				r.entitlement(hash, ent, w.LongestFor(ent))
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.loaded.Runbooks)) {
		var b incidents.Runbook
		hash := r.loaded.Runbooks[id]
		if err := r.document(ctx, hash, &b); err != nil {
			return err
		}
		if b.Grant.Name() == r.card.Name && r.card.Policy == "" {
			r.entitlement(hash, b.Grant, b.Longest)
		}
	}
	return nil
}

func (r *cardReader) document(ctx context.Context, hash workflows.DocHash, v any) error {
	b, err := r.e.src.Document(ctx, string(hash))
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("reading the document %s: %w", hash, err)
	}
	return nil
}

func (r *cardReader) entitlement(hash workflows.DocHash, ent workflows.Entitlement, longest workflows.Span) {
	c := &r.card
	c.Policy, c.InForce = string(hash), r.loadedAt
	c.Owner, c.ReviewDate, c.Environment, c.DataClass, c.Longest = r.names.person(ent.Owner), ent.ReviewDate, ent.Environment, ent.DataClass, longest.String()
	if ent.Backup != "" {
		c.Backup = r.names.person(ent.Backup)
	}
	c.Purpose = strings.Trim(trimDot(ent.BusinessTask)+". "+trimDot(ent.Description), ". ")
	c.Rotation = fmt.Sprintf("made anew for each grant by %s and taken back at its end; nothing of it stands between grants", ent.Connector)
	if ent.Shared {
		c.Rotation = fmt.Sprintf("membership set by %s for the time of a grant and taken back at the end of the last one", ent.Connector)
	}
}

// finish computes what needs all entries, and says what is missing.
func (r *cardReader) finish() {
	c := &r.card
	c.AsOf = r.now.String()
	for id := range r.grants {
		if !r.ended[id] {
			c.Open++
		}
		if r.waits[id] {
			c.Unconfirmed++
		}
	}
	c.Revoked = len(r.latency)
	slices.Sort(r.latency)
	if n := len(r.latency); n > 0 {
		c.P50, c.P95, c.Slowest = r.latency[(n-1)/2].Seconds(), r.latency[(n*95+99)/100-1].Seconds(), r.latency[n-1].Seconds()
	}
	if r.drill != 0 {
		c.LastDrill = r.drill.String()
	}
	find := func(missing bool, text string) {
		if missing {
			c.Findings = append(c.Findings, text)
		}
	}
	find(c.Policy == "", "no document in force describes it: nobody answers for it now")
	find(c.Policy != "" && (c.Owner == "" || c.Owner == "nobody"), "it has no owner")
	find(c.Policy != "" && c.ReviewDate == "", "its entry in the catalogue has no review date")
	find(c.ReviewDate != "" && c.ReviewDate < r.now.Time().UTC().Format(time.DateOnly), "its entry in the catalogue was to be reviewed by "+c.ReviewDate)
	find(c.Policy != "" && c.Purpose == "", "it has no purpose")
	find(c.Issued == 0, "it was never granted: rotation and revocation have not been seen to work")
	find(c.Issued > 0 && len(c.Tickets) == 0, "no ticket was named for any of its grants")
	find(c.Issued > 0 && c.Revoked == 0, "no revocation of it was confirmed by the target yet: how long that takes is not measured")
	find(c.Unconfirmed > 0, fmt.Sprintf("%s of it could not be read back", howMany(c.Unconfirmed, "revocation")))
	find(c.Overdue > 0, fmt.Sprintf("%s about revocations that did not succeed in time", howMany(c.Overdue, "alarm")))
	find(c.LastDrill == "", "no drill of it is on record")
}

func (c evidenceCard) writeText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Evidence card of %s, ledger %s, %d entries up to %s\n", printable(c.Name), c.Origin, c.Entries, c.AsOf)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s %s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	b.WriteString("\nWhose is it?\n")
	if c.Policy != "" {
		line("owner", "%s%s", c.Owner, optional(", backup ", c.Backup))
		line("attested", "until %s, by %s, in force since entry %d", cmp.Or(c.ReviewDate, "no date"), c.Policy, c.InForce)
	}
	b.WriteString("\nWhat is it for?\n")
	line("purpose", "%s", cmp.Or(c.Purpose, "not known"))
	line("where", "%s, data %s", cmp.Or(c.Environment, "not known"), cmp.Or(c.DataClass, "not known"))
	line("tickets", "%s", list(c.Tickets, "none"))
	b.WriteString("\nHow is it rotated?\n")
	line("method", "%s", cmp.Or(c.Rotation, "not known"))
	line("longest", "%s", cmp.Or(c.Longest, "not known"))
	line("issued", "%s, %d not ended yet", howMany(c.Issued, "time"), c.Open)
	if c.Last != nil {
		line("last", "%s to %s (entry %d), until %s", c.Last.At, c.Last.Holder, c.Last.Entry, c.Last.EndsAt)
	}
	b.WriteString("\nHow fast is it revoked?\n")
	line("measured", "%d confirmed by the target: p50 %.1f s, p95 %.1f s, slowest %.1f s; %d not confirmed, %s", c.Revoked, c.P50, c.P95, c.Slowest,
		c.Unconfirmed, howMany(c.Overdue, "alarm"))
	line("last drill", "%s", cmp.Or(c.LastDrill, "none on record"))
	b.WriteString("\nWho approved it?\n")
	for _, g := range c.Approvals {
		how := "break glass, by a runbook that was approved before"
		if len(g.Approvers) > 0 {
			how = fmt.Sprintf("approved by %s in entries %s", list(g.Approvers, "nobody"), places(g.Votes))
		}
		line(g.Grant, "%s for %s, %s; proof: %s", g.At, g.Holder, how, g.Prove)
	}
	for _, f := range c.Findings {
		fmt.Fprintf(&b, "\nFINDING: %s.", printable(f))
	}
	if len(c.Findings) > 0 {
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func optional(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

func places(list []int64) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
}
