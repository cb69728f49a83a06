package bot

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Two Slack accounts of one person are one person: for quorums, and for the rule that nobody decides what they asked for (T07). Where the
// people file does not say so, the person proves it from both accounts: the listed one gets a code, the other types it and gets a code of its
// own, and the listed one types that. Neither account can do it alone, and nothing that a name or an address says counts.

// claim is one code that was given out.
type claim struct {
	by     workflows.Acting // who was shown it
	key    string           // their account
	other  *claim           // in the second step: the account that typed the first code
	expire time.Time
}

// claims keeps codes in memory: after a restart one begins anew.
type claims struct {
	mu    sync.Mutex
	rows  map[string]claim
	wrong map[string]int // account -> codes that did not exist, until the next hour
	hour  time.Time
}

func (x *claims) give(c claim) (string, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for code, old := range x.rows {
		if c.expire.After(old.expire.Add(linkAge)) || old.by.Actor == c.by.Actor {
			delete(x.rows, code)
		}
	}
	if len(x.rows) >= maxClaims {
		return "", false
	}
	if x.rows == nil {
		x.rows = map[string]claim{}
	}
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	code := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])
	x.rows[code] = c
	return code[:4] + "-" + code[4:], true
}

// take gives a code's claim once. An account that types codes which do not exist is not listened to for the rest of the hour.
func (x *claims) take(account, code string, now time.Time) (claim, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now.Sub(x.hour) > time.Hour {
		x.wrong, x.hour = map[string]int{}, now
	}
	if x.wrong[account] >= maxWrongCodes {
		return claim{}, false
	}
	code = strings.ToUpper(strings.ReplaceAll(code, "-", ""))
	c, ok := x.rows[code]
	if !ok || now.After(c.expire) || c.by.Actor == "" {
		if len(x.wrong) < maxCached {
			x.wrong[account]++
		}
		return claim{}, false
	}
	delete(x.rows, code)
	return c, true
}

// linkWord is /access link [CODE].
func (b *Bot) linkWord(ctx context.Context, c *call, code string) (answer, error) {
	_, listed := b.c.Desk.Policy().People[c.by.Person]
	key, now := b.c.Identity.keyOf(c.Interaction), b.c.Identity.c.Now()
	if code == "" {
		if !listed {
			return b.refuseLink(ctx, c, workflows.Refuse(workflows.CodeUnlinked, "This account is not linked to anybody in the people file, so it cannot begin a link.",
				"Type `/access link` in the account that is, and the code it shows in this one."))
		}
		return b.giveCode(claim{by: c.by, key: key, expire: now.Add(linkAge)}, "Type this in your *other* account within ten minutes: `/access link %s`\nIt shows a second code there, which you type in this account.")
	}
	x, ok := b.claims.take(key, code, now)
	switch {
	case !ok:
		return b.refuseLink(ctx, c, workflows.Refuse(workflows.CodeUnknown, "There is no such code, or it is older than ten minutes, or it was used.", "Begin again with `/access link` in the account that is in the people file."))
	case x.other != nil && x.other.key == key: // the listed account brings the code that the other one was shown
		return b.linked(ctx, c, x)
	case x.other != nil, x.key == key:
		return b.refuseLink(ctx, c, workflows.Refuse(workflows.CodeTampered, "This code was meant for the other account.", "Begin again with `/access link` in the account that is in the people file."))
	case listed && c.by.Person != x.by.Person:
		return b.refuseLink(ctx, c, workflows.Refuse(workflows.CodeTampered, "This account belongs to another person of the people file already.", "Ask the operator to correct people.yaml."))
	case listed:
		return said("These two accounts are the same person already. Nothing has to be done."), nil
	}
	return b.giveCode(claim{by: c.by, key: key, other: &x, expire: now.Add(linkAge)}, "Now type this in the *first* account, the one in the people file: `/access link %s`\nThen both accounts count as one person, in every quorum.")
}

func (b *Bot) giveCode(c claim, words string) (answer, error) {
	code, ok := b.claims.give(c)
	if !ok {
		return said("Too many accounts are being linked at the moment. Please try again in ten minutes."), nil
	}
	return said(words, code), nil
}

func (b *Bot) refuseLink(ctx context.Context, c *call, r *workflows.Refusal) (answer, error) {
	no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "link", viaSlack, "", r)
	return refusal(no), err
}

// linked records the proof, in the ledger first.
func (b *Bot) linked(ctx context.Context, c *call, x claim) (answer, error) {
	if c.by.Person != x.other.by.Person { // the people file has changed meanwhile
		return b.refuseLink(ctx, c, workflows.Refuse(workflows.CodeUnlinked, "This account is no longer who it was when the code was made.", "Begin again with `/access link`."))
	}
	i := b.c.Identity
	l := identities.Linked{Account: x.by.Actor, Medium: slackAccount, How: identities.ByCode, Name: i.listed.Load().byPerson[c.by.Person].Name, User: x.key}
	if err := b.c.Desk.Link(ctx, c.by.Person, l); err != nil {
		return answer{}, err
	}
	if err := i.c.Accounts.Link(ctx, x.by.Actor, c.by.Person); err != nil {
		return answer{}, err
	}
	_, user, _ := strings.Cut(x.key, "/")
	return said("✅ Recorded: <@%s> and this account are one person from now on. They count once in every quorum, and neither decides what the other asked for.", screens.Escape(user)), nil
}

