package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/seal"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// safe is where secrets wait between the connector that made them and the person who takes them: sealed, in the store.
type safe struct {
	store *store.Store
	box   seal.Box
	mark  []byte // key of fingerprints
}

var _ runbooks.Safe = safe{}

// openSafe takes the keys. One that seals is not replaced while something is sealed by it.
func openSafe(ctx context.Context, s *store.Store, keys *keyring) (safe, error) {
	waiting, err := s.Handovers(ctx)
	if err != nil {
		return safe{}, err
	}
	tokens, err := sealedTokens(keys.dir)
	if err != nil {
		return safe{}, err
	}
	key, err := keys.lateSeed(keySealing, len(waiting) > 0 || tokens)
	if tokens && err != nil {
		err = hint(err, "put it back from where you keep keys: %s is sealed with it. If it is lost, %s", slackTokenFile, tokensLostHint())
	}
	if err != nil {
		return safe{}, err
	}
	box, err := seal.NewBox(key)
	if err != nil {
		return safe{}, err
	}
	mark, err := keys.lateSeed(keyFingerprint, false)
	return safe{s, box, mark}, err
}

// Kept implements runbooks.Safe.
func (x safe) Kept(ctx context.Context, id workflows.GrantID) (runbooks.Handover, bool, error) {
	return x.open(ctx, string(id))
}

// Keep implements runbooks.Safe.
func (x safe) Keep(ctx context.Context, id workflows.GrantID, h runbooks.Handover) error {
	return x.put(ctx, string(id), h)
}

func (x safe) open(ctx context.Context, row string) (runbooks.Handover, bool, error) {
	kept, err := x.store.Handover(ctx, row)
	if errors.Is(err, store.ErrNotFound) {
		return runbooks.Handover{}, false, nil
	}
	if err != nil {
		return runbooks.Handover{}, false, err
	}
	clear, err := x.box.Open(row, kept.Sealed)
	if err != nil {
		return runbooks.Handover{}, false, err
	}
	defer clearBytes(clear)
	h, err := runbooks.DecodeHandover(clear)
	return h, err == nil, err
}

func (x safe) put(ctx context.Context, row string, h runbooks.Handover) error {
	clear, err := h.Encode()
	if err != nil {
		return err
	}
	defer clearBytes(clear)
	return x.store.KeepHandover(ctx, store.Handover{ID: row, Sealed: x.box.Seal(row, clear)})
}

// drop destroys what is kept for a grant, in both forms.
func (x safe) drop(ctx context.Context, id workflows.GrantID) error {
	return errors.Join(x.store.DropHandover(ctx, string(id)), x.store.DropHandover(ctx, rowForKey(id)))
}

// rowForKey is the row of a secret that is sealed to its holder's own key. It has a row of its own: the other one is what a repeated call tells
// the target.
func rowForKey(id workflows.GrantID) string { return string(id) + "/key" }

func clearBytes(b []byte) {
	for i := range b {
		b[i] = 0
	}
}

// sealedText is the name of the only part of a secret that is sealed to its holder's key.
const sealedText = "Sealed text"

// handovers gives secrets that came with access to their holders.
type handovers struct {
	safe safe
	desk *desk.Desk
}

// kept records that a secret came with an access that was just made, sealed to its holder's key where they have one. It does nothing when none
// came. Called again it changes nothing.
func (x *handovers) kept(ctx context.Context, stream workflows.StreamID, hold grants.Hold) error {
	if x == nil {
		return nil
	}
	id := hold.Approved.Grant
	h, ok, err := x.safe.Kept(ctx, id)
	if err != nil || !ok {
		return err
	}
	e := grants.SecretKept{
		Grant: id, Way: grants.WayTaken, Title: h.Title, Fingerprints: seal.Fingerprints(x.safe.mark, h), Wrapped: h.Wrapped, Until: hold.Ends.UTC,
	}
	if until := workflows.StampOf(h.Until); !h.Until.IsZero() && until < e.Until {
		e.Until = until
	}
	who, err := x.desk.PersonNow(ctx, hold.Holder())
	if err != nil {
		return err
	}
	machine, err := x.machineAsked(ctx, hold)
	if err != nil {
		return err
	}
	if who.Key != nil && !machine {
		if e.Key, err = x.sealFor(ctx, id, who.Key.Key, h); err != nil {
			return err
		}
	}
	if e.Key != "" {
		e.Way = grants.WayKey
	}
	return x.desk.SecretKept(ctx, stream, e)
}

