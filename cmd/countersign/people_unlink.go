package main

import (
	"context"
	"regexp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// slackMember is how people.yaml names a Slack account, too. What is no such id must make no account.
var slackMember = regexp.MustCompile(`^(?:[TE][A-Z0-9]{2,20}/)?[UW][A-Z0-9]{2,20}$`)

// cliUnlink says that an account belongs to its person no more.
func (s *serving) cliUnlink(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	if !slackMember.MatchString(o.ID) {
		return s.refuse(ctx, cause, by, o.Do, workflows.Refuse(workflows.CodeBadField, "That is no Slack member id.", "It looks like U012AB3CD; Slack shows it in a person's profile, under \"Copy member ID\"."))
	}
	res, person, err := s.bot.Unlink(ctx, o.ID, desk.UnlinkAccount{Cause: cause, By: by, Why: o.Reason, Authn: unixPeer, Channel: viaCLI})
	switch {
	case err != nil:
		return reply{}, err
	case res.Refusal != nil:
		return refusedReply(res.Refusal), nil
	}
	return reply{OK: true, Text: "Recorded: " + o.ID + " belongs to " + s.desk.Name(ctx, person) + " no more. It decides nothing from now on, unless people.yaml names it."}, nil
}
