package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
)

// slackbot is the one bot whose account carries no flag.
const slackbot = "USLACKBOT"

// Standing implements desk.Directory: what kind of account acts, and whether it belongs to somebody in the people file.
func (i *Identity) Standing(ctx context.Context, by workflows.Acting) (workflows.Standing, error) {
	a, err := i.c.Accounts.ByActor(ctx, by.Actor)
	if err != nil {
		return workflows.Standing{}, fmt.Errorf("asking about %q: %w", by.Actor, err)
	}
	_, linked := i.listed.Load().byPerson[by.Person]
	switch a.Kind {
	case slackAccount:
		s, err := i.standingByKey(ctx, a.Key)
		s.Linked = linked
		return s, err
	case "":
		return workflows.Standing{Known: true}, nil // an account that was never made is nobody's
	}
	if !linked {
		return workflows.Standing{Known: true, Human: true, Member: true, Asked: i.asked()}, nil
	}
	// Whoever left the chat has left: an account of this machine outlives its person, so that it is never more active than they are (T10).
	return i.StandingOf(ctx, by.Person)
}

// StandingOf implements desk.Directory: by the account the person decides with. One whose listed account is gone is not active.
func (i *Identity) StandingOf(ctx context.Context, p workflows.PersonID) (workflows.Standing, error) {
	_, linked := i.listed.Load().byPerson[p]
	keys, err := i.keysOf(ctx, p)
	if err != nil {
		return workflows.Standing{}, err
	}
	if len(keys) == 0 {
		return workflows.Standing{Known: true, Human: true, Active: linked, Member: linked, Linked: linked, Asked: i.asked()}, nil
	}
	var last workflows.Standing
	for _, k := range keys {
		s, err := i.standingByKey(ctx, k)
		if err != nil {
			return i.vouched(ctx, p, linked, err)
		}
		s.Linked = linked
		if s.Refusal() == nil {
			return s, nil
		}
		last = s
	}
	return last, nil
}

// vouched is the standing of a person while Slack cannot be asked: one who acts on this machine is as active as their entry in the people
// file (R5); of anybody else nothing is known, and that refuses.
func (i *Identity) vouched(ctx context.Context, p workflows.PersonID, linked bool, slackErr error) (workflows.Standing, error) {
	accounts, err := i.c.Accounts.Of(ctx, p)
	if err != nil {
		return workflows.Standing{}, errors.Join(slackErr, err)
	}
	for _, a := range accounts {
		if a.Kind != slackAccount && linked {
			return workflows.Standing{Known: true, Human: true, Active: true, Member: true, Linked: true, Asked: i.asked()}, nil
		}
	}
	return workflows.Standing{}, slackErr
}

func (i *Identity) asked() workflows.Stamp { return workflows.StampOf(i.c.Now()) }

func (i *Identity) standingByKey(ctx context.Context, key string) (workflows.Standing, error) {
	team, id, _ := strings.Cut(key, "/")
	at := i.c.Installation
	if team != home(at) && team != at.TeamID {
		return workflows.Standing{Known: true, Human: true, Active: true, Asked: i.asked()}, nil // of another organisation: no member
	}
	u, err := i.user(ctx, id)
	var no *slack.Permanent
	if errors.As(err, &no) && (no.Code == "user_not_found" || no.Code == "user_not_visible") {
		return workflows.Standing{Known: true, Human: true, Asked: i.asked()}, nil // Slack knows of no such account
	}
	if err != nil {
		return workflows.Standing{}, fmt.Errorf("asking Slack about %q: %w", id, err)
	}
	return i.standingOf(u), nil
}

// standingOf reads the flags of an account; Linked is the caller's. Every flag that is not known to be harmless refuses (T09, T10).
func (i *Identity) standingOf(u slack.User) workflows.Standing {
	f := u.Flags
	return workflows.Standing{
		Known:  u.ID != "",
		Human:  !f.Bot && !f.WorkflowBot && !f.ConnectorBot && !f.AppUser && u.ID != slackbot,
		Active: !f.Deleted && !f.InvitedUser,
		Member: !f.Restricted && !f.UltraRestricted && !f.Stranger && i.ours(u) && (f.EmailConfirmed || !f.EmailConfirmedKnown),
		Linked: true,
		Asked:  i.asked(),
	}
}

func (i *Identity) ours(u slack.User) bool {
	at := i.c.Installation
	if u.TeamID != "" && u.TeamID == at.TeamID {
		return true
	}
	return at.EnterpriseID != "" && u.EnterpriseID == at.EnterpriseID
}
