package main

import (
	"context"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// detailLines are what is on record of an identity beyond what every card says: what its kind has of its own (R22), where it belongs, who else answers
// for it. What nobody wrote down has no line: the findings say which of it is missed.
func (s *serving) detailLines(ctx context.Context, v desk.IdentityView) []string {
	e := v.Entry
	day := func(at workflows.Stamp) string {
		if at == 0 {
			return ""
		}
		return at.Time().Format("2006-01-02")
	}
	who := func(owner string) string {
		if owner == "" {
			return ""
		}
		return s.ownerWords(ctx, owner)
	}
	business, vendor, reach := who(e.Business), e.Vendor, trimDot(e.DataReach)
	if e.Class == identities.KindApp { // its own line says them
		business, vendor, reach = "", "", ""
	}
	review := ""
	if e.ReviewEvery > 0 {
		review = e.ReviewEvery.String()
	}
	var out []string
	for _, line := range [][]string{
		{"Environment", e.Environment, "risk", e.Risk, "business owner", business, "review every", review, "tags", strings.Join(e.Tags, ", ")},
		{"Issuer", e.Issuer, "subject", e.Subject, "serial", e.Serial, "ends in", e.LastFour, "keyed fingerprint", e.Print},
		{"Model", e.Model, "tools", strings.Join(e.Tools, ", "), "data reach", reach, "autonomy", trimDot(e.Autonomy), "kill switch tried", triedWords(day(e.KillTested), v.State.Life.KillDrill), "to retire it", trimDot(e.RetirePlan)},
		{"Vendor", vendor, "sponsor", who(string(e.Sponsor)), "contract until", day(e.ContractEnd)},
		{"Was seen to use", strings.Join(e.Used, ", "), "used by", strings.Join(e.Uses, ", "), "runs as the account of", who(string(e.Person))},
		{"Asked for or made by", s.makerWords(ctx, e.Creator), "last acted as by", who(string(v.Row.LastUser))},
	} {
		var parts []string
		for i := 0; i < len(line); i += 2 {
			if line[i+1] != "" {
				parts = append(parts, line[i]+": "+line[i+1])
			}
		}
		if len(parts) > 0 {
			out = append(out, upper(strings.Join(parts, "; ")))
		}
	}
	return out
}

// makerWords is who asked for an identity, as people know them.
func (s *serving) makerWords(ctx context.Context, p workflows.PersonID) string {
	switch p {
	case "":
		return ""
	case identities.NobodyNow:
		return "somebody who is not in the people file"
	}
	return s.ownerWords(ctx, string(p))
}
