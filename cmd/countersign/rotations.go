package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
)

// jobRotations has the secrets replaced whose rotation is open: by policy, on demand, after a leak or a broken glass.
const jobRotations = "rotations.carry"

// carryRotations opens the routine that replaces a secret, where the documents have one for the identity's target, and closes the rotation when
// that is carried out. An identity without such a routine waits for its owner's word, as its message says.
func (s *serving) carryRotations(ctx context.Context, _ jobs.Job) error {
	list, err := s.desk.Rotating(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range list {
		if err := s.desk.CarryRotation(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("rotating the secret of %q: %w", id, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return jobs.Done
}

// oldIsGone reads the target back after a rotation: the old credential must not be there any more, nor, where none was named, another of the
// same account than the one that was made. A target that cannot list its credentials is no error, and says nothing; neither does one whose account keeps
// its name and had its password replaced.
func (e effects) oldIsGone(ctx context.Context, target string, g runbooks.Grant, done runbooks.Receipt) (map[string]string, error) {
	old, facts := g.Fields["old"], done.Facts
	c, _ := e.runner.Connector(target)
	d, ok := c.(runbooks.Discoverer)
	if old == "" && (g.Account == "" || done.Ref == "") || !ok {
		return facts, nil
	}
	made := false
	for x, err := range d.Discover(ctx) {
		if err != nil {
			return facts, runbooks.Errorf(runbooks.Retry, err, "whether the old credential is gone cannot be read")
		}
		if strings.HasPrefix(done.Ref, x.Ref+" password ") {
			return facts, nil // one account with another password: it stays, and which passwords it has no target tells
		}
		made = made || x.Ref == done.Ref
		if old != "" && x.Ref == old || old == "" && x.Name == g.Account && x.Ref != done.Ref {
			return facts, runbooks.Errorf(runbooks.Retry, nil, "the old credential is still there")
		}
	}
	if old == "" && !made {
		return facts, nil // what it lists is not what was made, so its list says nothing of the old one
	}
	out := maps.Clone(facts)
	if out == nil {
		out = map[string]string{}
	}
	out[workflows.FactOldGone] = "read back"
	return out, nil
}
