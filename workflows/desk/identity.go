package desk

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// IdentityCommand is somebody doing something to an identity of the inventory.
type IdentityCommand struct {
	Cause    Cause
	By       workflows.Acting
	Identity workflows.IdentityID
	Do       string // one of the Do… names
	To       string // who is to own it: "p_…", "group:dba"
	Backup   string
	Verdict  string // on a hand-over
	Why      string // a code: of a rotation, of a suspension
	Item     string // of a retirement
	Proof    string // identities.ProofVerified, ProofDeclared
	Evidence string
	Expires  workflows.Stamp // of a claim or a renewal
	Says     identities.Entry
	Place    string
	Path     string
	Reason   string
	Channel  string
	Authn    string
}

// What can be done to an identity.
const (
	DoTransfer = "transfer"
	DoAnswer   = "answer"
	DoSuspend  = "suspend"
	DoResume   = "resume"
	DoRotate   = "rotate"
	DoRotated  = "rotated"
	DoRetire   = "retire"
	DoItem     = "retire-item"
	DoClaim    = "claim"
	DoRenew    = "renew"
	DoAttest   = "attest"
	DoLift     = "lift-exception"
	DoSettle   = "account-done"
	DoKill     = "kill"
)

// handoverRung is how long each of those who are asked to take an identity over has.
const handoverRung = 3 * 24 * time.Hour

// ChangeIdentity carries out one command.
func (d *Desk) ChangeIdentity(ctx context.Context, c IdentityCommand) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s, err := d.identityState(ctx, c.Identity)
	if err != nil {
		return Answer{}, err
	}
	do := identities.Do{
		By: c.By, Standing: d.standing(ctx, c.By), Command: c.Do, Owns: d.ownsIdentity(s.Entry(), c.By.Person),
		Security: d.HasRole(ctx, RoleSecurity, c.By.Person), Channel: c.Channel, Authn: c.Authn, Reason: c.Reason, Stands: d.Policy().Stands,
	}
	fn, no := d.identityDecision(ctx, c, do, s)
	if no != nil {
		r, err := d.Refuse(ctx, c.Cause, c.By, c.Do, c.Channel, string(c.Identity), no)
		return Answer{Refusal: r}, err
	}
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{workflows.IdentityStream(c.Identity)}, fn)
	return answered(&res), err
}

func (d *Desk) identityDecision(ctx context.Context, c IdentityCommand, do identities.Do, s identities.IdentityState) (decide, *workflows.Refusal) {
	id := c.Identity
	switch c.Do {
	case DoTransfer:
		return d.transfer(ctx, c, do)
	case DoAnswer:
		if no := d.mayOwn(ctx, c.To); c.To != "" && no != nil {
			return nil, no
		}
		a := identities.Answer{Do: do, Verdict: c.Verdict, Owner: c.To, Backup: c.Backup, ID: d.ids.New("o_")}
		return func(f workflows.Facts) (workflows.Outcome, error) { return identities.AnswerHandover(f, a, id) }, nil
	case DoSuspend:
		return func(f workflows.Facts) (workflows.Outcome, error) {
			return identities.Suspend(f, do, id, identities.SuspendedByHand)
		}, nil
	case DoResume:
		return func(f workflows.Facts) (workflows.Outcome, error) { return identities.Resume(f, do, id) }, nil
	case DoRotate:
		rotation := d.ids.New("o_")
		return func(f workflows.Facts) (workflows.Outcome, error) {
			return identities.OpenRotation(f, do, id, rotation, c.Why)
		}, nil
	case DoRotated:
		e := identities.RotationClosed{How: "by hand", Proof: identities.ProofDeclared, Evidence: c.Evidence, Print: c.Says.Print, Serial: c.Says.Serial, LastFour: c.Says.LastFour, Authn: c.Authn, Channel: c.Channel}
		return func(f workflows.Facts) (workflows.Outcome, error) { return identities.CloseRotation(f, do, id, e) }, nil
	case DoRetire:
		return func(f workflows.Facts) (workflows.Outcome, error) { return identities.Retire(f, do, id) }, nil
	case DoKill:
		return func(f workflows.Facts) (workflows.Outcome, error) { return identities.Kill(f, do, id) }, nil
	case DoItem:
		e := identities.RetireItemDone{Item: c.Item, Proof: cmp.Or(c.Proof, identities.ProofDeclared), Evidence: c.Evidence, Authn: c.Authn, Channel: c.Channel}
		return func(f workflows.Facts) (workflows.Outcome, error) { return identities.RetireDone(f, do, id, e) }, nil
	case DoAttest:
		return func(f workflows.Facts) (workflows.Outcome, error) { return identities.Attest(f, do, id, c.Verdict) }, nil
	case DoSettle:
		return func(f workflows.Facts) (workflows.Outcome, error) { return identities.Settle(f, do, id, c.Evidence) }, nil
	case DoLift:
		return func(f workflows.Facts) (workflows.Outcome, error) { return identities.LiftException(f, do, id, c.Item) }, nil
	case DoClaim:
		return d.claim(ctx, c, do, s)
	case DoRenew:
		if no := d.throughChain(workflows.LifeRenew, s.Entry().Target); no != nil {
			return nil, no
		}
		e := identities.Renewed{Expires: c.Expires, Approvers: []workflows.PersonID{c.By.Person}, Reason: c.Reason, Channel: c.Channel}
		return func(f workflows.Facts) (workflows.Outcome, error) { return identities.Renew(f, do, id, e) }, nil
	}
	return nil, workflows.Refuse(workflows.CodeBadField, "There is no such command.", "")
}

