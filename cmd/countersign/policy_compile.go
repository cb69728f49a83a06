package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// addTime puts calendars, rotations and working hours into a policy, and what evaluates conditions.
func addTime(out *desk.Policy, p spec.Policies) error {
	out.Calendars, out.Rotations = map[string]desk.Calendar{}, map[string]desk.Rotation{}
	out.Targets, out.Hours = map[workflows.TargetID]desk.Target{}, map[workflows.PersonID]*calendar.Hours{}
	out.Conditions = spec.NewConditions()
	errs := []error{checkWatch(p.Targets)}
	for _, c := range p.Calendars {
		x := desk.Calendar{Feed: feedName(c.Feed), Name: c.Name, Zone: c.Zone, Week: c.Hours, Holidays: c.Holidays}
		for _, f := range c.Freezes {
			x.Stops = append(x.Stops, desk.Freeze{Name: f.Name, From: f.From, To: f.To, Why: f.Why})
		}
		made, err := desk.NewCalendar(x)
		errs = append(errs, err)
		out.Calendars[c.Name] = made
	}
	for _, r := range p.Rotations {
		out.Rotations[r.Name] = desk.Rotation{Name: r.Name, People: r.People, Shifts: r.Rotation, Feed: feedName(r.Feed)}
	}
	for _, t := range p.Targets {
		out.Targets[t.ID] = desk.Target{
			ID: t.ID, Title: t.Title, Connector: t.Connector, Owner: t.Owner, Backup: t.Backup, Environment: t.Environment,
			DataClass: t.DataClass, Settings: maps.Clone(t.Settings),
		}
	}
	for id, x := range out.People {
		var place *desk.Calendar
		if c, ok := out.Calendars[x.Calendar]; ok {
			place = &c
		}
		h, err := desk.PersonHours(x, place)
		errs = append(errs, err)
		if h != nil {
			out.Hours[id] = h
		}
	}
	return errors.Join(errs...)
}

// listedMedium is the kind of account that stands for what a file says of somebody: nobody acts by one.
const listedMedium = "listed"

// mark gives each account that the files name a pseudonym that stays the same as long as the account does. What it stands for lies in the
// directory, from which it can be erased with the person.
func mark(ctx context.Context, s *store.Store, p *desk.Policy) error {
	for id, x := range p.People {
		values := map[string]string{"slack": x.Slack, "unix": x.Unix, "email": x.Email}
		for target, account := range x.Accounts {
			values["account/"+string(target)] = account
		}
		var err error
		if x.Marks, err = marksOf(ctx, s, values, id); err != nil {
			return fmt.Errorf("keeping the accounts of %q: %w", x.Key, err)
		}
		p.People[id] = x
	}
	for id, i := range p.Identities {
		values := map[string]string{}
		for target, account := range i.Accounts {
			values["account/"+string(target)] = account
		}
		var err error
		if i.Marks, err = marksOf(ctx, s, values, ""); err != nil {
			return fmt.Errorf("keeping the accounts of %q: %w", id, err)
		}
		p.Identities[id] = i
	}
	p.Unmark = func(mark string) (string, bool) {
		row, err := s.AccountByActor(context.WithoutCancel(ctx), workflows.ActorID(mark))
		if err != nil || row.Kind != listedMedium {
			return "", false
		}
		return listedValue(row.Key)
	}
	return nil
}

func marksOf(ctx context.Context, s *store.Store, values map[string]string, person workflows.PersonID) (map[string]string, error) {
	out := map[string]string{}
	for _, what := range slices.Sorted(maps.Keys(values)) {
		if values[what] == "" {
			continue
		}
		key := listedKey(what, values[what])
		row, err := s.AccountByKey(ctx, listedMedium, key)
		if err == nil && row.Actor == "" {
			var b [16]byte
			rand.Read(b[:])
			row = store.Account{Actor: workflows.ActorID("a_" + hex.EncodeToString(b[:])), Kind: listedMedium, Key: key, Person: person}
			err = s.PutAccount(ctx, row)
		}
		if err != nil {
			return nil, err
		}
		out[what] = string(row.Actor)
	}
	return out, nil
}

// listedKey names what a file says: "slack=U123". A slash would read as an account of a workspace.
func listedKey(what, value string) string { return strings.ReplaceAll(what, "/", ":") + "=" + value }

func listedValue(key string) (string, bool) {
	_, value, ok := strings.Cut(key, "=")
	return value, ok
}

// governedTargets are the targets as the ledger has them in force: one that the folder reaches in another way is reached in the old one until
// people have approved that. New targets are as in the folder, and of those that are gone nothing is left.
func governedTargets(ctx context.Context, s *store.Store, folder []spec.Target) ([]spec.Target, error) {
	h, err := s.History(ctx, workflows.PolicyStream)
	if err != nil {
		return nil, err
	}
	var last workflows.PolicyLoaded
	for _, r := range h {
		if e, ok := r.Event.(workflows.PolicyLoaded); ok {
			last = e
		}
	}
	out := slices.Clone(folder)
	for i, t := range out {
		hash := last.Sources["target/"+string(t.ID)]
		if hash == "" {
			continue
		}
		doc, err := s.Document(ctx, hash)
		if err != nil {
			return nil, fmt.Errorf("reading how target %q is reached: %w", t.ID, err)
		}
		var was desk.Target
		if err := json.Unmarshal(doc.Bytes, &was); err != nil {
			return nil, fmt.Errorf("reading how target %q is reached: %w", t.ID, err)
		}
		out[i].Connector, out[i].Settings = was.Connector, was.Settings
	}
	return out, nil
}
