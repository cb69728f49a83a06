package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// The record of a third-party app (R88): vendor, scopes, data reach, last review, and what kills it.

// targetAbilities joins the desk to what connectors declare.
type targetAbilities struct{ runner *runbooks.Runner }

// TellsSessions implements desk.Abilities.
func (a targetAbilities) TellsSessions(t workflows.TargetID) bool {
	return a.runner.TellsSessions(string(t))
}

// HowKilled implements desk.Abilities.
func (a targetAbilities) HowKilled(t workflows.TargetID, account string) (how string, does bool) {
	c, ok := a.runner.Connector(string(t))
	if !ok {
		return "", false
	}
	if k, tells := c.(runbooks.KillTeller); tells {
		if how, does = k.HowKilled(account); how != "" {
			return how, does
		}
	} else if _, can := c.(runbooks.AccountCloser); can {
		return "its connector closes it and reads it back", true
	}
	if _, lists := c.(runbooks.Discoverer); lists {
		return "somebody takes it off there by hand, and what " + string(t) + " lists is held against their word", false
	}
	return "", false
}

// appLines are what a card says of an app, and of what else is killed by one command.
func (s *serving) appLines(ctx context.Context, v desk.IdentityView) []string {
	e := v.Entry
	var out []string
	if e.Class == identities.KindApp {
		reviewed := "never"
		if v.Row.Attested != 0 {
			reviewed = v.Row.Attested.Time().Format("2006-01-02")
		}
		out = append(out, fmt.Sprintf("Third-party app: vendor %s; reaches %s; reviewed %s; business owner: %s",
			cmp.Or(e.Vendor, "not on record"), cmp.Or(trimDot(e.DataReach), "data that nobody wrote down"), reviewed, s.ownerWords(ctx, e.Business)))
	}
	if grown := v.State.Grown(); len(grown) > 0 {
		out = append(out, fmt.Sprintf("Its scopes grew since somebody looked at it: %s. Attest it if that is wanted (countersign identities attest %s keep), or kill it", strings.Join(grown, ", "), v.Row.ID))
	}
	if k := v.Kill; k != nil && k.Type != "" {
		out = append(out, fmt.Sprintf("Kill: %s; on %s: %s", k.Type, cmp.Or(string(k.On), "no target"), k.How))
	}
	return out
}

// retireLines are what was done of a retirement, with its proof, and what is left.
func retireLines(t *identities.Retirement) []string {
	var out []string
	for _, i := range t.Items {
		done, is := t.Done[i.ID]
		switch {
		case !is:
			out = append(out, fmt.Sprintf("To do: %s (%s)", i.What, i.ID))
		case done.Proof == identities.ProofVerified:
			out = append(out, fmt.Sprintf("Done, and read back: %s", i.What))
		default:
			out = append(out, fmt.Sprintf("Done, as somebody says: %s", i.What))
		}
	}
	return out
}
