package desk

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Accounts asks targets about accounts that no grant of ours made. Package cmd joins it to the connectors.
type Accounts interface {
	// Use lists the live sessions of an account. An error means that the target cannot tell.
	Use(ctx context.Context, t workflows.TargetID, account string) ([]AccountSession, error)
}

// AccountSession is one live session of an account.
type AccountSession struct {
	Ref   string // the target's name for it
	From  string // address; empty: a local one
	Since workflows.Stamp
}

// ExceptionView is an exception with the identity that it stands for.
type ExceptionView struct {
	Identity workflows.IdentityID
	Owner    string
	identities.ExceptionState
}

// Exceptions are those that a person may see, those that stand first and the one that ends soonest first among them. all: those that are over, too.
func (d *Desk) Exceptions(ctx context.Context, reader workflows.PersonID, all bool) ([]ExceptionView, error) {
	var out []ExceptionView
	take := func(id workflows.IdentityID) error {
		s, err := d.identityState(ctx, id)
		if err != nil {
			return err
		}
		if !d.SeesInventory(ctx, reader) && !d.ownsIdentity(s.Entry(), reader) {
			return nil
		}
		for _, x := range s.Life.Exceptions {
			if all || x.Open() {
				out = append(out, ExceptionView{id, s.Entry().Owner, x})
			}
		}
		return nil
	}
	var err error
	if all {
		err = d.EachIdentity(ctx, workflows.InventoryQuery{}, func(r workflows.InventoryRow) error { return take(r.ID) })
	} else {
		err = d.eachExcepted(ctx, take)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.Open() != b.Open() {
			return a.Open()
		}
		return cmp.Or(cmp.Compare(a.EndsAt, b.EndsAt), cmp.Compare(a.Identity, b.Identity)) < 0
	})
	return out, err
}

func (d *Desk) eachExcepted(ctx context.Context, fn func(workflows.IdentityID) error) error {
	last := workflows.StreamID("")
	for {
		page, err := d.ledger.Page(ctx, identities.ListExceptions, "", last, pageOf)
		if err != nil {
			return err
		}
		for _, s := range page {
			if err := fn(workflows.IdentityID(s.Rest())); err != nil {
				return err
			}
			last = s
		}
		if len(page) < pageOf {
			return nil
		}
	}
}

// CheckExceptions looks at what makes up for every waived control, and takes in what it came to. An identity that cannot be looked at keeps nothing from
// the others; the last error is given.
func (d *Desk) CheckExceptions(ctx context.Context, ask Accounts) (last error) {
	err := d.eachExcepted(ctx, func(id workflows.IdentityID) error {
		if err := d.checkExceptions(ctx, ask, id); err != nil {
			d.log.WarnContext(ctx, "exceptions of an identity could not be looked at", "identity", id, "err", err)
			last = err
		}
		return ctx.Err()
	})
	return cmp.Or(err, last)
}

func (d *Desk) checkExceptions(ctx context.Context, ask Accounts, id workflows.IdentityID) error {
	s, err := d.identityState(ctx, id)
	if err != nil {
		return err
	}
	now, err := d.now(ctx)
	if err != nil {
		return err
	}
	in := looking{e: s.Entry(), now: now, alarm: d.Policy().Settings.SecurityChannel}
	in.account, in.place, _ = s.Texts()
	stream := workflows.IdentityStream(id)
	for _, x := range s.OpenExceptions() {
		if slices.ContainsFunc(x.Checks, func(c workflows.CheckTerms) bool {
			return c.Kind == workflows.CheckFrom || c.Kind == workflows.CheckAlert
		}) {
			in.look(ctx, ask, x.Target, d.AccountOn(id, x.Target))
		}
		l := in.answers(x)
		if _, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
			return identities.LookAt(f, stream, l)
		}); err != nil {
			return err
		}
	}
	return nil
}

// AccountOn is the account of an identity on a target, as the documents or the inventory have it; empty: none is on record.
func (d *Desk) AccountOn(id workflows.IdentityID, t workflows.TargetID) string {
	if x := d.Policy().Identities[id].Accounts[t]; x != "" {
		return x
	}
	i, _ := d.Policy().known(id)
	return i.Accounts[t]
}

// RecordLock records that a target lets an account of an identity log in no more, or again.
func (d *Desk) RecordLock(ctx context.Context, cause Cause, id workflows.IdentityID, t workflows.TargetID, locked bool) error {
	stream := workflows.IdentityStream(id)
	_, err := d.update(ctx, cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.Locks(f, stream, t, locked)
	})
	return err
}

