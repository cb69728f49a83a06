package desk

import (
	"context"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

const (
	// MaxLeakKeys bounds the ways in which one secret could be on record: more would be a list somebody made up.
	MaxLeakKeys = 64

	maxLeakOwners = 32 // identities that share one secret and are all told: half of what one transaction names
	leakSeverity  = 2  // of the incident: somebody may be using it
)

// LeakReport is somebody, or a scanner, who saw a secret where it must not be. The secret is not in it: only names under which the inventory may
// know it.
type LeakReport struct {
	Cause   Cause
	By      workflows.Acting // workflows.System: a scanner
	Source  string           // "person", "github", "sarif-gitleaks"
	Form    string           // what the finder took it for
	Kind    string           // of the identity that is opened when nobody knows it; empty: an API key
	Print   string           // keyed fingerprint of the secret; empty: it was not told
	Keys    []string         // exact keys of the inventory under which it may be known (identities.PrintKey …)
	Mark    string           // keyed, of secret and place together: the same find reported again has the same one
	Place   string           // a link, a file and line
	Note    string
	Authn   string
	Channel string
}

// LeakTaken is what became of a report.
type LeakTaken struct {
	Refusal  *workflows.Refusal
	Matched  []workflows.IdentityID // whose secret it is, as the inventory knows
	Shadow   workflows.IdentityID   // under which it is known from now on, where nobody knew it
	Incident string                 // that was opened; empty where nobody knew it, or it was reported before
	Again    bool                   // the very same was on record
}

// ReportLeak records a find: whose it is gets an incident and a rotation, what nobody knows is a shadow credential from now on. Everybody who may hold
// access here may report; so may scanners whose signature was checked.
func (d *Desk) ReportLeak(ctx context.Context, c LeakReport) (LeakTaken, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if no := d.mayReport(ctx, c); no != nil {
		r, err := d.Refuse(ctx, c.Cause, c.By, "leak", c.Channel, "", no)
		return LeakTaken{Refusal: r}, err
	}
	return again(func() (LeakTaken, error) { return d.reportLeak(ctx, c) })
}

func (d *Desk) mayReport(ctx context.Context, c LeakReport) *workflows.Refusal {
	if c.By != workflows.System {
		if no := d.standing(ctx, c.By).HoldRefusal(); no != nil {
			return no
		}
	}
	switch {
	case c.Mark == "" || len(c.Keys) > MaxLeakKeys:
		return workflows.Refuse(workflows.CodeBadField, "Say what was seen: the secret, its fingerprint, its serial, or at least where.", "")
	case len([]rune(c.Place)) > workflows.MaxReason || len([]rune(c.Note)) > workflows.MaxReason:
		return workflows.Refusef(workflows.CodeTooLong, "", "Where and why have at most %d characters each.", workflows.MaxReason)
	}
	return nil
}

func (d *Desk) reportLeak(ctx context.Context, c LeakReport) (LeakTaken, error) {
	found, known, err := d.leakOwners(ctx, c.Keys)
	if err != nil {
		return LeakTaken{}, err
	}
	out := LeakTaken{}
	if len(found) == 0 {
		out.Shadow = shadowID(c)
		found = []workflows.IdentityID{out.Shadow}
	}
	if known {
		out.Matched = found
		if out.Incident, err = d.nextIncident(ctx); err != nil {
			return out, err
		}
	} else {
		out.Shadow = found[0]
	}
	find := identities.Find{By: c.By, Kind: c.Kind, Leak: identities.Leaked{
		Leak: "l_" + tail(c.Mark), Source: c.Source, Form: c.Form, Print: c.Print, Incident: out.Incident, Alarm: d.Policy().Settings.SecurityChannel,
		Place: cleaned(c.Place), Note: cleaned(c.Note), Authn: c.Authn, Channel: c.Channel,
	}}
	rotations := make([]string, len(found))
	streams := make([]workflows.StreamID, 0, len(found)+1)
	for i, id := range found {
		rotations[i] = d.ids.New("o_")
		streams = append(streams, workflows.IdentityStream(id))
	}
	incident := incidents.StreamOf(out.Incident)
	if known {
		streams = append(streams, incident)
	}
	page, paged := d.leakPage(ctx, c, found, out.Incident)
	if page != nil {
		streams = append(streams, paged)
	}
	res, err := d.update(ctx, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		var all workflows.Outcome
		for i, id := range found {
			find.Rotation = rotations[i]
			one, err := identities.Leak(f, id, find)
			if err != nil {
				return all, err
			}
			all.Events = append(all.Events, one.Events...)
		}
		if page != nil && len(all.Events) > 0 {
			page(f, &all)
		}
		if !known || len(all.Events) == 0 {
			return all, nil
		}
		if len(f.Histories[incident]) > 0 {
			return all, workflows.ErrAskAgain // somebody took the number meanwhile
		}
		all.Add(incident, c.By, "", incidents.IncidentOpened{
			Title: "A secret of " + idList(found) + " was seen by " + c.Source, Severity: leakSeverity, Room: d.Policy().Settings.SecurityChannel, Authn: c.Authn, Channel: c.Channel,
		})
		return all, nil
	})
	if out.Again = err == nil && len(res.Records) == 0; out.Again {
		out.Incident = ""
	}
	return out, err
}

// leakOwners are the identities that are known by one of the keys, and whether any of them is more than a shadow.
func (d *Desk) leakOwners(ctx context.Context, keys []string) (ids []workflows.IdentityID, known bool, err error) {
	for _, k := range keys {
		rows, err := d.ledger.Inventory(ctx, workflows.InventoryQuery{Key: k, Limit: maxLeakOwners})
		if err != nil {
			return nil, false, err
		}
		for _, r := range rows {
			shadow := slices.Contains(r.Findings, identities.FindShadow)
			if !slices.Contains(ids, r.ID) && len(ids) < maxLeakOwners {
				ids, known = append(ids, r.ID), known || !shadow
			}
		}
	}
	return ids, known, nil
}

// shadowID names what nobody knew by its fingerprint, so that the same secret elsewhere is the same one.
func shadowID(c LeakReport) workflows.IdentityID {
	by := c.Print
	if by == "" {
		by = c.Mark
	}
	return workflows.IdentityID("shadow-" + tail(by))
}

// tail is the beginning of a keyed print, long enough to be nobody else's.
func tail(print string) string {
	print = strings.TrimPrefix(print, "hmac:")
	return print[:min(len(print), 16)]
}

func idList(ids []workflows.IdentityID) string {
	words := make([]string, 0, len(ids))
	for _, id := range ids {
		words = append(words, string(id))
	}
	return strings.Join(words, ", ")
}
