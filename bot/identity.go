package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Listed is somebody of the people file, as far as linking needs it.
type Listed struct {
	Person workflows.PersonID
	Name   string
	Slack  string // "U…" or "T…/U…"; empty: not given
	Email  string
}

// IdentityConfig is what an Identity is made of. Finder may be nil: then user groups cannot be asked.
type IdentityConfig struct {
	Slack        *slack.Sender
	Accounts     Accounts
	Persons      Persons
	Finder       Finder
	Installation slack.Installation
	LinkByEmail  bool             // e-mail is mutable unless single sign-on locks it: only when the operator says so
	Now          func() time.Time // real time, for the age of answers; nil: time.Now
	Log          *slog.Logger
}

// Identity says who people are: it maps Slack accounts to persons, and asks Slack what kind of account acts. It is the desk's Directory.
// An answer is at most 60 seconds old, and when Slack cannot be asked there is none: that refuses (T10).
type Identity struct {
	c      IdentityConfig
	listed atomic.Pointer[listing]
	link   atomic.Pointer[linker]
	proof  atomic.Pointer[prover]
	users  *cache[slack.User]
	groups *cache[[]string]            // members of channels
	all    *cache[map[string][]string] // members of all user groups, one answer
	muted  atomic.Int64                // until when nobody's language is asked for, in nanoseconds since 1970
}

type linker func(context.Context, workflows.PersonID, identities.Linked) error

// prover tells whether an account was proved, from both sides, to belong to a person.
type prover func(context.Context, workflows.PersonID, workflows.ActorID) bool

var _ desk.Directory = (*Identity)(nil)

// NewIdentity makes an Identity that lists nobody until SetPeople.
func NewIdentity(c IdentityConfig) *Identity {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	i := &Identity{c: c, users: newCache[slack.User](standingAge, maxCached, c.Now), groups: newCache[[]string](groupAge, maxGroups, c.Now)}
	i.all = newCache[map[string][]string](groupAge, 1, c.Now)
	i.listed.Store(newListing(c.Installation, nil))
	return i
}

// listing is the people file, indexed.
type listing struct {
	byPerson map[workflows.PersonID]Listed
	bySlack  map[string]Listed // account key
	byEmail  map[string]Listed // lower case
}

func newListing(at slack.Installation, people []Listed) *listing {
	l := &listing{byPerson: map[workflows.PersonID]Listed{}, bySlack: map[string]Listed{}, byEmail: map[string]Listed{}}
	for _, p := range people {
		l.byPerson[p.Person] = p
		if p.Slack != "" {
			l.bySlack[listedKey(at, p.Slack)] = p
		}
		if p.Email != "" {
			l.byEmail[strings.ToLower(p.Email)] = p
		}
	}
	return l
}

func listedKey(at slack.Installation, id string) string {
	if team, user, ok := strings.Cut(id, "/"); ok {
		return accountKey(team, user)
	}
	return accountKey(home(at), id)
}

// SetPeople replaces the people file.
func (i *Identity) SetPeople(people []Listed) { i.listed.Store(newListing(i.c.Installation, people)) }

// record makes links known to the ledger; New attaches it.
func (i *Identity) record(f linker) { i.link.Store(&f) }

// proofs lets the ledger say which accounts were linked by their holder; New attaches it.
func (i *Identity) proofs(f prover) { i.proof.Store(&f) }

func (i *Identity) proven(ctx context.Context, p workflows.PersonID, actor workflows.ActorID) bool {
	f := i.proof.Load()
	return f != nil && (*f)(ctx, p, actor)
}

// home is the workspace or organisation whose members are ours. In an organisation user ids are unique across its workspaces.
func home(at slack.Installation) string { return cmp.Or(at.EnterpriseID, at.TeamID) }

func accountKey(team, user string) string { return team + "/" + user }

// keyOf names the account that acted: never by name or address, always by the payload's own user id (T06, T08). Somebody of another
// organisation keeps their own workspace in the key, so that they are never taken for one of ours with the same user id.
func (i *Identity) keyOf(in slack.Interaction) string {
	at := i.c.Installation
	if foreign(at, in) {
		return accountKey(cmp.Or(in.UserTeamID, in.TeamID, "unknown"), in.UserID)
	}
	return accountKey(home(at), in.UserID)
}