// looking is what is known of an identity while its exceptions are looked at.
type looking struct {
	e              identities.Entry
	account, place string
	alarm          string
	now            workflows.Stamp
	uses           []AccountSession
	silent         string // why the target cannot tell who uses it; empty: it told
}

// lookTimeout bounds how long a target is asked who uses an account.
const lookTimeout = 20 * time.Second

func (l *looking) look(ctx context.Context, ask Accounts, t workflows.TargetID, account string) {
	account = cmp.Or(account, l.account)
	l.uses, l.silent = nil, ""
	switch {
	case ask == nil:
		l.silent = "nobody asks targets here"
		return
	case account == "":
		l.silent = "no account of it on " + string(t) + " is on record"
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var err error
	if l.uses, err = ask.Use(ctx, t, account); err != nil {
		l.silent = string(t) + " could not tell who uses it"
	}
}

func (l *looking) answers(x identities.ExceptionState) identities.Looked {
	out := identities.Looked{Exception: x.Exception}
	for i, c := range x.Checks {
		a := identities.CheckAnswer{Check: i, Answer: identities.CheckHolds}
		fail := func(is bool, answer, why string) {
			if is && a.Answer == identities.CheckHolds {
				a.Answer, a.Why = answer, why
			}
		}
		switch c.Kind {
		case workflows.CheckRotated:
			made := cmp.Or(l.e.Rotated, l.e.Created)
			fail(made == 0, identities.CheckFails, "when its secret was made is not on record")
			fail(made.Add(c.Within.Duration()) < l.now, identities.CheckFails, "its secret was not replaced within "+c.Within.String())
		case workflows.CheckVault:
			fail(l.e.Stored != identities.StoredVault, identities.CheckFails, "its secret is not in a secret store")
			fail(c.Place != "" && !strings.HasPrefix(l.place, c.Place), identities.CheckFails, "its secret is not in the place that was approved")
		case workflows.CheckFrom:
			fail(l.silent != "", identities.CheckUnknown, l.silent)
			fail(slices.ContainsFunc(l.uses, func(s AccountSession) bool { return !inNetworks(s.From, c.From) }), identities.CheckFails, "it is used from elsewhere")
		case workflows.CheckAlert:
			fail(l.silent != "", identities.CheckUnknown, l.silent)
			for _, s := range l.uses {
				out.Uses = append(out.Uses, identities.ExceptionUsed{Exception: x.Exception, Session: s.Ref, Since: s.Since, From: s.From, Alarm: l.alarm})
			}
		default:
			fail(true, identities.CheckUnknown, "nobody here knows this check")
		}
		out.Answers = append(out.Answers, a)
	}
	return out
}

// inNetworks tells whether an address lies in one of some networks. A session without an address is local to the target, which no network names.
func inNetworks(address string, networks []string) bool {
	at, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(networks, func(n string) bool {
		p, err := netip.ParsePrefix(n)
		return err == nil && p.Contains(at.Unmap())
	})
}

// IdentityLock is what must be known to keep an account from logging in.
type IdentityLock struct {
	Target    workflows.TargetID
	Account   string
	Suspended bool               // or quarantined, or being taken off
	Locked    workflows.TargetID // where it is locked already; empty: nowhere
	Closing   bool               // it is being taken off, and nobody has confirmed yet that the account is closed
}

// IdentityLocks reads whether the account of an identity is to be locked, and where.
func (d *Desk) IdentityLocks(ctx context.Context, id workflows.IdentityID) (IdentityLock, error) {
	s, err := d.identityState(ctx, id)
	if err != nil {
		return IdentityLock{}, err
	}
	e := s.Entry()
	account := cmp.Or(d.AccountOn(id, e.Target), s.AccountOn(e.Target))
	if identities.IsKilled(e.Class) {
		account = cmp.Or(s.AccountOn(e.Target), account)
	}
	closing := false
	if r := s.Life.Retirement; r != nil && !s.Life.Retired {
		closing = slices.ContainsFunc(r.Left(), func(i identities.RetireItem) bool { return i.ID == identities.ItemAccount })
	}
	return IdentityLock{
		Closing: closing, Target: e.Target, Account: account, Locked: s.Life.Locked, Suspended: s.Life.Suspended != nil || s.Life.Retirement != nil || s.Quarantine.On,
	}, nil
}
