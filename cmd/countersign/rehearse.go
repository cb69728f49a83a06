package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// A rehearsal is the desk itself, with the documents of a folder, on a ledger in memory: what policy tests, stories and questions before asking
// are answered by is the program that will decide, not a model of it. Nobody is told, nothing is granted, and the clock is moved by hand.
type rehearsal struct {
	desk     *desk.Desk
	policies spec.Policies
	policy   *desk.Policy
	ledger   *memoryLedger
	world    *folderWorld
}

// rehearse puts the documents of a folder in force at a moment.
func rehearse(ctx context.Context, p spec.Policies, at workflows.Stamp) (*rehearsal, error) {
	return rehearseFed(ctx, p, at, nil)
}

// rehearseFed is rehearse with the ages of the feeds that the folder goes by, so that answers say which are old.
func rehearseFed(ctx context.Context, p spec.Policies, at workflows.Stamp, feeds desk.Feeds) (*rehearsal, error) {
	policy, err := policyOf(p)
	if err != nil {
		return nil, err
	}
	l := newMemoryLedger(at)
	world := &folderWorld{policy: policy, is: map[workflows.PersonID]workflows.Standing{}, chat: map[string][]workflows.PersonID{}}
	r := &rehearsal{policies: p, policy: policy, ledger: l, world: world}
	r.desk = desk.New(desk.Config{Ledger: l, Directory: world, IDs: l, Feeds: feeds, Log: slog.New(slog.DiscardHandler)})
	if err := r.desk.Load(ctx, policy); err != nil {
		return nil, fmt.Errorf("putting the folder in force: %w", err)
	}
	return r, nil
}

// person finds somebody by their key or name.
func (r *rehearsal) person(word string) (workflows.PersonID, bool) {
	return personNamed(r.policies, word)
}

func personNamed(p spec.Policies, word string) (workflows.PersonID, bool) {
	for _, x := range p.People {
		if x.Key == word || string(x.ID) == word || strings.EqualFold(x.Name, word) || strings.EqualFold(x.Email, word) && word != "" {
			return x.ID, true
		}
	}
	return "", false
}

// keyOf is what the files call somebody.
func (r *rehearsal) keyOf(id workflows.PersonID) string {
	if p, ok := r.policy.People[id]; ok {
		return p.Key
	}
	return string(id)
}

func (r *rehearsal) keys(list []workflows.PersonID) string {
	var words []string
	for _, p := range list {
		words = append(words, r.keyOf(p))
	}
	return strings.Join(words, " ")
}

// acting is somebody at the command line of the rehearsal.
func acting(p workflows.PersonID) workflows.Acting {
	return workflows.Acting{Actor: workflows.ActorID("a_" + strings.TrimPrefix(string(p), "p_")), Person: p}
}

// hold gives somebody access without asking, as it would stand in the ledger after a request with such fields.
func (r *rehearsal) hold(holder workflows.IdentityID, t workflows.TargetID, e workflows.EntitlementID, ends workflows.Stamp, fields map[string]string) error {
	var ent workflows.Entitlement
	for _, x := range r.policies.Entitlements {
		if x.Target == t && x.ID == e {
			ent = x
		}
	}
	if ent.Target == "" {
		return fmt.Errorf("there is no entitlement %s/%s", t, e)
	}
	stream := workflows.GrantStream(holder, t, e)
	g := grants.Approved{
		Grant: workflows.GrantID(r.ledger.New("g_")), Request: workflows.RequestID(r.ledger.New("r_")), Fields: fields, Identity: holder, Requester: holder.Person(), Owner: ent.Owner, Target: t, Entitlement: e,
		TargetTitle: ent.TargetTitle, Title: ent.Title, Connector: ent.Connector, Params: ent.Params, Shared: ent.Shared,
		EndsAt: ends, EndsMono: r.ledger.now.Mono + int64(ends.Sub(r.ledger.now.UTC)),
	}
	var out workflows.Outcome
	out.Add(stream, workflows.System, "", g)
	out.Add(stream, workflows.System, "", grants.Started{Grant: g.Grant, Ref: "rehearsal"})
	return r.ledger.write(out)
}

// used counts asks or automatic approvals of somebody, as if they had been made just now.
func (r *rehearsal) used(p workflows.PersonID, what string, w workflows.WorkflowID, rule string, n int) error {
	var out workflows.Outcome
	for range n {
		out.Add(workflows.PersonStream(p), workflows.System, "", identities.Used{What: what, Workflow: w, Rule: rule, Request: workflows.RequestID(r.ledger.New("r_"))})
	}
	return r.ledger.write(out)
}

