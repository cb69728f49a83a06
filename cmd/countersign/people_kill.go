package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// Verbs of the people's socket that take everything away at once, and that stand for what the bot could not do.
const (
	doRevokeAll  = "revoke-all"
	doReach      = "reach"
	doQuarantine = "quarantine-list"
	doRelease    = "release"
	doByHand     = "removed-by-hand"
	doUnlink     = "unlink"
)

var killVerbs = [...]string{doRevokeAll, doReach, doQuarantine, doRelease, doByHand, doUnlink}

// killed is what a machine reads of a kill switch or a blast radius.
type killed struct {
	Identity    workflows.IdentityID   `json:"identity"`
	Quarantined bool                   `json:"quarantined"`
	Ended       []killedGrant          `json:"ended,omitempty"`
	Elsewhere   int                    `json:"already_ending,omitempty"`
	Held        []killedGrant          `json:"held,omitempty"`
	AskedFor    []killedGrant          `json:"asked_for_others,omitempty"`
	Owned       []workflows.IdentityID `json:"owned,omitempty"`
	Behind      []killedGrant          `json:"held_by_owned,omitempty"`
	Windows     []string               `json:"standing_windows,omitempty"`
	Standing    []string               `json:"standing_access,omitempty"`
	Unknown     []workflows.TargetID   `json:"targets_that_cannot_tell,omitempty"`
	Open        int                    `json:"open_requests,omitempty"`
}

type killedGrant struct {
	Grant  workflows.GrantID    `json:"grant"`
	Holder workflows.IdentityID `json:"holder"`
	What   string               `json:"what"` // target/entitlement
	Status string               `json:"status"`
	Ends   workflows.Stamp      `json:"ends"`
	Leaves string               `json:"leaves,omitempty"` // what taking it back does not end
}

func (s *serving) killedOf(list []desk.Holding) []killedGrant {
	var out []killedGrant
	for _, h := range list {
		a := h.Hold.Approved
		out = append(out, killedGrant{a.Grant, a.Identity, string(a.Target) + "/" + string(a.Entitlement), string(h.Hold.Status), a.EndsAt, s.leaves(string(a.Target))})
	}
	return out
}

// obeyKill carries out the orders of this file.
func (s *serving) obeyKill(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	switch o.Do {
	case doRevokeAll:
		return s.cliRevokeAll(ctx, by, cause, o)
	case doReach:
		return s.cliReach(ctx, by, cause, o)
	case doRelease:
		return s.cliRelease(ctx, by, cause, o)
	case doByHand:
		return s.cliByHand(ctx, by, cause, o)
	case doUnlink:
		return s.cliUnlink(ctx, by, cause, o)
	}
	return s.cliQuarantined(ctx, by, cause, o)
}

// identityNamed finds somebody by key, e-mail address or pseudonym, or a non-human identity by its id.
func (s *serving) identityNamed(word string) workflows.IdentityID {
	if p := s.personNamed(word); p != "" {
		return p.Identity()
	}
	return workflows.IdentityID(word)
}