// machineAsked tells whether a workload asked for an access through the API: it takes the secret itself, and its person's key does not fit.
func (x *handovers) machineAsked(ctx context.Context, hold grants.Hold) (bool, error) {
	if hold.Approved.Identity.IsPerson() || hold.Approved.Request == "" {
		return false, nil
	}
	v, err := x.desk.Look(ctx, hold.Approved.Request)
	return v.State.Asked.Channel == viaAPI, err
}

// sealFor seals a secret to its holder's key and gives the key's fingerprint. A key whose text was erased seals nothing.
func (x *handovers) sealFor(ctx context.Context, id workflows.GrantID, text string, h runbooks.Handover) (string, error) {
	k, err := seal.ParseKey(text)
	if err != nil {
		return "", nil
	}
	sealed, err := seal.SealTo(k, h)
	if err != nil {
		return "", err
	}
	return k.Fingerprint, x.safe.put(ctx, rowForKey(id), runbooks.Handover{
		Title: h.Title, Parts: []runbooks.Part{{Name: sealedText, Value: runbooks.NewSecret(sealed), File: "secret.age", Public: true}},
	})
}

// started drops the clear form of a secret that was sealed to a key, once the access is recorded as made: nothing asks for it any more.
func (x *handovers) started(ctx context.Context, hold grants.Hold) error {
	if x == nil {
		return nil
	}
	if _, ok, err := x.safe.open(ctx, rowForKey(hold.Approved.Grant)); err != nil || !ok {
		return err
	}
	return x.safe.store.DropHandover(ctx, string(hold.Approved.Grant))
}

// take gives a secret to a person who has proved who they are, once: it is recorded as taken before it leaves here.
func (x *handovers) take(ctx context.Context, c desk.TakeSecret) (runbooks.Handover, *workflows.Refusal, error) {
	h, _, err := x.safe.open(ctx, rowForKey(c.Grant))
	if err == nil && h.IsZero() {
		h, _, err = x.safe.open(ctx, string(c.Grant))
	}
	if err != nil {
		return runbooks.Handover{}, nil, err
	}
	res, err := x.desk.TakeSecret(ctx, c)
	if err != nil || res.Refusal != nil {
		return runbooks.Handover{}, res.Refusal, err
	}
	if h.IsZero() {
		return h, nil, fmt.Errorf("the secret of %s is recorded as waiting, and is not there", c.Grant)
	}
	if desk.IsRunSecret(c.Grant) {
		return h, nil, nil // the target is asked with it once more before the old one is ended; a job destroys it afterwards
	}
	// The job destroys it, too, if this fails: nobody is shown it a second time either way.
	return h, nil, x.safe.drop(ctx, c.Grant)
}

// sealedFor is the sealed text of a secret for the holder's own key; empty when it is handed over in another way. It is no secret.
func (x *handovers) sealedFor(ctx context.Context, id workflows.GrantID) (string, error) {
	if x == nil {
		return "", nil
	}
	h, ok, err := x.safe.open(ctx, rowForKey(id))
	if err != nil || !ok {
		return "", err
	}
	return strings.TrimSpace(h.Parts[0].Value.Reveal()), nil
}

// destroy is the job that destroys a secret that was taken, or that nobody may take any more.
func (x *handovers) destroy(ctx context.Context, j jobs.Job) error {
	id := workflows.GrantID(j.Key)
	_, due, err := x.desk.Due(ctx, j.Stream, j.Kind, id)
	if err != nil || !due {
		return err
	}
	if err := x.safe.drop(ctx, id); err != nil {
		return err
	}
	return x.desk.SecretDestroyed(ctx, desk.Cause(j.Cause()), j.Stream, id)
}