// foreign repeats the transport's judgement, because an interaction that is drained after a restart comes without it.
func foreign(at slack.Installation, in slack.Interaction) bool {
	if in.External {
		return true
	}
	return in.UserTeamID != "" && in.UserTeamID != at.TeamID && in.UserTeamID != at.EnterpriseID &&
		(at.EnterpriseID == "" || in.EnterpriseID != at.EnterpriseID)
}

// Resolve says who acted. An account that nobody listed gets a person of its own, so that what it attempts can be recorded.
func (i *Identity) Resolve(ctx context.Context, in slack.Interaction) (workflows.Acting, error) {
	if in.UserID == "" {
		return workflows.Acting{}, errors.New("resolving the actor: the interaction names nobody")
	}
	return i.account(ctx, i.keyOf(in))
}

// Account says whose an account of the people file's spelling is, "U…" or "T…/U…". One that nobody has seen is made known.
func (i *Identity) Account(ctx context.Context, id string) (workflows.Acting, error) {
	return i.account(ctx, listedKey(i.c.Installation, id))
}

func (i *Identity) account(ctx context.Context, key string) (workflows.Acting, error) {
	a, err := i.c.Accounts.Ensure(ctx, slackAccount, key)
	if err != nil {
		return workflows.Acting{}, fmt.Errorf("resolving account %q: %w", key, err)
	}
	person, how, err := i.personOf(ctx, key, a)
	if err != nil {
		return workflows.Acting{}, fmt.Errorf("resolving account %q: %w", key, err)
	}
	if a.Person == person {
		return workflows.Acting{Actor: a.Actor, Person: person}, nil
	}
	// The ledger says so before the table does: a crash between leaves a link that is made again, not one that nobody can explain.
	if f := i.link.Load(); f != nil {
		if err := (*f)(ctx, person, identities.Linked{Account: a.Actor, Medium: slackAccount, How: how, Name: i.listed.Load().byPerson[person].Name, User: key}); err != nil {
			return workflows.Acting{}, fmt.Errorf("recording the link of %q: %w", key, err)
		}
	}
	if err := i.c.Accounts.Link(ctx, a.Actor, person); err != nil {
		return workflows.Acting{}, fmt.Errorf("linking account %q: %w", key, err)
	}
	return workflows.Acting{Actor: a.Actor, Person: person}, nil
}

// personOf finds the person of an account: the people file by Slack id, then by e-mail if the operator allowed it, else one of its own.
func (i *Identity) personOf(ctx context.Context, key string, a Account) (person workflows.PersonID, how string, err error) {
	l := i.listed.Load()
	if p, ok := l.bySlack[key]; ok {
		return p.Person, "people file", nil
	}
	p, ok, err := i.byEmail(ctx, l, key)
	switch {
	case err != nil && a.Person != "":
		return a.Person, "", nil // keep the link while Slack cannot be asked; its standing cannot be asked either, and that refuses
	case err != nil:
		return "", "", err
	case ok:
		return p.Person, "e-mail", nil
	}
	if _, listed := l.byPerson[a.Person]; a.Person != "" && (!listed || i.proven(ctx, a.Person, a.Actor)) {
		return a.Person, "", nil
	}
	person, err = i.c.Persons.EnsurePerson(ctx, slackAccount+":"+key)
	return person, "first seen", err
}

// byEmail links an account of ours with a confirmed address, when the operator allowed it. A person whose Slack id is listed is linked by
// that alone.
func (i *Identity) byEmail(ctx context.Context, l *listing, key string) (Listed, bool, error) {
	team, user, _ := strings.Cut(key, "/")
	if !i.c.LinkByEmail || team != home(i.c.Installation) {
		return Listed{}, false, nil
	}
	u, err := i.user(ctx, user)
	if err != nil || u.Email == "" || i.standingOf(u).Refusal() != nil {
		return Listed{}, false, err
	}
	p, ok := l.byEmail[strings.ToLower(u.Email)]
	return p, ok && p.Slack == "", nil
}

// user asks Slack about one of ours, at most once a minute.
func (i *Identity) user(ctx context.Context, id string) (slack.User, error) {
	ctx, cancel := context.WithTimeout(ctx, userWait)
	defer cancel()
	u, err := i.users.get(id, func() (slack.User, error) { return i.c.Slack.UserInfo(ctx, id) })
	i.silent(err)
	return u, err
}

