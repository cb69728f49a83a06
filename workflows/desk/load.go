package desk

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Load makes a policy the one that governs, and records it when it differs from the last one recorded: its documents go
// into the ledger with the entry that names them. Open requests whose ground is gone are ended as superseded.
func (d *Desk) Load(ctx context.Context, p *Policy) error {
	if err := d.register(ctx, p); err != nil {
		return fmt.Errorf("recording the inventory: %w", err)
	}
	if err := d.govern(ctx, p); err != nil {
		return fmt.Errorf("recording the policy: %w", err)
	}
	return d.sweep(ctx, p)
}

// govern records a policy and puts it in force in one step, as far as decisions under a policy can see: none of them is recorded in
// between, under a version that the ledger says has been replaced.
func (d *Desk) govern(ctx context.Context, p *Policy) error {
	d.loading.Lock()
	defer d.loading.Unlock()
	_, err := d.update(ctx, "", []workflows.StreamID{workflows.PolicyStream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return loaded(f.Histories[workflows.PolicyStream], p), nil
	})
	if err == nil {
		d.policy.Store(p)
	}
	return err
}

func loaded(h []workflows.Record, p *Policy) workflows.Outcome {
	var out workflows.Outcome
	var last workflows.PolicyLoaded
	for _, r := range h {
		if e, ok := r.Event.(workflows.PolicyLoaded); ok {
			last = e
		}
	}
	e := p.Loaded
	if maps.Equal(e.Workflows, last.Workflows) && maps.Equal(e.Runbooks, last.Runbooks) && maps.Equal(e.Sources, last.Sources) {
		return out
	}
	e.Changed = changed(last.Sources, e.Sources)
	out.Add(workflows.PolicyStream, workflows.System, "", e)
	out.Documents = p.Documents
	return out
}

func changed(before, after map[string]workflows.DocHash) []string {
	out := []string{}
	for f, h := range after {
		if before[f] != h {
			out = append(out, f)
		}
	}
	for f := range before {
		if _, ok := after[f]; !ok {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

// register records each non-human identity whose entry is new or changed.
func (d *Desk) register(ctx context.Context, p *Policy) error {
	for _, id := range slices.Sorted(maps.Keys(p.Identities)) {
		i := p.Identities[id]
		e := identities.Registered{
			Class: i.Class, Name: i.Name, Owner: i.Owner, Backup: i.Backup, Purpose: i.Purpose,
			Environment: i.Environment, Expires: i.ExpiresOn,
		}
		stream := workflows.IdentityStream(id)
		_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			h := f.Histories[stream]
			if len(h) == 0 || h[len(h)-1].Event != workflows.Event(e) {
				out.Add(stream, workflows.System, "", e)
			}
			return out, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const maxSweep = 10_000 // open requests looked at after a reload; more are judged when their deadline or vote comes

// sweep ends open requests that the new documents can no longer grant.
func (d *Desk) sweep(ctx context.Context, p *Policy) error {
	open, err := d.ledger.List(ctx, workflows.ListOpen, "", maxSweep)
	if err != nil {
		return fmt.Errorf("listing open requests: %w", err)
	}
	for _, stream := range open {
		_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			s, err := workflows.Fold(f.Histories[stream])
			if err != nil || s.Final() {
				return out, err
			}
			if why := gone(p, s, f.Now.UTC); why != "" {
				out.Add(stream, workflows.System, s.Policy, workflows.Superseded{Code: workflows.CodeNoPolicy, Why: why})
			}
			return out, nil
		})
		if err != nil {
			return fmt.Errorf("judging %q again: %w", stream, err)
		}
	}
	return nil
}

// Link records that an account belongs to a person, once.
func (d *Desk) Link(ctx context.Context, p workflows.PersonID, e identities.Linked) error {
	stream := workflows.PersonStream(p)
	_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		for _, r := range f.Histories[stream] {
			if l, ok := r.Event.(identities.Linked); ok && l.Account == e.Account {
				return out, nil
			}
		}
		out.Add(stream, workflows.Acting{Actor: workflows.SystemActor, Person: p}, "", e)
		return out, nil
	})
	return err
}