// memoryLedger keeps what the desk decides, for as long as the command runs. It is used by one goroutine.
type memoryLedger struct {
	now       workflows.Instant
	histories map[workflows.StreamID][]workflows.Record
	documents map[workflows.DocHash]workflows.Document
	lists     map[workflows.StreamID][]workflows.Listing
	jobs      map[workflows.StreamID][]workflows.Job
	inventory map[workflows.IdentityID]workflows.InventoryRow
	elsewhere func(context.Context, workflows.DocHash) (workflows.Document, error) // documents of the ledger that this one goes on from; may be nil
	entries   int64
	ids       int64
}

func newMemoryLedger(at workflows.Stamp) *memoryLedger {
	return &memoryLedger{
		now:       workflows.Instant{UTC: at, Mono: int64(time.Hour)},
		histories: map[workflows.StreamID][]workflows.Record{}, documents: map[workflows.DocHash]workflows.Document{},
		lists: map[workflows.StreamID][]workflows.Listing{}, jobs: map[workflows.StreamID][]workflows.Job{},
		inventory: map[workflows.IdentityID]workflows.InventoryRow{},
	}
}

// Update implements desk.Ledger. Causes are not remembered: a rehearsal has no deliveries that could come twice.
func (l *memoryLedger) Update(_ context.Context, _ workflows.Cause, streams []workflows.StreamID, decide func(workflows.Facts) (workflows.Outcome, error)) (workflows.Result, error) {
	f := workflows.Facts{Now: l.now, Histories: map[workflows.StreamID][]workflows.Record{}}
	for _, s := range streams {
		f.Histories[s] = slices.Clone(l.histories[s])
	}
	out, err := decide(f)
	if err != nil {
		return workflows.Result{}, err
	}
	records := l.append(out)
	maps.Copy(l.lists, out.Listings)
	maps.Copy(l.jobs, out.Pending)
	for s, row := range out.Inventory {
		delete(l.inventory, workflows.IdentityID(s.Rest()))
		if row != nil {
			l.inventory[row.ID] = *row
		}
	}
	return workflows.Result{Records: records, Refusal: out.Refusal}, nil
}

func (l *memoryLedger) append(out workflows.Outcome) []workflows.Record {
	var records []workflows.Record
	for _, d := range out.Documents {
		l.documents[d.Hash] = d
	}
	for _, e := range out.Events {
		h := l.histories[e.Stream]
		r := workflows.Record{
			Index: l.entries, ID: fmt.Sprintf("e_%d", l.entries), Stream: e.Stream, Seq: int64(len(h)) + 1, At: l.now,
			Actor: e.Actor, Person: e.Person, Cause: "rehearsal", Policy: e.Policy, Event: e.Event,
		}
		l.entries++
		l.histories[e.Stream] = append(h, r)
		records = append(records, r)
	}
	return records
}

// write records what nobody decided, with the lists that follow from it.
func (l *memoryLedger) write(out workflows.Outcome) error {
	for _, r := range l.append(out) {
		o, err := desk.Outstanding(r.Stream, l.histories[r.Stream])
		if err != nil {
			return err
		}
		l.lists[r.Stream], l.jobs[r.Stream] = o.Lists, o.Jobs
	}
	return nil
}

// History implements desk.Ledger.
func (l *memoryLedger) History(_ context.Context, s workflows.StreamID) ([]workflows.Record, error) {
	return slices.Clone(l.histories[s]), nil
}

// Inventory implements desk.Ledger.
func (l *memoryLedger) Inventory(_ context.Context, q workflows.InventoryQuery) ([]workflows.InventoryRow, error) {
	var out []workflows.InventoryRow
	for _, id := range slices.Sorted(maps.Keys(l.inventory)) {
		if q.Matches(l.inventory[id]) && (q.Limit <= 0 || len(out) < q.Limit) {
			out = append(out, l.inventory[id])
		}
	}
	return out, nil
}

