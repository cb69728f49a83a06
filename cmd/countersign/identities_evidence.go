package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// credentialCard is the card of one credential as a machine reads it.
type credentialCard struct {
	exported
	Attested  workflows.Stamp    `json:"attested,omitzero"`
	ReviewBy  workflows.Stamp    `json:"review_by,omitzero"`
	Revokers  []string           `json:"can_revoke"`
	Approvals []credentialSigned `json:"approvals"`
	Held      []killedGrant      `json:"held,omitempty"`
	ActedAs   []actedAs          `json:"acted_as,omitempty"`
	Sessions  int                `json:"open_sessions"`
	Measured  int                `json:"revocations_measured"`
	P50       float64            `json:"revoke_p50_s"`
	P95       float64            `json:"revoke_p95_s"`
	LastDrill workflows.Stamp    `json:"last_drill,omitzero"`
	Method    string             `json:"rotation_method,omitempty"`
	Silent    string             `json:"sessions_untold,omitempty"`
	Kill      *desk.KillPlan     `json:"kill,omitempty"`
	Grown     []string           `json:"scopes_grew_by,omitempty"`
	Blanks    []string           `json:"blanks,omitempty"`
}

// actedAs is a grant by which a person acted as the identity, with its six items of evidence.
type actedAs struct {
	Grant  workflows.GrantID  `json:"grant"`
	Person string             `json:"person"`
	Status string             `json:"status"`
	Items  grants.ActsAs      `json:"evidence"`
	Ended  workflows.Stamp    `json:"ended,omitzero"`
	Target workflows.TargetID `json:"target"`
}

type credentialSigned struct {
	Entry     int64               `json:"entry"`
	At        workflows.Stamp     `json:"at"`
	What      string              `json:"what"`
	Request   workflows.RequestID `json:"request,omitempty"`
	Approvers []string            `json:"approvers,omitempty"`
	Prove     string              `json:"prove,omitempty"`
}

// evidenceIdentity answers who owns a credential, who approved it, who can take it back and how fast, how it is rotated, what it is for (R12, R35).
func (s *serving) evidenceIdentity(ctx context.Context, by workflows.Acting, id workflows.IdentityID) (reply, error) {
	x, err := s.desk.EvidenceOf(ctx, by.Person, id)
	if errors.Is(err, workflows.ErrNoStream) {
		return refusedReply(workflows.Refuse(workflows.CodeUnknown, "There is no such identity, or it is not yours to see.", "countersign identities list shows what you see.")), nil
	}
	if err != nil {
		return reply{}, err
	}
	card := s.credentialCard(ctx, x)
	out := reply{OK: true, ID: string(id), Status: x.Row.State, Lines: s.evidenceLines(ctx, x, card)}
	out.Data, err = json.Marshal(card)
	return out, err
}

func (s *serving) credentialCard(ctx context.Context, x desk.Evidence) credentialCard {
	account, place, path := x.State.Texts()
	card := credentialCard{
		exported: exported{Row: x.Row, Entry: x.Entry, Account: account, Place: place, Path: path, Now: x.Findings, Owner: s.keyOf(x.Entry.Owner), Backup: s.keyOf(x.Entry.Backup)},
		Attested: x.Row.Attested, ReviewBy: x.Row.ReviewBy, Held: s.killedOf(x.Held), Sessions: x.Sessions, Measured: x.Measured,
		P50: x.P50.Seconds(), P95: x.P95.Seconds(), LastDrill: x.LastDrill, Blanks: x.Blanks,
		Method: x.Method, Silent: x.Silent, Kill: x.Kill, Grown: x.State.Grown(),
	}
	for _, p := range x.Revokers {
		card.Revokers = append(card.Revokers, s.keyOf(string(p)))
	}
	for _, h := range x.ActedAs {
		a := h.Hold.Approved
		card.ActedAs = append(card.ActedAs, actedAs{a.Grant, s.desk.Name(ctx, a.Requester), string(h.Hold.Status), a.ActsAs, h.Hold.EndedAt.UTC, a.Target})
	}
	for _, a := range x.Approvals {
		signed := credentialSigned{Entry: a.Entry, At: a.At, What: a.What, Request: a.Request, Prove: a.Prove()}
		for _, p := range a.Approvers {
			signed.Approvers = append(signed.Approvers, s.desk.Name(ctx, p))
		}
		card.Approvals = append(card.Approvals, signed)
	}
	return card
}