func (s *serving) cliRevokeAll(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	id := s.identityNamed(o.ID)
	res, err := s.desk.RevokeAll(ctx, desk.RevokeAll{
		Cause: cause, By: by, Identity: id, Why: strings.TrimSpace(o.Reason), Authn: unixPeer, Channel: viaCLI, Quarantine: o.Quarantine,
	})
	if err != nil {
		return reply{}, err
	}
	if res.Refusal != nil {
		return refusedReply(res.Refusal), nil
	}
	name := s.nameOf(ctx, id)
	out := reply{OK: true, Text: howMany(len(res.Ended), "grant") + " of " + name + " " + isAre(len(res.Ended)) + " being taken back on all targets at once. " + quarantineWords(name, res.Quarantined)}
	for _, h := range res.Ended {
		out.Lines = append(out.Lines, "taking back  "+s.holdingLine(ctx, h, false))
	}
	if res.Elsewhere > 0 {
		out.Lines = append(out.Lines, howMany(res.Elsewhere, "grant")+" was being taken back already")
	}
	data := s.reachData(id, res.Reach)
	data.Quarantined, data.Ended, data.Elsewhere = res.Quarantined, s.killedOf(res.Ended), res.Elsewhere
	out.Lines = append(out.Lines, s.reachLines(ctx, res.Reach)...)
	out.Data, err = json.Marshal(data)
	return out, err
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func quarantineWords(name string, on bool) string {
	if on {
		return name + " is quarantined: may neither ask, decide nor hold anything until two people say otherwise (countersign quarantine release)."
	}
	return name + " may ask again; -quarantine also stops that."
}

// nameOf is how people know an identity.
func (s *serving) nameOf(ctx context.Context, id workflows.IdentityID) string {
	if p := id.Person(); p != "" {
		return s.desk.Name(ctx, p)
	}
	return string(id)
}

func (s *serving) holdingLine(ctx context.Context, h desk.Holding, holder bool) string {
	a := h.Hold.Approved
	line := string(a.Grant) + "  " + a.Title + " on " + a.TargetTitle
	if holder {
		line += ", held by " + s.nameOf(ctx, a.Identity)
	}
	if h.Hold.Status == grants.StatusApproved && a.StartsAt != 0 {
		line += ", which had not started yet"
	}
	if leaves := s.leaves(string(a.Target)); leaves != "" {
		line += "; what taking back does not end: " + trimDot(leaves)
	}
	return line
}

// reachLines say what an identity can get at.
func (s *serving) reachLines(ctx context.Context, r desk.Reach) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, h := range r.Held {
		add("%-12s %s", h.Hold.Status, s.holdingLine(ctx, h, false))
	}
	for _, h := range r.Asked {
		add("asked for    %s", s.holdingLine(ctx, h, true))
	}
	for _, id := range r.Owned {
		add("owns         %s", id)
	}
	for _, h := range r.Behind {
		add("owned holds  %s", s.holdingLine(ctx, h, true))
	}
	for _, w := range r.Windows {
		add("window       %s/%s, %s (%s)", w.Target, w.Entitlement, w.Terms.Hours, w.Terms.Zone)
	}
	for _, e := range r.Standing {
		add("standing     %s on %s, by no grant of ours: it is still there", e.Title, e.TargetTitle)
	}
	for _, t := range r.Unknown {
		add("cannot tell  %s did not say in time what its account has there", t)
	}
	if r.Open > 0 {
		add("waiting      %s", howMany(r.Open, "open request"))
	}
	return out
}

func (s *serving) reachData(id workflows.IdentityID, r desk.Reach) killed {
	out := killed{
		Identity: id, Held: s.killedOf(r.Held), AskedFor: s.killedOf(r.Asked), Owned: r.Owned, Behind: s.killedOf(r.Behind), Unknown: r.Unknown, Open: r.Open,
	}
	for _, w := range r.Windows {
		out.Windows = append(out.Windows, string(w.Target)+"/"+string(w.Entitlement))
	}
	for _, e := range r.Standing {
		out.Standing = append(out.Standing, e.Name())
	}
	return out
}

// cliReach shows the blast radius without touching anything.
func (s *serving) cliReach(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	id := s.identityNamed(o.ID)
	if !s.maySeeReach(ctx, by.Person, id) {
		return s.refuse(ctx, cause, by, o.Do, workflows.Refuse(workflows.CodeUnknown, "There is no such identity, or it is not for your eyes.", "Security, owners, auditors and its own people can look."))
	}
	r, err := s.desk.Reach(ctx, id)
	if err != nil {
		return reply{}, err
	}
	out := reply{OK: true, Lines: s.reachLines(ctx, r)}
	if len(out.Lines) == 0 {
		out.Text = s.nameOf(ctx, id) + " holds nothing and owns nothing here."
	}
	out.Data, err = json.Marshal(s.reachData(id, r))
	return out, err
}

func (s *serving) maySeeReach(ctx context.Context, p workflows.PersonID, id workflows.IdentityID) bool {
	x := s.desk.Policy().Identities[id]
	return p != "" && (p == id.Person() || p == x.Owner || p == x.Backup || s.hasAnyRole(ctx, p, desk.RoleSecurity, desk.RoleOwner, desk.RoleAuditor))
}

