package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// pageOf is how many streams of a list are read at once when all of it is gone through.
const pageOf = 256

// each goes through a list of one member in constant memory, by name of stream. What joins meanwhile may be left out.
func (d *Desk) each(ctx context.Context, list, member string, fn func(workflows.StreamID) error) error {
	var last workflows.StreamID
	for {
		page, err := d.ledger.Page(ctx, list, member, last, pageOf)
		if err != nil {
			return err
		}
		for _, s := range page {
			if err := fn(s); err != nil {
				return err
			}
			last = s
		}
		if len(page) < pageOf {
			return nil
		}
	}
}

// all gives every stream of a list of one member, by name, however many there are.
func (d *Desk) all(ctx context.Context, list, member string) (out []workflows.StreamID, err error) {
	err = d.each(ctx, list, member, func(s workflows.StreamID) error {
		out = append(out, s)
		return nil
	})
	return out, err
}

// EachLive goes through all streams of live grants, by name, in constant memory.
func (d *Desk) EachLive(ctx context.Context, fn func(workflows.StreamID, grants.State) error) error {
	return d.each(ctx, grants.ListActive, "", func(stream workflows.StreamID) error {
		s, err := d.grantState(ctx, stream)
		if err != nil {
			return err
		}
		return fn(stream, s)
	})
}

func (d *Desk) grantState(ctx context.Context, stream workflows.StreamID) (grants.State, error) {
	h, err := d.ledger.History(ctx, stream)
	if err != nil {
		return grants.State{}, err
	}
	return grants.Fold(h)
}

// Verification is what came of asking again about active access.
type Verification struct {
	Asked      int // grants
	Ended      int // by this
	Unverified int // that nobody can tell about now
}

