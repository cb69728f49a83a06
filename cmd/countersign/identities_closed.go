package main

import (
	"context"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// closedOnTarget asks the target whether it still has the account of an identity that is being taken off, before somebody's word that it is closed is
// taken: identities.ProofVerified when it has not; empty where the target cannot tell, and the word is all there is. An account that is locked
// there is closed.
func (s *serving) closedOnTarget(ctx context.Context, by workflows.Acting, id workflows.IdentityID) (string, *workflows.Refusal) {
	if _, err := s.desk.Identity(ctx, by.Person, id); err != nil {
		return "", nil // the desk says what of that they may know
	}
	v, err := s.desk.IdentityLocks(ctx, id)
	if err != nil || v.Target == "" || v.Account == "" || v.Locked != "" {
		return "", nil
	}
	c, _ := s.runner.Connector(string(v.Target))
	d, ok := c.(runbooks.Discoverer)
	if !ok {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, discoverTimeout)
	defer cancel()
	for x, err := range d.Discover(ctx) {
		if err != nil {
			s.log.WarnContext(ctx, "whether an account is closed could not be read", "identity", id, "target", v.Target, "err", err)
			return "", workflows.Refusef(workflows.CodeReasonNeeded, "Try again when it answers.", "%s could not be asked whether the account is gone, so the item stays open.", v.Target)
		}
		if x.Name == v.Account || x.Ref == v.Account {
			return "", workflows.Refusef(workflows.CodeReasonNeeded, "Close it there, and say so again.", "%s still has the account, so the item stays open.", v.Target)
		}
	}
	return identities.ProofVerified, nil
}
