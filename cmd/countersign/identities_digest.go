package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// The weekly letter to everybody who answers for identities with which something is wrong (R14): one message, whatever their number.

const (
	jobDigest  = "identities.digest"
	digestCron = "0 8 * * 1" // Monday morning

	digestShown = 8  // identities named in a letter: the rest is on App Home
	digestTeam  = 20 // members of a team that owns identities who are all told; more is a mailing list
)

// digest is what one person is told.
type digest struct {
	owns, findings int
	lines          []screens.Sentence
}

// sendDigests tells every owner once in a week. What is sent is recorded, so that a repeated job tells nobody twice.
func (s *serving) sendDigests(ctx context.Context, j jobs.Job) error {
	if s.bot == nil {
		return jobs.Done
	}
	ctx = slack.Patient(ctx)
	all, err := s.digests(ctx)
	if err != nil {
		return err
	}
	year, week := s.clock.Now().Wall.UTC().ISOWeek()
	var errs []error
	for _, p := range sortedPeople(all) {
		notice := fmt.Sprintf("digest/%d-W%02d/%s", year, week, p)
		if err := s.sendDigest(ctx, p, notice, all[p]); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return paced(j, err)
	}
	return jobs.Done
}

func sortedPeople(all map[workflows.PersonID]*digest) []workflows.PersonID {
	out := make([]workflows.PersonID, 0, len(all))
	for p := range all {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// digests are the letters of those who have to do something.
func (s *serving) digests(ctx context.Context) (map[workflows.PersonID]*digest, error) {
	find, err := s.lookAtAll(ctx)
	if err != nil {
		return nil, err
	}
	shared, err := s.desk.SharedSecrets(ctx)
	if err != nil {
		return nil, err
	}
	all := map[workflows.PersonID]*digest{}
	err = s.desk.EachIdentity(ctx, workflows.InventoryQuery{}, func(r workflows.InventoryRow) error {
		found := find(&r)
		if shared[r.ID] {
			found = append(found, identities.FindSharedPrint)
		}
		if r.Owner == "" || r.Kind == identities.KindHuman || r.State == workflows.IdentityRetired {
			return nil
		}
		for _, p := range s.ownersTold(r.Owner) {
			x := all[p]
			if x == nil {
				x = &digest{}
				all[p] = x
			}
			x.owns++
			x.findings += len(found)
			if len(found) > 0 && len(x.lines) < digestShown {
				x.lines = append(x.lines, screens.Sentencef("%s: %s. `/access identity %s` shows it, and what you can do.",
					string(r.ID), strings.ReplaceAll(strings.Join(found, ", "), "_", " "), string(r.ID)))
			}
		}
		return nil
	})
	for p, x := range all {
		if x.findings == 0 {
			delete(all, p)
		}
	}
	return all, err
}

func (s *serving) ownersTold(owner string) []workflows.PersonID {
	name, team := strings.CutPrefix(owner, identities.GroupPrefix)
	if !team {
		return []workflows.PersonID{workflows.PersonID(owner)}
	}
	members := s.desk.Policy().Groups[name]
	return members[:min(len(members), digestTeam)]
}

// sendDigest tells one person, unless the ledger says that they were told.
func (s *serving) sendDigest(ctx context.Context, p workflows.PersonID, notice string, x *digest) error {
	stream := workflows.PersonStream(p)
	h, err := s.store.History(ctx, stream)
	if err != nil {
		return err
	}
	for _, r := range slices.Backward(h) {
		switch e := r.Event.(type) {
		case workflows.NoticeDelivered:
			if e.Notice == notice {
				return nil
			}
		case workflows.NoticeUndelivered:
			if e.Notice == notice {
				return nil
			}
		}
	}
	head := screens.Sentencef("📋 Identities that you answer for: %d; findings on them: %d. Each is settled by repairing it, by handing the identity over, or by taking it off.", x.owns, x.findings)
	place, err := s.bot.Tell(ctx, p, "", append([]screens.Sentence{head}, x.lines...)...)
	var done workflows.Event = workflows.NoticeDelivered{Notice: notice, Via: "slack", Place: place}
	var permanent *slack.Permanent
	if errors.As(err, &permanent) {
		done = workflows.NoticeUndelivered{Notice: notice, Why: permanent.Code}
	} else if err != nil {
		return err
	}
	_, err = s.store.Update(ctx, workflows.Cause(notice), []workflows.StreamID{stream}, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(stream, workflows.System, "", done)
		return out, nil
	})
	return err
}