// provenBy tells whether the ledger holds a proof from both sides that an account belongs to a person.
func (b *Bot) provenBy(ctx context.Context, p workflows.PersonID, actor workflows.ActorID) bool {
	h, err := b.c.Histories.History(ctx, workflows.PersonStream(p))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(identities.LinksOf(h, actor), func(l identities.Linked) bool { return identities.IsProof(l.How) })
}

// unlinkWord is /access unlink @account WHY: the account that Slack names there, not the person, is theirs no more.
func (b *Bot) unlinkWord(ctx context.Context, c *call, word, why string) (answer, error) {
	id, ok := strings.CutPrefix(word, "<@")
	id, _, _ = strings.Cut(strings.TrimSuffix(id, ">"), "|")
	if !ok || id == "" {
		return said("Name the account as Slack does, with @ and its name, then say why: `/access unlink @account why`."), nil
	}
	res, person, err := b.Unlink(ctx, id, desk.UnlinkAccount{
		Cause: c.cause(), By: c.by, Why: cutRunes(why, workflows.MaxReason), Authn: slackClick, Channel: viaSlack,
	})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return said("✅ Recorded: <@%s> belongs to %s no more. It decides nothing from now on, unless the people file names it.", screens.Escape(id), b.person(ctx, person).Mention()), nil
}

// Unlink ends the link of an account of ours, "U…" or "T…/U…", and says whose it was. The ledger says so before the directory does: a crash
// between leaves an account that proves nothing, and the next act of it goes on from there.
func (b *Bot) Unlink(ctx context.Context, id string, u desk.UnlinkAccount) (desk.Answer, workflows.PersonID, error) {
	i := b.c.Identity
	who, err := i.Account(ctx, id)
	if err != nil {
		return desk.Answer{}, "", err
	}
	u.Person, u.Account = who.Person, who.Actor
	res, err := b.c.Desk.Unlink(ctx, u)
	if err != nil || res.Refusal != nil {
		return res, who.Person, err
	}
	return res, who.Person, i.c.Accounts.Link(ctx, who.Actor, "")
}

// Adopt makes the accounts that the identity provider names a person's: those it names are linked, those that it named before and names no more
// are not. An account that the people file gives to somebody else is refused, and then nothing is done.
func (b *Bot) Adopt(ctx context.Context, p workflows.PersonID, ids []string) error {
	i := b.c.Identity
	l, at := i.listed.Load(), i.c.Installation
	for _, id := range ids {
		if x, ok := l.bySlack[listedKey(at, id)]; ok && x.Person != p {
			return &TakenError{Account: id}
		}
	}
	want := map[workflows.ActorID]bool{}
	for _, id := range ids {
		a, err := i.c.Accounts.Ensure(ctx, slackAccount, listedKey(at, id))
		if err != nil {
			return err
		}
		want[a.Actor] = true
		if err := b.c.Desk.Link(ctx, p, identities.Linked{Account: a.Actor, Medium: slackAccount, How: identities.BySCIM, Name: l.byPerson[p].Name, User: a.Key}); err != nil {
			return err
		}
		if err := i.c.Accounts.Link(ctx, a.Actor, p); err != nil {
			return err
		}
	}
	have, err := b.adopted(ctx, p)
	if err != nil {
		return err
	}
	for _, a := range have {
		if want[a.Actor] {
			continue
		}
		if _, err := b.c.Desk.Unlink(ctx, desk.UnlinkAccount{By: workflows.System, Person: p, Account: a.Actor, Channel: "scim"}); err != nil {
			return err
		}
		if err := i.c.Accounts.Link(ctx, a.Actor, ""); err != nil {
			return err
		}
	}
	return nil
}

// Adopted are the Slack ids of the accounts that the identity provider names as a person's.
func (b *Bot) Adopted(ctx context.Context, p workflows.PersonID) ([]string, error) {
	list, err := b.adopted(ctx, p)
	out := make([]string, 0, len(list))
	for _, a := range list {
		id := a.Key
		if team, user, ok := strings.Cut(a.Key, "/"); ok && team == home(b.c.Identity.c.Installation) {
			id = user
		}
		out = append(out, id)
	}
	slices.Sort(out)
	return out, err
}

func (b *Bot) adopted(ctx context.Context, p workflows.PersonID) ([]Account, error) {
	h, err := b.c.Histories.History(ctx, workflows.PersonStream(p))
	if err != nil {
		return nil, err
	}
	list, err := b.c.Identity.c.Accounts.Of(ctx, p)
	return slices.DeleteFunc(list, func(a Account) bool {
		return !slices.ContainsFunc(identities.LinksOf(h, a.Actor), func(l identities.Linked) bool { return l.How == identities.BySCIM })
	}), err
}

// TakenError says that an account belongs to another person of the people file.
type TakenError struct{ Account string }

func (e *TakenError) Error() string {
	return fmt.Sprintf("account %q belongs to another person of the people file", e.Account)
}
