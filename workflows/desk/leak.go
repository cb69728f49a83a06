package desk

import (
	"context"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
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
	Keys    []string         // exact keys under which it may be known, to the inventory (identities.PrintKey …) or as handed over (grants.SecretKey)
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
	Grants   []workflows.GrantID    // with which it was handed over; what of them still stood is being taken back
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

// leaked is what a find is of.
type leaked struct {
	found    []workflows.IdentityID // whose secret it is; one of them is opened now where nobody knew it
	rotation []string               // ids for rotations of each
	holds    []Holding              // with which it was handed over
	prints   []string               // by which each of them is known
	known    bool                   // it is more than a shadow
}

// what names it in a sentence.
func (l leaked) what() string {
	names := make([]string, 0, len(l.found)+len(l.holds))
	for _, id := range l.found {
		names = append(names, string(id))
	}
	for _, h := range l.holds {
		names = append(names, "access "+string(h.Hold.Approved.Grant))
	}
	return strings.Join(names, ", ")
}

func (l leaked) streams() []workflows.StreamID {
	var out []workflows.StreamID
	for _, id := range l.found {
		out = append(out, workflows.IdentityStream(id))
	}
	for _, h := range l.holds {
		if !slices.Contains(out, h.Stream) {
			out = append(out, h.Stream)
		}
	}
	return out
}

// leakedOf looks a find up in what the inventory and the ledger know.
func (d *Desk) leakedOf(ctx context.Context, c LeakReport) (l leaked, out LeakTaken, err error) {
	if l.found, l.known, err = d.leakOwners(ctx, c.Keys); err != nil {
		return l, out, err
	}
	if l.known {
		out.Matched = l.found
	}
	if l.holds, l.prints, err = d.leakHolds(ctx, c.Keys); err != nil {
		return l, out, err
	}
	for _, h := range l.holds {
		out.Grants = append(out.Grants, h.Hold.Approved.Grant)
	}
	if !l.known && len(l.found)+len(l.holds) == 0 {
		l.found = []workflows.IdentityID{shadowID(c)}
	}
	if !l.known && len(l.found) > 0 {
		out.Shadow = l.found[0]
	}
	l.known = l.known || len(l.holds) > 0
	for range l.found {
		l.rotation = append(l.rotation, d.ids.New("o_"))
	}
	return l, out, nil
}

func (d *Desk) reportLeak(ctx context.Context, c LeakReport) (LeakTaken, error) {
	l, out, err := d.leakedOf(ctx, c)
	if err != nil {
		return out, err
	}
	if l.known {
		if out.Incident, err = d.nextIncident(ctx); err != nil {
			return out, err
		}
	}
	streams, incident := l.streams(), incidents.StreamOf(out.Incident)
	if l.known {
		streams = append(streams, incident)
	}
	page, paged := d.leakPage(ctx, c, l, out.Incident)
	if page != nil {
		streams = append(streams, paged)
	}
	res, err := d.update(ctx, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		all, err := d.leakEvents(f, c, l, out.Incident)
		if err != nil {
			return all, err
		}
		if page != nil && len(all.Events) > 0 {
			page(f, &all)
		}
		if !l.known || len(all.Events) == 0 {
			return all, nil
		}
		if len(f.Histories[incident]) > 0 {
			return all, workflows.ErrAskAgain // somebody took the number meanwhile
		}
		all.Add(incident, c.By, "", incidents.IncidentOpened{
			Title: "A secret of " + l.what() + " was seen by " + c.Source, Severity: leakSeverity, Room: d.Policy().Settings.SecurityChannel, Authn: c.Authn, Channel: c.Channel,
		})
		return all, nil
	})
	if out.Again = err == nil && (res.Replayed || len(res.Records) == 0); out.Again {
		out.Incident = ""
	}
	return out, err
}

// leakEvents are what a find puts on the streams of what it is of.
func (d *Desk) leakEvents(f workflows.Facts, c LeakReport, l leaked, incident string) (workflows.Outcome, error) {
	var all workflows.Outcome
	id, alarm := "l_"+tail(c.Mark), d.Policy().Settings.SecurityChannel
	find := identities.Find{By: c.By, Kind: c.Kind, Leak: identities.Leaked{
		Leak: id, Source: c.Source, Form: c.Form, Print: c.Print, Incident: incident, Alarm: alarm,
		Place: cleaned(c.Place), Note: cleaned(c.Note), Authn: c.Authn, Channel: c.Channel,
	}}
	for i, of := range l.found {
		find.Rotation = l.rotation[i]
		one, err := identities.Leak(f, of, find)
		if err != nil {
			return all, err
		}
		all.Events = append(all.Events, one.Events...)
	}
	for i, h := range l.holds {
		e := grants.SecretLeaked{
			Grant: h.Hold.Approved.Grant, Leak: id, Print: l.prints[i], Source: c.Source, Form: c.Form, Incident: incident, Alarm: alarm,
			Place: cleaned(c.Place), Note: cleaned(c.Note), Authn: c.Authn, Channel: c.Channel,
		}
		so := f // two grants of one stream may have come with one secret
		if x, ok := f.Provisional(all.Events)[h.Stream]; ok {
			so.Histories = map[workflows.StreamID][]workflows.Record{h.Stream: x}
		}
		one, err := grants.Leak(so, h.Stream, c.By, e)
		if err != nil {
			return all, err
		}
		all.Events = append(all.Events, one.Events...)
	}
	return all, nil
}

// leakHolds are the grants with which a secret was handed over, and the fingerprint by which each is known.
func (d *Desk) leakHolds(ctx context.Context, keys []string) (out []Holding, prints []string, err error) {
	for _, k := range keys {
		print, ok := grants.CutSecretKey(k)
		if !ok {
			continue
		}
		streams, err := d.ledger.List(ctx, grants.ListSecret, print, maxLeakOwners)
		if err != nil {
			return nil, nil, err
		}
		for _, stream := range streams {
			h, err := d.ledger.History(ctx, stream)
			if err != nil {
				return nil, nil, err
			}
			s, err := grants.Fold(h)
			if err != nil {
				return nil, nil, err
			}
			for _, hold := range s.Holds {
				if hold.CameWith(print) && len(out) < maxLeakOwners {
					out, prints = append(out, Holding{Stream: stream, Hold: hold}), append(prints, print)
				}
			}
		}
	}
	return out, prints, nil
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
