package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
)

// The corridors between bot and store are closed: these small values join the interfaces of the one to the methods of the other.

type inbox struct{ s *store.Store }

// Put implements slack.Inbox.
func (i inbox) Put(ctx context.Context, in slack.Received) (string, bool, error) {
	id, dup, err := i.s.PutInbox(ctx, in.Transport, in.Kind, in.Keys, in.Body)
	return strconv.FormatInt(id, 10), dup, err
}

func inboxID(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("inbox row %q: %w", id, err)
	}
	return n, nil
}

// ReceivedAt implements bot.Inbox.
func (i inbox) ReceivedAt(ctx context.Context, id string) (workflows.Stamp, error) {
	n, err := inboxID(id)
	if err != nil {
		return 0, err
	}
	return i.s.ReceivedAt(ctx, n)
}

// Done implements bot.Inbox.
func (i inbox) Done(ctx context.Context, id string) error {
	n, err := inboxID(id)
	if err != nil {
		return err
	}
	return i.s.FinishInbox(ctx, n, slack.Scrub) // what opens doors has been used
}

type accounts struct{ s *store.Store }

func accountOf(a store.Account) bot.Account {
	return bot.Account{Actor: a.Actor, Kind: a.Kind, Key: a.Key, Person: a.Person}
}

// Ensure implements bot.Accounts.
func (a accounts) Ensure(ctx context.Context, kind, key string) (bot.Account, error) {
	row, err := a.s.EnsureAccount(ctx, kind, key)
	return accountOf(row), err
}

// Link implements bot.Accounts.
func (a accounts) Link(ctx context.Context, actor workflows.ActorID, p workflows.PersonID) error {
	return a.s.LinkAccount(ctx, actor, p)
}

// ByActor implements bot.Accounts.
func (a accounts) ByActor(ctx context.Context, actor workflows.ActorID) (bot.Account, error) {
	row, err := a.s.AccountByActor(ctx, actor)
	return accountOf(row), err
}

// Of implements bot.Accounts.
func (a accounts) Of(ctx context.Context, p workflows.PersonID) ([]bot.Account, error) {
	rows, err := a.s.AccountsOf(ctx, p)
	var out []bot.Account
	for _, r := range rows {
		out = append(out, accountOf(r))
	}
	return out, err
}

// EnsurePerson implements bot.Persons.
func (a accounts) EnsurePerson(ctx context.Context, key string) (workflows.PersonID, error) {
	p, err := a.s.EnsurePerson(ctx, key)
	return p.Ref, err
}

type surfaces struct{ s *store.Store }

func surfaceOf(f store.Surface) bot.Surface {
	return bot.Surface{
		ID: f.ID, Stream: f.Stream, Home: f.Place == store.PlaceHome, Channel: f.Channel, TS: f.TS, Person: f.Person,
		Pace: f.Pace, Thread: f.Thread,
	}
}

// Save implements bot.Surfaces.
func (x surfaces) Save(ctx context.Context, f bot.Surface, seq int64) (bot.Surface, error) {
	row := store.Surface{Stream: f.Stream, Place: store.PlaceMessage, Channel: f.Channel, TS: f.TS, Person: f.Person, Pace: f.Pace, Thread: f.Thread}
	if f.Home {
		row.Place = store.PlaceHome
	}
	row, err := x.s.SaveSurface(ctx, row, seq)
	return surfaceOf(row), err
}

// Of implements bot.Surfaces.
func (x surfaces) Of(ctx context.Context, stream workflows.StreamID) ([]bot.Surface, error) {
	rows, err := x.s.SurfacesOf(ctx, stream)
	var out []bot.Surface
	for _, r := range rows {
		out = append(out, surfaceOf(r))
	}
	return out, err
}

// At implements bot.Surfaces.
func (x surfaces) At(ctx context.Context, channel, ts string) (bot.Surface, bool, error) {
	f, err := x.s.SurfaceAt(ctx, channel, ts)
	if errors.Is(err, store.ErrNotFound) {
		return bot.Surface{}, false, nil
	}
	return surfaceOf(f), err == nil, err
}

// Threaded implements bot.Surfaces.
func (x surfaces) Threaded(ctx context.Context, id, seq int64) error {
	return x.s.Threaded(ctx, id, seq)
}

// Drop implements bot.Surfaces.
func (x surfaces) Drop(ctx context.Context, id int64) error { return x.s.DropSurface(ctx, id) }

// listed are the people as linking needs them.
func listed(people map[workflows.PersonID]deskPerson) []bot.Listed {
	var out []bot.Listed
	for _, p := range people {
		out = append(out, bot.Listed{Person: p.ID, Name: p.Name, Slack: p.Slack, Email: p.Email})
	}
	return out
}