func (s *serving) evidenceLines(ctx context.Context, x desk.Evidence, card credentialCard) []string {
	lines := s.identityCard(ctx, x.IdentityView)
	var names []string
	for _, p := range x.Revokers {
		names = append(names, s.desk.Name(ctx, p))
	}
	lines = append(lines, "Can take it back: "+list(names, "nobody")+"; countersign revoke-all "+string(x.Row.ID)+" -quarantine -reason TEXT")
	if x.Measured > 0 {
		lines = append(lines, fmt.Sprintf("Taking it back was measured %s: p50 %.1f s, p95 %.1f s; last drill %s", howMany(x.Measured, "time"), card.P50, card.P95, dayOr(x.LastDrill, "none")))
	}
	lines = append(lines, "Rotation: "+cmp.Or(x.Method, "nobody can say how")+"; last "+dayOr(x.Row.Rotated, "not known")+", next by "+dayOr(x.Row.RotateBy, "no day that is set"))
	lines = append(lines, fmt.Sprintf("Holds %s now, with %s", howMany(len(x.Held), "grant"), howMany(x.Sessions, "open session")))
	if x.Silent != "" {
		lines = append(lines, "Sessions cannot be told: "+x.Silent)
	}
	for _, a := range card.Approvals {
		line := fmt.Sprintf("Approved: %s, entry %d of %s, by %s", a.What, a.Entry, dayOr(a.At, ""), list(a.Approvers, "a document"))
		if a.Prove != "" {
			line += "; proof: " + a.Prove
		}
		lines = append(lines, line)
	}
	for _, a := range card.ActedAs {
		var management []string
		for _, p := range a.Items.Management {
			management = append(management, s.desk.Name(ctx, p))
		}
		lines = append(lines, fmt.Sprintf("%s acted as it on %s (%s, %s): exceptional because of %q; until %s; why: countersign show %s; management: %s; proved to be themselves by %s; the target's log says %s",
			a.Person, a.Target, a.Grant, a.Status, a.Items.Exceptional, a.Items.Until.Time().Format("2006-01-02 15:04 UTC"), a.Items.Reason, list(management, "nobody"), a.Items.Confirmed, a.Items.Attributed))
	}
	for _, l := range x.State.Life.Leaks {
		lines = append(lines, fmt.Sprintf("Seen where it must not be: %s, found by %s%s", dayOr(l.At.UTC, ""), l.Source, optional(", incident ", l.Incident)))
	}
	for _, b := range x.Blanks {
		lines = append(lines, "FINDING: "+b)
	}
	return lines
}

func dayOr(at workflows.Stamp, never string) string {
	if at == 0 {
		return never
	}
	return at.Time().Format(time.DateOnly)
}

// sendLeak reports a secret from a file, or only its fingerprint; what is in the file goes to the bot of this machine and is kept nowhere.
func (x *person) sendLeak(ctx context.Context, words []string, args map[string]string) error {
	if len(words) > 1 || len(words) == 0 && args["fingerprint"] == "" || args["place"] == "" {
		return usageError{"want -place TEXT and a file with the secret, or -fingerprint TEXT"}
	}
	query := url.Values{"place": {args["place"]}, "form": {args["form"]}}
	file := ""
	if len(words) == 1 {
		file = words[0]
	} else {
		dir, err := os.MkdirTemp("", "countersign")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		file = filepath.Join(dir, "fingerprint")
		if err := os.WriteFile(file, []byte(args["fingerprint"]), 0o600); err != nil {
			return err
		}
	}
	return x.sendFile(ctx, "/identities/leak?"+query.Encode(), file)
}

func (x *person) sendFile(ctx context.Context, path, file string) error {
	r, err := x.upload(ctx, path, file)
	if err != nil {
		return err
	}
	return x.print(r)
}

// sendLeaks reports what a scanner found.
func (x *person) sendLeaks(ctx context.Context, words []string) error {
	if len(words) != 1 || !strings.HasSuffix(strings.ToLower(words[0]), ".sarif") && !strings.HasSuffix(strings.ToLower(words[0]), ".json") {
		return usageError{"want one SARIF file, NAME.sarif or NAME.json"}
	}
	return x.sendFile(ctx, "/identities/leaks", words[0])
}