// SharedKeys implements desk.Ledger.
func (l *memoryLedger) SharedKeys(_ context.Context, prefix string) ([]workflows.IdentityID, error) {
	holders := map[string][]workflows.IdentityID{}
	for id, r := range l.inventory {
		for _, k := range r.Keys {
			if strings.HasPrefix(k, prefix) && r.State != workflows.IdentityRetired {
				holders[k] = append(holders[k], id)
			}
		}
	}
	var out []workflows.IdentityID
	for _, ids := range holders {
		if len(ids) > 1 {
			out = append(out, ids...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// List implements desk.Ledger.
func (l *memoryLedger) List(_ context.Context, list, member string, limit int) ([]workflows.StreamID, error) {
	type place struct {
		stream workflows.StreamID
		sort   int64
	}
	var found []place
	for stream, places := range l.lists {
		for _, p := range places {
			if p.List == list && p.Member == member {
				found = append(found, place{stream, p.Sort})
			}
		}
	}
	sort.Slice(found, func(i, j int) bool {
		return cmp.Or(cmp.Compare(found[j].sort, found[i].sort), cmp.Compare(found[i].stream, found[j].stream)) < 0
	})
	if limit > 0 {
		found = found[:min(limit, len(found))]
	}
	var out []workflows.StreamID
	for _, p := range found {
		out = append(out, p.stream)
	}
	return out, nil
}

// Page implements desk.Ledger.
func (l *memoryLedger) Page(ctx context.Context, list, member string, after workflows.StreamID, limit int) ([]workflows.StreamID, error) {
	all, err := l.List(ctx, list, member, 0)
	slices.Sort(all)
	i, _ := slices.BinarySearch(all, after+"\x00")
	return all[i:min(len(all), i+limit)], err
}

// forget drops everything but the documents in force: what people and identities did is taken from another ledger.
func (l *memoryLedger) forget() {
	for s := range l.histories {
		if s.Kind() != workflows.KindPolicy {
			delete(l.histories, s)
			delete(l.lists, s)
			delete(l.jobs, s)
		}
	}
}

// keep adds an entry as it stands in another ledger.
func (l *memoryLedger) keep(x workflows.Record) error {
	l.histories[x.Stream] = append(l.histories[x.Stream], x)
	o, err := desk.Outstanding(x.Stream, l.histories[x.Stream])
	if err != nil {
		return err
	}
	l.lists[x.Stream], l.jobs[x.Stream] = o.Lists, o.Jobs
	return nil
}

// Document implements desk.Ledger.
func (l *memoryLedger) Document(ctx context.Context, h workflows.DocHash) (workflows.Document, error) {
	d, ok := l.documents[h]
	if !ok && l.elsewhere != nil {
		return l.elsewhere(ctx, h)
	}
	if !ok {
		return d, fmt.Errorf("there is no document %q", h)
	}
	return d, nil
}

// New implements desk.IDs. The ids of a rehearsal are counted, so that the same story gives the same text.
func (l *memoryLedger) New(prefix string) string {
	l.ids++
	return fmt.Sprintf("%s%026d", prefix, l.ids)
}

// Nonce implements desk.IDs.
func (l *memoryLedger) Nonce() string {
	l.ids++
	return fmt.Sprintf("%032x", l.ids)
}

// folderWorld answers what the chat would: everybody of the people file is an active member, unless a story says otherwise.
type folderWorld struct {
	policy *desk.Policy
	is     map[workflows.PersonID]workflows.Standing // who is not as usual
	chat   map[string][]workflows.PersonID           // user groups and channels that a story names
}

var errNoChat = errors.New("the chat is not asked in a rehearsal")

// Standing implements desk.Directory.
func (w *folderWorld) Standing(ctx context.Context, by workflows.Acting) (workflows.Standing, error) {
	return w.StandingOf(ctx, by.Person)
}

// StandingOf implements desk.Directory.
func (w *folderWorld) StandingOf(_ context.Context, p workflows.PersonID) (workflows.Standing, error) {
	if s, ok := w.is[p]; ok {
		return s, nil
	}
	_, listed := w.policy.People[p]
	return workflows.Standing{Known: true, Linked: listed, Active: true, Human: true, Member: true}, nil
}

// ChatGroup implements desk.Directory: a user group that no story names is taken to be the group of that name in the people file.
func (w *folderWorld) ChatGroup(_ context.Context, handle string) ([]workflows.PersonID, error) {
	return w.members(handle, strings.TrimPrefix(handle, "@"))
}

// ChatChannel implements desk.Directory in the same way.
func (w *folderWorld) ChatChannel(_ context.Context, name string) ([]workflows.PersonID, error) {
	return w.members(name, strings.TrimPrefix(name, "#"))
}

func (w *folderWorld) members(handle, group string) ([]workflows.PersonID, error) {
	if people, ok := w.chat[handle]; ok {
		return people, nil
	}
	if people, ok := w.policy.Groups[group]; ok {
		return people, nil
	}
	return nil, fmt.Errorf("who is in %s: %w; say it in the story, or name a group %s in people.yaml", handle, errNoChat, group)
}

// Name implements desk.Directory.
func (w *folderWorld) Name(_ context.Context, p workflows.PersonID) string {
	if x, ok := w.policy.People[p]; ok {
		return x.Name
	}
	return string(p)
}