// Verify asks about every live grant whether it should still be allowed. It is called every few minutes, and whenever the documents change.
// A grant that cannot be asked about is left as it is; the error names the first.
func (d *Desk) Verify(ctx context.Context, trigger string) (Verification, error) {
	q, err := d.inquire(ctx, true)
	if err != nil {
		return Verification{}, err
	}
	var out Verification
	var failed error
	err = d.EachLive(ctx, func(stream workflows.StreamID, s grants.State) error {
		for _, h := range s.Holds {
			if err := d.verifyHold(ctx, q, stream, h, trigger, &out); err != nil {
				failed = errors.Join(failed, fmt.Errorf("asking again about %q: %w", h.Approved.Grant, err))
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	return out, errors.Join(err, failed)
}

// VerifyTickets asks the sources of tickets alone about those that live access hangs on, and asks everything of access whose ticket is not open any more, or
// not as it must be. It begins after a stream and asks about so many tickets at most; next is where the following call begins, empty when all were
// asked. What a source cannot tell is left to Verify, which marks it.
func (d *Desk) VerifyTickets(ctx context.Context, after workflows.StreamID, most int) (out Verification, next workflows.StreamID, err error) {
	q, err := d.inquire(ctx, true)
	if err != nil {
		return out, after, err
	}
	var failed error
	err = d.EachLive(ctx, func(stream workflows.StreamID, s grants.State) error {
		if stream <= after {
			return nil
		}
		if len(q.tasks) >= most {
			return errEnough
		}
		for _, h := range s.Holds {
			if h.Approved.Ticket == "" || h.Status != grants.StatusApproved && h.Status != grants.StatusActive {
				continue
			}
			f, ok, err := q.ticketOf(ctx, h)
			if err == nil && ok && f.Answer == grants.No {
				err = d.verifyHold(ctx, q, stream, h, grants.CheckSchedule, &out)
			}
			failed = errors.Join(failed, err)
		}
		next = stream
		return ctx.Err()
	})
	if errors.Is(err, errEnough) {
		return out, next, failed
	}
	return out, "", errors.Join(err, failed)
}

// errEnough ends a look that goes on with the next call.
var errEnough = errors.New("enough for now")

// VerifyPerson asks again about everything that somebody holds, asked for or answers for: they have left, were locked, or changed. What was
// known of them before does not count.
func (d *Desk) VerifyPerson(ctx context.Context, p workflows.PersonID) (Verification, error) {
	if p == "" {
		return Verification{}, nil
	}
	d.seen15.forget(p)
	q, err := d.inquire(ctx, false)
	if err != nil {
		return Verification{}, err
	}
	var out Verification
	verify := func(stream workflows.StreamID) error {
		s, err := d.grantState(ctx, stream)
		if err != nil {
			return err
		}
		for _, h := range s.Holds {
			if err := d.verifyHold(ctx, q, stream, h, grants.CheckEvent, &out); err != nil {
				return err
			}
		}
		return nil
	}
	if err := d.each(ctx, grants.ListActive, string(p), verify); err != nil {
		return out, err
	}
	for _, id := range d.Policy().Owned(p) {
		if err := d.eachOf(ctx, id, verify); err != nil {
			return out, err
		}
	}
	return out, nil
}

// VerifyTicket asks again about everything that hangs on a ticket: its system says that something about it changed.
func (d *Desk) VerifyTicket(ctx context.Context, ticket string) (Verification, error) {
	var out Verification
	if ticket == "" {
		return out, nil
	}
	q, err := d.inquire(ctx, true)
	if err != nil {
		return out, err
	}
	err = d.each(ctx, grants.ListTicket, ticket, func(stream workflows.StreamID) error {
		s, err := d.grantState(ctx, stream)
		if err != nil {
			return err
		}
		for _, h := range s.Holds {
			if h.Approved.Ticket != ticket {
				continue
			}
			if err := d.verifyHold(ctx, q, stream, h, grants.CheckEvent, &out); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// VerifyIdentity asks again about everything that an identity holds.
func (d *Desk) VerifyIdentity(ctx context.Context, id workflows.IdentityID) (Verification, error) {
	if p := id.Person(); p != "" {
		return d.VerifyPerson(ctx, p)
	}
	q, err := d.inquire(ctx, true)
	if err != nil {
		return Verification{}, err
	}
	var out Verification
	err = d.eachOf(ctx, id, func(stream workflows.StreamID) error {
		s, err := d.grantState(ctx, stream)
		if err != nil {
			return err
		}
		for _, h := range s.Holds {
			if err := d.verifyHold(ctx, q, stream, h, grants.CheckEvent, &out); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// eachOf goes through the streams of what an identity holds now: their names lie side by side.
func (d *Desk) eachOf(ctx context.Context, id workflows.IdentityID, fn func(workflows.StreamID) error) error {
	prefix := string(workflows.GrantStream(id, "", ""))
	prefix = strings.TrimSuffix(prefix, "/")
	last := workflows.StreamID(prefix)
	for {
		page, err := d.ledger.Page(ctx, grants.ListActive, "", last, pageOf)
		if err != nil {
			return err
		}
		for _, s := range page {
			if !strings.HasPrefix(string(s), prefix) {
				return nil
			}
			if err := fn(s); err != nil {
				return err
			}
			last = s
		}
		if len(page) < pageOf {
			return nil
		}
	}
}

func (d *Desk) verifyHold(ctx context.Context, q *inquiry, stream workflows.StreamID, h grants.Hold, trigger string, v *Verification) error {
	if h.Status != grants.StatusApproved && h.Status != grants.StatusActive {
		return nil
	}
	facts, err := q.facts(ctx, h)
	if err != nil {
		return err
	}
	v.Asked++
	if w, ok := worst(facts); ok && w.Answer == grants.CannotTell {
		v.Unverified++
		if h.Status == grants.StatusApproved {
			return nil // asked again before the target is called, which waits for an answer
		}
	}
	res, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return grants.Check(f, stream, grants.Checked{Grant: h.Approved.Grant, Trigger: trigger, Facts: facts})
	})
	for _, r := range res.Records {
		if _, ok := r.Event.(grants.Ending); ok {
			v.Ended++
		}
	}
	return err
}
