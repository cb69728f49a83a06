package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// When entries are gone (an old backup was put back, and somebody outside remembers more), the bot only revokes until two owners accept the
// loss on the people's socket. Nothing can be recorded meanwhile: what they say is kept in a file beside the witness, and is the first entry
// once the ledger is written again.

// The orders of a bot whose entries are gone.
const (
	doAccept        = "accept-rollback"
	doAcceptConfirm = "accept-rollback-confirm"
	doAcceptStatus  = "accept-rollback-status"
)

// acceptance is what people said so far about the loss.
type acceptance struct {
	mu    sync.Mutex
	file  string
	lost  custody.RollbackAccepted // what would be accepted; LostSize 0: it is another kind of failure
	said  custody.RollbackAccepted // what is in the file
	done  chan struct{}            // closed when two people have spoken
	ended bool
}

// beginAcceptance finds out what is lost and what was said before this start. A reason given to serve counts as the word of the user who
// started it, if that is an owner.
func (r *revoking) beginAcceptance(ctx context.Context, cfg store.Config, reason string) error {
	r.accept.done = make(chan struct{})
	r.accept.file = cfg.AcceptanceFile()
	head, err := r.store.Head(ctx)
	if err != nil {
		return err
	}
	lost, found := store.LostOf(head, r.why)
	if !found {
		return nil
	}
	r.accept.lost = lost
	said, err := store.ReadAcceptance(r.accept.file)
	if err != nil {
		return err
	}
	if said.Size == lost.Size && said.Root == lost.Root && said.LostSize == lost.LostSize && said.LostRoot == lost.LostRoot {
		r.accept.said = said
	}
	r.log.Error("entries are gone; two owners can accept that: countersign ledger accept-rollback -reason …", "has", lost.Size, "remembered", lost.LostSize, "by", lost.From)
	if reason == "" {
		return nil
	}
	out := r.propose(ctx, uint32(os.Getuid()), reason)
	if !out.OK {
		r.log.Error("--accept-rollback does not count: "+out.Refused, "user", os.Getuid())
	}
	return nil
}

// obey answers people while the ledger cannot be written: about the loss, and nothing else.
func (r *revoking) obey(ctx context.Context, o order) (reply, error) {
	uid, ok := ctx.Value(uidKey{}).(uint32)
	if !ok {
		return refusedReply(workflows.Refuse(workflows.CodeUnlinked, "Nobody can say who you are.", "")), nil
	}
	switch o.Do {
	case doAccept:
		return r.propose(ctx, uid, o.Reason), nil
	case doAcceptConfirm:
		return r.confirm(ctx, uid, o.Shown), nil
	case doAcceptStatus:
		if _, no := r.owner(ctx, uid); no != nil {
			return refusedReply(no), nil
		}
		r.accept.mu.Lock()
		defer r.accept.mu.Unlock()
		return r.standing(ctx), nil
	}
	return refusedReply(workflows.Refuse(workflows.CodeRevokeOnly, closedText, "")), nil
}

// owner is the owner of the bot that a user of this machine is.
func (r *revoking) owner(ctx context.Context, uid uint32) (workflows.Acting, *workflows.Refusal) {
	name := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	for _, p := range r.people.People {
		if p.Unix == "" || p.Unix != name {
			continue
		}
		if !selects(r.people.Roles.Owner, p.ID) {
			break
		}
		by := workflows.Acting{Person: p.ID}
		if row, err := r.store.AccountByKey(ctx, unixMedium, name); err == nil {
			by.Actor = row.Actor
		}
		return by, nil
	}
	return workflows.Acting{}, workflows.Refuse(workflows.CodeNotEligible, "This is for those who answer for the bot (role owner in roles.yaml, unix: in people.yaml).",
		"Ask one of them; if the configuration folder is broken, mend it first and start again.")
}

// selects tells whether a role, which has people and groups only, has somebody.
func selects(s workflows.Selector, p workflows.PersonID) bool {
	return slices.Contains(s.People, p) && !slices.Contains(s.Exclude, p) || slices.ContainsFunc(s.Groups, func(g workflows.Group) bool { return slices.Contains(g.Members, p) })
}

