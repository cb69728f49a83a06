package main

import (
	"context"
	"errors"
	"net/http"
	"sort"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/scim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

const viaSCIM = "scim"

// scimRoute opens the door to an identity provider, where the operator gave it a token.
func (s *serving) scimRoute(mux *http.ServeMux) {
	if s.cfg.SCIMToken == "" {
		return
	}
	server, err := scim.New(staff{s}, s.cfg.SCIMToken, s.log)
	if err != nil {
		s.log.Error("the door for the identity provider stays shut", "err", err)
		return
	}
	mux.Handle(scim.Prefix, server.Handler())
}

// staff joins the door to the desk.
type staff struct{ s *serving }

// Everybody implements scim.Staff.
func (x staff) Everybody(ctx context.Context) ([]scim.Person, error) {
	var out []scim.Person
	for id, p := range x.s.desk.Policy().People {
		left, err := x.s.desk.HasLeft(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, scim.Person{ID: id, Name: p.Name, Email: p.Email, Active: !left})
	}
	sort.Slice(out, func(i, j int) bool { return string(out[i].ID) < string(out[j].ID) })
	return out, nil
}

// Groups implements scim.Staff.
func (x staff) Groups(context.Context) (map[string][]workflows.PersonID, error) {
	return x.s.desk.Policy().Groups, nil
}

// Left implements scim.Staff.
func (x staff) Left(ctx context.Context, p workflows.PersonID, detail string) error {
	return x.s.desk.Depart(ctx, desk.Departure{By: workflows.System, Person: p, Why: identities.LeftCompany, Source: viaSCIM, Detail: detail})
}

// Moved implements scim.Staff.
func (x staff) Moved(ctx context.Context, p workflows.PersonID, detail string) error {
	return x.s.desk.Depart(ctx, desk.Departure{By: workflows.System, Person: p, Why: identities.LeftRole, Source: viaSCIM, Detail: detail})
}

// Back implements scim.Staff.
func (x staff) Back(ctx context.Context, p workflows.PersonID) error {
	return x.s.desk.Depart(ctx, desk.Departure{By: workflows.System, Person: p, Source: viaSCIM})
}

// Accounts implements scim.Staff.
func (x staff) Accounts(ctx context.Context, p workflows.PersonID) ([]string, error) {
	return x.s.bot.Adopted(ctx, p)
}

// Adopt implements scim.Staff.
func (x staff) Adopt(ctx context.Context, p workflows.PersonID, accounts []string) error {
	err := x.s.bot.Adopt(ctx, p, accounts)
	var taken *bot.TakenError
	if errors.As(err, &taken) {
		return scim.ErrTaken
	}
	return err
}
