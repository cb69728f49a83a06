package desk

import (
	"context"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// UnusedRule says when an identity that nobody uses is suspended (PCI DSS 8.2.6); zero: never.
type UnusedRule struct {
	After workflows.Span `json:"after"`
	Warn  workflows.Span `json:"warn"` // its owner is told so long before
}

// Unused is an identity that nobody used for a while.
type Unused struct {
	ID     workflows.IdentityID
	Owner  string
	Since  workflows.Stamp // it was used, let go on, or made
	Ends   workflows.Stamp // it is suspended then
	Warned workflows.Stamp // its owner was told, or could not be; zero: that is to be done
	seq    int64
}

// Notice names the message to who answers for it.
func (u Unused) Notice() string { return noticeUnused + u.Since.String() }

const (
	noticeUnused = "unused/"
	maxUnused    = 1000 // identities looked at closely in a day: the rest is for the next
)

// Unused gives what was not used for so long that its owner has to be told, or that it is suspended: what its target and sources say of its last use,
// and what the ledger knows of tokens that were accepted, windows that were used, grants that it held.
func (d *Desk) Unused(ctx context.Context, now workflows.Stamp) ([]Unused, error) {
	rule := d.Policy().Settings.Unused
	if rule.After <= 0 {
		return nil, nil
	}
	before := now.Add(rule.Warn.Duration() - rule.After.Duration())
	var rows []workflows.InventoryRow
	err := d.EachIdentity(ctx, workflows.InventoryQuery{State: workflows.IdentityActive, UsedBefore: before}, func(r workflows.InventoryRow) error {
		if since := max(r.LastUsed, r.Created); r.Kind != identities.KindHuman && since != 0 && since < before && len(rows) < maxUnused {
			rows = append(rows, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Unused
	for _, r := range rows {
		u, is, err := d.unused(ctx, r, before)
		if err != nil {
			return nil, err
		}
		if is {
			u.Ends = max(u.Since.Add(rule.After.Duration()), u.Warned.Add(rule.Warn.Duration()))
			out = append(out, u)
		}
	}
	return out, nil
}

// unused looks closely at one; false: it was used after that moment, or is in use.
func (d *Desk) unused(ctx context.Context, r workflows.InventoryRow, before workflows.Stamp) (Unused, bool, error) {
	u := Unused{ID: r.ID, Owner: r.Owner, Since: max(r.LastUsed, r.Created)}
	h, err := d.ledger.History(ctx, workflows.IdentityStream(r.ID))
	if err != nil {
		return u, false, err
	}
	told := map[string]workflows.Stamp{}
	for _, x := range h {
		u.seq = x.Seq
		switch e := x.Event.(type) {
		case identities.Resumed, identities.Authenticated, identities.WindowUsed:
			u.Since = max(u.Since, x.At.UTC)
		case workflows.NoticeDelivered:
			told[e.Notice] = x.At.UTC
		case workflows.NoticeUndelivered:
			told[e.Notice] = x.At.UTC
		}
	}
	for _, e := range d.Policy().entitlements() {
		h, err := d.ledger.History(ctx, workflows.GrantStream(r.ID, e.Target, e.ID))
		if err != nil {
			return u, false, err
		}
		s, err := grants.Fold(h)
		if err != nil {
			return u, false, err
		}
		for _, hold := range s.Holds {
			if u.Since = max(u.Since, hold.At.UTC, hold.EndedAt.UTC); hold.Live() {
				return u, false, nil
			}
		}
	}
	u.Warned = told[u.Notice()]
	return u, u.Since < before, nil
}

// ToldUnused records that who answers for it was told, or could not be: why then says so.
func (d *Desk) ToldUnused(ctx context.Context, u Unused, why string) error {
	stream := workflows.IdentityStream(u.ID)
	_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		var e workflows.Event = workflows.NoticeDelivered{Notice: u.Notice(), Via: "slack"}
		if why != "" {
			e = workflows.NoticeUndelivered{Notice: u.Notice(), Why: why}
		}
		if !slices.ContainsFunc(f.Histories[stream], func(r workflows.Record) bool { return noticeOf(r) == u.Notice() }) {
			out.Add(stream, workflows.System, "", e)
		}
		return out, nil
	})
	return err
}

func noticeOf(r workflows.Record) string {
	switch e := r.Event.(type) {
	case workflows.NoticeDelivered:
		return e.Notice
	case workflows.NoticeUndelivered:
		return e.Notice
	}
	return ""
}

// SuspendUnused suspends it, unless something was recorded of it since it was looked at: then the next day looks again.
func (d *Desk) SuspendUnused(ctx context.Context, u Unused) error {
	stream := workflows.IdentityStream(u.ID)
	do := identities.Do{By: workflows.System, System: true, Command: "suspend", Reason: "not used since " + strings.ReplaceAll(u.Since.String()[:16], "T", " ") + " UTC"}
	_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		h := f.Histories[stream]
		if len(h) == 0 || h[len(h)-1].Seq != u.seq {
			return workflows.Outcome{}, nil
		}
		return identities.Suspend(f, do, u.ID, identities.SuspendedUnused)
	})
	return err
}