func (r *revoking) propose(ctx context.Context, uid uint32, reason string) reply {
	by, no := r.owner(ctx, uid)
	r.accept.mu.Lock()
	defer r.accept.mu.Unlock()
	reason = strings.TrimSpace(reason)
	switch {
	case no != nil:
	case r.accept.lost.LostSize == 0:
		no = workflows.Refuse(workflows.CodeRevokeOnly, "The ledger is not behind what somebody remembers, but damaged or another one: that cannot be accepted.", "Restore a backup that verifies.")
	case reason == "" || len([]rune(reason)) > workflows.MaxReason:
		no = workflows.Refuse(workflows.CodeReasonNeeded, "A reason is needed, of 1000 characters at most.", "It becomes part of the ledger.")
	case r.accept.said.ProposedBy != "" && r.accept.said.ProposedBy != by.Person && !r.stale():
		no = workflows.Refuse(workflows.CodeDecided, "Somebody else proposed it already.", "countersign ledger accept-rollback confirm")
	}
	if no != nil {
		return refusedReply(no)
	}
	a := r.accept.lost
	a.Reason, a.ProposedBy, a.ProposedAt, a.Authn = reason, by.Person, r.now(), unixPeer
	if err := store.WriteAcceptance(r.accept.file, a); err != nil {
		return refusedReply(workflows.Refuse(workflows.CodeRevokeOnly, "What you said could not be kept: "+err.Error()+".", ""))
	}
	r.accept.said = a
	return r.standing(ctx)
}

func (r *revoking) now() workflows.Stamp { return workflows.StampOf(r.clock.Now().Wall) }

// stale tells whether the proposal is too old to be confirmed.
func (r *revoking) stale() bool { return r.now() > r.accept.said.ProposedAt.Add(custody.Window) }

// confirm is the second owner. shown is what they saw: the proposal may have been made anew since.
func (r *revoking) confirm(ctx context.Context, uid uint32, shown string) reply {
	by, no := r.owner(ctx, uid)
	r.accept.mu.Lock()
	defer r.accept.mu.Unlock()
	a := r.accept.said
	switch {
	case no != nil:
	case a.ProposedBy == "":
		no = workflows.Unknown()
	case a.ProposedBy == by.Person:
		no = workflows.Refuse(workflows.CodeSelfApproval, "You proposed this yourself; somebody else must confirm it.", "Ask another owner.")
	case r.stale():
		no = workflows.Refuse(workflows.CodeLate, "The proposal was not confirmed in time.", "Propose it again.")
	case shown != a.ProposedAt.String():
		no = workflows.Refuse(workflows.CodeStale, "The proposal is another one by now.", "Look at it again.")
	}
	if no != nil {
		return refusedReply(no)
	}
	a.ConfirmedBy, a.ConfirmedAt = by.Person, r.now()
	if err := store.WriteAcceptance(r.accept.file, a); err != nil {
		return refusedReply(workflows.Refuse(workflows.CodeRevokeOnly, "What you said could not be kept: "+err.Error()+".", ""))
	}
	r.accept.said = a
	if !r.accept.ended {
		r.accept.ended = true
		close(r.accept.done)
	}
	return r.standing(ctx)
}

// standing tells what is lost and who said what.
func (r *revoking) standing(ctx context.Context) reply {
	a := r.accept.said
	out := reply{OK: true, ID: "rollback", Status: "nobody has accepted it"}
	if r.accept.lost.LostSize == 0 {
		return refusedReply(workflows.Refuse(workflows.CodeRevokeOnly, "The ledger fails a check, but not because entries are gone: "+r.why.Error()+".", ""))
	}
	l := r.accept.lost
	out.Lines = []string{
		fmt.Sprintf("The ledger has %d entries; %s remembers %d. Entries %d to %d are gone: what was asked, decided and granted in them is not known any more.", l.Size, l.From, l.LostSize, l.Size, l.LostSize-1),
		"If there is a later backup, restore that instead. Accepting ends all open requests, asks every target what it has, and takes back what cannot be accounted for.",
	}
	switch {
	case a.ConfirmedBy != "":
		out.Status = "accepted by " + r.name(ctx, a.ProposedBy) + " and " + r.name(ctx, a.ConfirmedBy)
		out.Lines = append(out.Lines, "The bot goes on, asks its targets, and then serves again.")
	case a.ProposedBy != "":
		out.Status, out.Shown = "waits for a second owner until "+a.ProposedAt.Add(custody.Window).Time().Format("2006-01-02 15:04 UTC"), a.ProposedAt.String()
		out.Lines = append(out.Lines, r.name(ctx, a.ProposedBy)+" proposes to accept it. Why: "+a.Reason)
	}
	return out
}

func (r *revoking) name(ctx context.Context, p workflows.PersonID) string {
	if row, err := r.store.PersonByRef(ctx, p); err == nil && row.Name != "" {
		return row.Name
	}
	if i := slices.IndexFunc(r.people.People, func(x spec.Person) bool { return x.ID == p }); i >= 0 {
		return r.people.People[i].Name
	}
	return string(p)
}