// Forget drops what is known of a user: they changed.
func (i *Identity) Forget(user string) { i.users.drop(user) }

// ForgetGroups drops what is known of user groups: one changed.
func (i *Identity) ForgetGroups() {
	i.groups.clear()
	i.all.clear()
}

// Slack is the user id under which a person can be told something; "" when there is none.
func (i *Identity) Slack(ctx context.Context, p workflows.PersonID) (string, error) {
	keys, err := i.keysOf(ctx, p)
	if err != nil || len(keys) == 0 {
		return "", err
	}
	_, user, _ := strings.Cut(keys[0], "/")
	return user, nil
}

// keysOf are the Slack accounts of a person in our workspace: the listed one first.
func (i *Identity) keysOf(ctx context.Context, p workflows.PersonID) ([]string, error) {
	at := i.c.Installation
	var keys []string
	add := func(key string) {
		team, _, _ := strings.Cut(key, "/")
		if team != home(at) && team != at.TeamID {
			return
		}
		for _, k := range keys {
			if k == key {
				return
			}
		}
		keys = append(keys, key)
	}
	listed, ok := i.listed.Load().byPerson[p]
	if ok && listed.Slack != "" {
		add(listedKey(at, listed.Slack))
		return keys, nil // the file says which; older links are history
	}
	accounts, err := i.c.Accounts.Of(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("reading the accounts of %q: %w", p, err)
	}
	for _, a := range accounts {
		if a.Kind == slackAccount {
			add(a.Key)
		}
	}
	if len(keys) == 0 && ok {
		if u, found := i.lookup(ctx, listed); found {
			add(accountKey(home(at), u))
		}
	}
	return keys, nil
}

// accountsOf are all Slack accounts of a person: the one they are told things under, and those they linked.
func (i *Identity) accountsOf(ctx context.Context, p workflows.PersonID) ([]string, error) {
	keys, err := i.keysOf(ctx, p)
	if err != nil {
		return nil, err
	}
	list, err := i.c.Accounts.Of(ctx, p)
	for _, a := range list {
		if a.Kind == slackAccount && !slices.Contains(keys, a.Key) && i.proven(ctx, p, a.Actor) {
			keys = append(keys, a.Key)
		}
	}
	return keys, err
}

// lookup finds the account of somebody who is listed with an e-mail only and has not acted yet.
func (i *Identity) lookup(ctx context.Context, p Listed) (string, bool) {
	if !i.c.LinkByEmail || p.Email == "" {
		return "", false
	}
	u, err := i.users.get("email:"+strings.ToLower(p.Email), func() (slack.User, error) { return i.c.Slack.LookupByEmail(ctx, p.Email) })
	if err != nil || i.standingOf(u).Refusal() != nil {
		return "", false
	}
	return u.ID, true
}

// Name implements desk.Directory: the people file's name, else what Slack says of the account, else the id.
func (i *Identity) Name(ctx context.Context, p workflows.PersonID) string {
	if l, ok := i.listed.Load().byPerson[p]; ok {
		return l.Name
	}
	id, err := i.Slack(ctx, p)
	if err != nil || id == "" {
		return string(p)
	}
	u, err := i.users.within(nameAge, id, func() (slack.User, error) { return i.c.Slack.UserInfo(ctx, id) })
	if err != nil {
		return string(p)
	}
	return cmp.Or(u.RealName, u.DisplayName, u.Name, string(p))
}

// ChatGroup implements desk.Directory. A member whose account cannot be mapped is an error: part of a group would be another group.
func (i *Identity) ChatGroup(ctx context.Context, handle string) ([]workflows.PersonID, error) {
	if i.c.Finder == nil {
		return nil, fmt.Errorf("asking for user group %q: user groups are not connected", handle)
	}
	all, err := i.all.get("", func() (map[string][]string, error) { return i.c.Slack.GroupMembers(ctx) })
	if err != nil {
		return nil, fmt.Errorf("asking for user group %q: %w", handle, err)
	}
	members, ok := all[handle]
	if !ok {
		return nil, fmt.Errorf("asking for user group %q: Slack knows no such group, or it is disabled", handle)
	}
	out, err := i.persons(ctx, members)
	if err != nil {
		return nil, fmt.Errorf("asking for user group %q: %w", handle, err)
	}
	return out, nil
}