// transfer asks somebody to take an identity over; the owner stays until they accept.
func (d *Desk) transfer(ctx context.Context, c IdentityCommand, do identities.Do) (decide, *workflows.Refusal) {
	people, no := d.ownersOf(ctx, c.To)
	if no != nil {
		return nil, no
	}
	handover := d.ids.New("o_")
	return func(f workflows.Facts) (workflows.Outcome, error) {
		h := identities.HandoverOpened{
			Handover: handover, Why: identities.WhyTransfer, Silence: identities.SilenceLapses, Note: strings.TrimSpace(c.Reason), Channel: c.Channel,
			Rungs: []identities.Rung{{People: people, Why: "named", Until: f.Now.UTC.Add(handoverRung)}},
		}
		s, err := identities.FoldIdentity(f.Histories[workflows.IdentityStream(c.Identity)])
		if err != nil {
			return workflows.Outcome{}, err
		}
		h.From = s.Entry().Owner
		return identities.OpenHandover(f, do, c.Identity, h)
	}, nil
}

// ownersOf are the people of an owner who may be one; a refusal says why they may not.
func (d *Desk) ownersOf(ctx context.Context, owner string) ([]workflows.PersonID, *workflows.Refusal) {
	if no := d.mayOwn(ctx, owner); no != nil {
		return nil, no
	}
	if name, ok := strings.CutPrefix(owner, identities.GroupPrefix); ok {
		return d.Policy().Groups[name], nil
	}
	return []workflows.PersonID{workflows.PersonID(owner)}, nil
}

// mayOwn says why somebody, or a team, cannot answer for an identity; nil when they can (R23).
func (d *Desk) mayOwn(ctx context.Context, owner string) *workflows.Refusal {
	if name, ok := strings.CutPrefix(owner, identities.GroupPrefix); ok {
		members, there := d.Policy().Groups[name]
		if !there {
			return workflows.Refuse(workflows.CodeBadField, "There is no such group.", "Groups stand in people.yaml.")
		}
		active := 0
		for _, m := range members {
			if d.standingOf(ctx, m).Refusal() == nil {
				active++
			}
		}
		if active < 2 {
			return workflows.Refuse(workflows.CodeNobody, "A team that owns an identity needs at least two active people.", "Name a person, or add to the group.")
		}
		return nil
	}
	if _, listed := d.Policy().People[workflows.PersonID(owner)]; !listed {
		return workflows.Refuse(workflows.CodeBadField, "The owner is nobody in the people file.", "Owners are people or groups, never another identity.")
	}
	if r := d.standingOf(ctx, workflows.PersonID(owner)).Refusal(); r != nil {
		return workflows.Refuse(r.Code, "The owner cannot answer for it: "+r.Sentence, "Name an active full member.")
	}
	return nil
}

// claim gives an identity that nobody answers for an owner, a purpose and an end. Who claims it for themselves decides nothing by it: an identity
// that has an owner is changed by that owner or by security.
func (d *Desk) claim(ctx context.Context, c IdentityCommand, do identities.Do, s identities.IdentityState) (decide, *workflows.Refusal) {
	says := c.Says
	says.Owner, says.Backup, says.Expires = c.To, c.Backup, c.Expires
	if says.Owner == "" {
		says.Owner = string(c.By.Person)
	}
	owner := s.Entry().Owner
	if owner == "" && says.Owner == string(c.By.Person) && d.SeesInventory(ctx, c.By.Person) {
		do.Owns = true // nobody is asked whether they give it away
	}
	if owner != "" && owner != says.Owner {
		return nil, workflows.Refuse(workflows.CodeNotYours, "This identity has another owner.", "An owner hands it over: countersign identities transfer.")
	}
	if e := s.Entry(); e.Expires != 0 && says.Expires > e.Expires {
		if no := d.throughChain(workflows.LifeRenew, e.Target); no != nil {
			return nil, no
		}
	}
	for _, o := range []string{says.Owner, says.Backup} {
		if no := d.mayOwn(ctx, o); o != "" && no != nil {
			return nil, no
		}
	}
	return func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.TakeOn(f, do, c.Identity, identities.Claimed{
			Source: identities.SourceDecision, Says: says, HasPlace: c.Place != "", HasPath: c.Path != "", Place: c.Place, Path: c.Path, Channel: c.Channel,
		})
	}, nil
}

// EmptyIdentity takes back everything that a suspended or ending identity holds, and records that it did. It is a job: an error means try again.
func (d *Desk) EmptyIdentity(ctx context.Context, cause Cause, stream workflows.StreamID, seq int64) error {
	id := workflows.IdentityID(stream.Rest())
	n, err := d.endEverything(ctx, cause, id, "its identity was suspended, quarantined or taken off")
	if err != nil {
		return err
	}
	s, err := d.identityState(ctx, id)
	if err != nil {
		return err
	}
	if s.Life.Retirement != nil { // what is taken off for good is not done before every revocation is confirmed
		live := 0
		if err := d.holdings(ctx, id, func(Holding) { live++ }); err != nil {
			return err
		}
		if live > 0 {
			return ErrStillHeld
		}
	}
	_, err = d.update(ctx, cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.Empty(f, stream, seq, n)
	})
	return err
}

// endEverything ends every access that somebody holds, begun or not, and says how many that was.
func (d *Desk) endEverything(ctx context.Context, cause Cause, id workflows.IdentityID, why string) (int, error) {
	out, err := d.RevokeAll(ctx, RevokeAll{Cause: sub(cause, "end"), By: workflows.System, Identity: id, Why: why})
	if err != nil || out.Refusal == nil {
		return len(out.Ended), err
	}
	if out.Refusal.Code == workflows.CodeNotYours {
		return 0, nil // nobody of that name ever held anything
	}
	return 0, out.Refusal
}

// ErrStillHeld says that access is being taken back, and that this is not confirmed yet.
var ErrStillHeld = errors.New("some of what the identity held is still being taken back")
