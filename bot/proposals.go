package bot

import (
	"context"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// policyLetter tells somebody of a change of the documents: that it waits for them, that it holds, or what became of it. The first is a
// surface: it is repainted when the change is decided.
func (b *Bot) policyLetter(ctx context.Context, stream workflows.StreamID, n workflows.Notice) (letter, error) {
	p, changes, err := b.c.Desk.NoticeOf(ctx, n)
	if err != nil {
		return letter{}, fmt.Errorf("composing notice %q of the policy: %w", n.ID, err)
	}
	switch n.What {
	case workflows.NoticePolicy:
		seq, err := b.lastSeq(ctx, stream)
		return letter{Message: b.proposal(ctx, p, n.To).Render(), surface: stream, seq: seq}, err
	case workflows.NoticePolicySettled:
		settled := b.proposal(ctx, p, "")
		settled.In = b.in(ctx, n.To)
		return letter{Message: settled.Settled()}, nil
	}
	loosens, others := b.changeWords(ctx, changes)
	return letter{Message: b.in(ctx, n.To).PolicyChanged(append(loosens, others...))}, nil
}

// proposal draws a change of the documents for a reader; for none without buttons.
func (b *Bot) proposal(ctx context.Context, p desk.Proposal, reader workflows.PersonID) screens.Proposal {
	out := screens.Proposal{ID: p.Proposal, Author: p.Author, Commit: p.Commit, Quorum: p.Quorum, Outcome: p.Outcome, In: b.in(ctx, reader)}
	if p.By != "" {
		out.Author = b.c.Identity.Name(ctx, p.By)
	}
	out.Loosens, out.Others = b.changeWords(ctx, p.Changes)
	for _, v := range p.Votes {
		if v.Verdict == workflows.Approve {
			out.Approved = append(out.Approved, b.person(ctx, v.Person))
		}
	}
	if mayDecide(p, reader) {
		out.Approve = b.c.Buttons.Value(Button{Kind: kindPolicyApprove, ID: p.Proposal}, reader)
		out.Deny = b.c.Buttons.Value(Button{Kind: kindPolicyDeny, ID: p.Proposal}, reader)
	}
	return out
}

// mayDecide tells whether a button would do something; the desk checks every click.
func mayDecide(p desk.Proposal, reader workflows.PersonID) bool {
	voted := slices.ContainsFunc(p.Votes, func(v desk.PolicyVote) bool { return v.Person == reader })
	return p.Open() && reader != "" && slices.Contains(p.Ask, reader) && !voted && reader != p.By
}

func (b *Bot) changeWords(ctx context.Context, changes []workflows.PolicyChange) (loosens, others []string) {
	for _, c := range changes {
		if text := b.named(ctx, c.Unit+": "+c.Text); c.Loosens {
			loosens = append(loosens, text)
		} else {
			others = append(others, text)
		}
	}
	return loosens, others
}

func (b *Bot) policyApprove(ctx context.Context, c *call) (answer, error) {
	return b.policyVote(ctx, c, kindPolicyApprove, workflows.Approve)
}

func (b *Bot) policyDeny(ctx context.Context, c *call) (answer, error) {
	return b.policyVote(ctx, c, kindPolicyDeny, workflows.Deny)
}

func (b *Bot) policyVote(ctx context.Context, c *call, kind byte, verdict workflows.Verdict) (answer, error) {
	x, no, err := b.pressed(ctx, c, kind, "policy "+string(verdict))
	if no != nil || err != nil {
		return refusal(no), err
	}
	res, err := b.c.Desk.VotePolicy(ctx, desk.PolicyBallot{
		Cause: c.cause(), By: c.by, Proposal: x.ID, Verdict: verdict, Authn: slackClick, Channel: viaSlack,
	})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	if verdict == workflows.Deny {
		return said("✅ Recorded: you denied the change. The rules stay as they are."), nil
	}
	return said("✅ Recorded: you approved the change."), nil
}