func (s *serving) hasAnyRole(ctx context.Context, p workflows.PersonID, roles ...string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return s.desk.HasRole(ctx, role, p) })
}

func (s *serving) cliRelease(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	id := s.identityNamed(o.ID)
	a, freed, err := s.desk.Release(ctx, desk.Release{Cause: cause, By: by, Identity: id, Why: o.Reason, Authn: unixPeer, Channel: viaCLI})
	switch {
	case err != nil:
		return reply{}, err
	case a.Refusal != nil:
		return refusedReply(a.Refusal), nil
	case freed:
		return reply{OK: true, Text: s.nameOf(ctx, id) + " is free again. What was taken away stays away: it has to be asked for."}, nil
	}
	return reply{OK: true, Text: "Recorded. Another person of security or an owner has to confirm it: countersign quarantine release " + o.ID + " -reason TEXT."}, nil
}

func (s *serving) cliQuarantined(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	if !s.hasAnyRole(ctx, by.Person, desk.RoleSecurity, desk.RoleOwner, desk.RoleAuditor) {
		return s.refuse(ctx, cause, by, o.Do, workflows.Refuse(workflows.CodeNotEligible, "Security, owners and auditors see who is quarantined.", ""))
	}
	list, err := s.desk.Quarantined(ctx)
	if err != nil {
		return reply{}, err
	}
	type row struct {
		Identity workflows.IdentityID `json:"identity"`
		Since    workflows.Stamp      `json:"since"`
		By       workflows.PersonID   `json:"by,omitempty"`
		Why      string               `json:"why,omitempty"`
		Release  workflows.PersonID   `json:"release_asked_by,omitempty"`
	}
	rows, out, when := []row{}, reply{OK: true}, s.outlookOf(ctx, by.Person).When
	for _, l := range list {
		q := l.Quarantine
		rows = append(rows, row{l.Identity, q.Since.UTC, q.By, q.Why, q.Asked})
		line := s.nameOf(ctx, l.Identity) + "  since " + when(q.Since.UTC)
		if q.By != "" {
			line += " by " + s.desk.Name(ctx, q.By)
		}
		if q.Why != "" {
			line += ": " + q.Why
		}
		if q.Asked != "" {
			line += "; " + s.desk.Name(ctx, q.Asked) + " asked for its release, somebody else has to confirm"
		}
		out.Lines = append(out.Lines, line)
	}
	if len(list) == 0 {
		out.Text = "Nobody is quarantined."
	}
	out.Data, err = json.Marshal(rows)
	return out, err
}

func (s *serving) cliByHand(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	id := workflows.GrantID(o.ID)
	if len(o.ID) != 28 {
		found, n, err := s.overdueNamed(ctx, o.ID)
		if err != nil {
			return reply{}, err
		}
		if n > 1 {
			return refusedReply(workflows.Refuse(workflows.CodeUnknown, strconv.Itoa(n)+" grants that are waiting to be taken back end in that.", "Give more of the id.")), nil
		}
		id = found
	}
	a, err := s.desk.RemovedByHand(ctx, desk.HandRemoval{Cause: cause, By: by, Grant: id, Why: o.Reason, Authn: unixPeer, Channel: viaCLI})
	if err != nil {
		return reply{}, err
	}
	if a.Refusal != nil {
		return refusedReply(a.Refusal), nil
	}
	return reply{OK: true, ID: string(id), Status: "removed by hand", Text: "Recorded with your name. The target is asked on until it confirms; if it still has the access, taking it back goes on."}, nil
}

// overdueNamed finds a grant that waits to be taken back by the ending of its id.
func (s *serving) overdueNamed(ctx context.Context, word string) (id workflows.GrantID, n int, err error) {
	err = s.desk.EachLive(ctx, func(_ workflows.StreamID, g grants.State) error {
		for _, h := range g.Holds {
			if h.Status == grants.StatusEnding && len(word) >= 4 && strings.HasSuffix(string(h.Approved.Grant), word) {
				id, n = h.Approved.Grant, n+1
			}
		}
		return nil
	})
	return id, n, err
}