// ChatChannel implements desk.Directory: the members of a channel ("#dba"). One that people of another organisation can see names nobody:
// who sits there is not ours to say.
func (i *Identity) ChatChannel(ctx context.Context, name string) ([]workflows.PersonID, error) {
	if i.c.Finder == nil {
		return nil, fmt.Errorf("asking for channel %q: channels are not connected", name)
	}
	members, err := i.groups.get(name, func() ([]string, error) {
		id, err := i.c.Finder.ChannelID(ctx, name)
		if err != nil {
			return nil, err
		}
		info, err := i.c.Slack.ConversationInfo(ctx, id)
		switch {
		case err != nil:
			return nil, err
		case shared(info):
			return nil, errors.New("it is shared with another organisation")
		case info.Archived:
			return nil, errors.New("it is archived")
		}
		return i.c.Slack.ConversationMembers(ctx, id)
	})
	if err != nil {
		return nil, fmt.Errorf("asking for channel %q: %w", name, err)
	}
	out := make([]workflows.PersonID, 0, len(members))
	for _, m := range members { // bots and onlookers sit in channels too: only who is in the people file could decide
		p, err := i.PersonOf(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("asking for channel %q: %w", name, err)
		}
		if p != "" {
			out = append(out, p)
		}
	}
	return out, nil
}

// persons maps the members of a group.
func (i *Identity) persons(ctx context.Context, members []string) ([]workflows.PersonID, error) {
	out := make([]workflows.PersonID, 0, len(members))
	for _, m := range members {
		who, err := i.account(ctx, accountKey(home(i.c.Installation), m))
		if err != nil {
			return nil, err
		}
		out = append(out, who.Person)
	}
	return out, nil
}

// PersonOf says who a user id of our workspace is, for somebody who was picked from a list; empty for one who is not in the people file.
func (i *Identity) PersonOf(ctx context.Context, user string) (workflows.PersonID, error) {
	who, err := i.account(ctx, accountKey(home(i.c.Installation), user))
	if err != nil {
		return "", err
	}
	if _, listed := i.listed.Load().byPerson[who.Person]; !listed {
		return "", nil
	}
	return who.Person, nil
}

// Listed says who of the people file has a user id of our workspace; empty for everybody else. It makes nobody known who was not.
func (i *Identity) Listed(ctx context.Context, user string) (workflows.PersonID, error) {
	if p, ok := i.listed.Load().bySlack[accountKey(home(i.c.Installation), user)]; ok {
		return p.Person, nil
	}
	if !i.c.LinkByEmail {
		return "", nil
	}
	return i.PersonOf(ctx, user)
}

// cache keeps answers for a while, up to a number. It never keeps an error.
type cache[V any] struct {
	age  time.Duration
	most int
	now  func() time.Time
	mu   sync.Mutex
	gen  int // rises with every drop, so that an answer asked for before is not kept after
	rows map[string]kept[V]
}

type kept[V any] struct {
	value V
	at    time.Time
}

func newCache[V any](age time.Duration, most int, now func() time.Time) *cache[V] {
	return &cache[V]{age: age, most: most, now: now, rows: map[string]kept[V]{}}
}

func (c *cache[V]) get(key string, ask func() (V, error)) (V, error) {
	return c.within(c.age, key, ask)
}

// within takes an answer that is at most so old.
func (c *cache[V]) within(age time.Duration, key string, ask func() (V, error)) (V, error) {
	c.mu.Lock()
	row, ok := c.rows[key]
	gen := c.gen
	c.mu.Unlock()
	if ok && c.now().Sub(row.at) < age {
		return row.value, nil
	}
	at := c.now() // before asking: the answer is at least as young
	v, err := ask()
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen != gen {
		return v, nil
	}
	if len(c.rows) >= c.most {
		clear(c.rows)
	}
	c.rows[key] = kept[V]{v, at}
	return v, nil
}

func (c *cache[V]) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	delete(c.rows, key)
}

func (c *cache[V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	clear(c.rows)
}
