package grants

import (
	"maps"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// A secret that comes with a grant is handed over once, to its holder. The ledger knows that it was kept, by a fingerprint that says nothing
// without a key, who took it and when, who tried to, and that it was destroyed. The secret itself is nowhere here.

// JobDestroy destroys a secret that nobody may take any more.
const JobDestroy = "secret.destroy"

// SecretKept says that a secret came with the access and waits, sealed, for its holder.
type SecretKept struct {
	Grant        workflows.GrantID `json:"grant"`
	Way          string            `json:"way"`           // WayKey, WayTaken
	Fingerprints map[string]string `json:"fingerprints"`  // name of the part -> keyed fingerprint; public parts are not in it
	Key          string            `json:"key,omitempty"` // WayKey: fingerprint of the holder's key that it is sealed to
	Wrapped      bool              `json:"wrapped"`       // it is a single-use token, from which the target gives the secret
	Until        workflows.Stamp   `json:"until"`         // it is destroyed then, if nobody took it
	Title        string            `json:"title" seal:"true"`
}

// The ways in which a secret reaches its holder.
const (
	WayKey   = "key"   // sealed to a key that only the holder has; who reads the sealed text does not matter
	WayTaken = "taken" // shown once, to the holder who proves who they are
)

// SecretTaken says that the holder was shown the secret. It is recorded before it is shown: what is recorded and was not seen is lost, never
// shown twice.
type SecretTaken struct {
	Grant   workflows.GrantID `json:"grant"`
	Authn   string            `json:"authn"`                      // how they proved who they are: "oidc", "slack-code", "unix-peer"
	Channel string            `json:"channel"`                    // "web", "cli"
	From    string            `json:"from,omitempty" seal:"true"` // address it was taken from
}

// SecretDestroyed says that the sealed secret is gone.
type SecretDestroyed struct {
	Grant workflows.GrantID `json:"grant"`
	Why   string            `json:"why"` // DestroyedTaken …
}

// Why a secret was destroyed.
const (
	DestroyedTaken = "taken"
	DestroyedLate  = "not taken in time"
	DestroyedEnded = "access ended"
)

// Kind names for the ledger.
func (SecretKept) Kind() string      { return "secret.kept" }
func (SecretTaken) Kind() string     { return "secret.taken" }
func (SecretDestroyed) Kind() string { return "secret.destroyed" }

// Secret is what is known of the secret of a hold; the zero value: none came with it.
type Secret struct {
	Kept      SecretKept
	KeptAt    workflows.Instant
	Taken     SecretTaken
	TakenAt   workflows.Instant // zero: nobody took it
	TakenBy   workflows.PersonID
	Destroyed string // why; empty: it is there, or never was
}

// Waits tells whether the secret is still there.
func (x Secret) Waits() bool { return x.Kept.Grant != "" && x.Destroyed == "" }

func (h *Hold) maySecret(e workflows.Event) bool {
	switch e := e.(type) {
	case SecretKept:
		return (h.Status == StatusApproved || h.Status == StatusActive) && h.Secret.TakenAt.UTC == 0 && (e.Way == WayKey || e.Way == WayTaken)
	case SecretTaken:
		return h.Secret.Waits() && h.Secret.TakenAt.UTC == 0
	case SecretDestroyed:
		return h.Secret.Waits()
	case SecretLeaked:
		return h.CameWith(e.Print) && !slices.ContainsFunc(h.Leaks, func(l SecretLeaked) bool { return l.Leak == e.Leak })
	}
	return false
}

func (h *Hold) applySecret(r workflows.Record) {
	switch e := r.Event.(type) {
	case SecretKept:
		h.Secret = Secret{Kept: e, KeptAt: r.At}
	case SecretTaken:
		h.Secret.Taken, h.Secret.TakenAt, h.Secret.TakenBy = e, r.At, r.Person
	case SecretDestroyed:
		h.Secret.Destroyed = e.Why
	case SecretLeaked:
		h.Leaks = append(h.Leaks, e)
	}
}

// destroyDue is when the secret must be destroyed, and why; false while it may wait for something that is not known yet.
func (h Hold) destroyDue() (at workflows.Stamp, why string, ok bool) {
	x := h.Secret
	switch {
	case !x.Waits():
		return 0, "", false
	case x.TakenAt.UTC != 0:
		return x.TakenAt.UTC, DestroyedTaken, true
	case h.Status != StatusApproved && h.Status != StatusActive:
		return x.KeptAt.UTC, DestroyedEnded, true
	}
	return x.Kept.Until, DestroyedLate, true
}

func (h Hold) secretJobs() []workflows.Job {
	at, _, ok := h.destroyDue()
	if !ok {
		return nil
	}
	return []workflows.Job{{Kind: JobDestroy, Key: string(h.Approved.Grant), Due: at, Lane: workflows.LaneUrgent}}
}

// KeepSecret records that a secret waits. The same one again, after a crash, changes nothing.
func KeepSecret(f workflows.Facts, stream workflows.StreamID, e SecretKept) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	h, ok := s.Find(e.Grant)
	if ok && h.maySecret(e) && (!h.Secret.Waits() || h.Secret.Kept.Way != e.Way || !maps.Equal(h.Secret.Kept.Fingerprints, e.Fingerprints)) {
		out.Add(stream, workflows.System, "", e)
	}
	return out, nil
}

// Taking is somebody who wants the secret of a grant.
type Taking struct {
	By      workflows.Acting
	Authn   string
	Channel string
	From    string
}

// TakeSecret records that the holder is about to be shown the secret of a grant, once. Everybody else, and everybody the second time, is
// refused, and that is recorded. There is no difference between a grant that is somebody else's and one that does not exist.
func TakeSecret(f workflows.Facts, stream workflows.StreamID, id workflows.GrantID, by Taking) (workflows.Outcome, error) {
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	h, ok := s.Find(id)
	on := stream
	if !ok {
		on = workflows.SystemStream
	}
	if r := h.refuseTaking(ok, by, f.Now); r != nil {
		return workflows.RefuseOn(on, by.By, "take secret", by.Channel, string(id), r), nil
	}
	var out workflows.Outcome
	out.Add(stream, by.By, "", SecretTaken{Grant: id, Authn: by.Authn, Channel: by.Channel, From: by.From})
	return out, nil
}

func (h Hold) refuseTaking(found bool, by Taking, now workflows.Instant) *workflows.Refusal {
	x := h.Secret
	switch {
	case !found || by.By.Person == "" || h.Holder() != by.By.Person:
		return workflows.Refuse(workflows.CodeNotYours, "There is no such secret, or it is not yours.", "Only who holds the access can take what comes with it.")
	case x.Kept.Grant == "":
		return workflows.Refuse(workflows.CodeSecret, "No secret came with this access.", "")
	case x.TakenAt.UTC != 0:
		return workflows.Refuse(workflows.CodeSecret, "This secret was shown once already, at "+clock(x.TakenAt.UTC)+", and is gone.",
			"If that was not you, revoke the access now and tell security. If you lost it, give the access back and ask again.")
	case h.Status != StatusApproved && h.Status != StatusActive:
		return workflows.Refuse(workflows.CodeSecret, "The access has ended, and its secret was destroyed.", "Ask again if you still need it.")
	case x.Destroyed != "" || now.UTC >= x.Kept.Until:
		return workflows.Refuse(workflows.CodeSecret, "Nobody took this secret in time, so it was destroyed.", "Give the access back and ask again.")
	}
	return nil
}

func clock(at workflows.Stamp) string { return at.Time().Format("2006-01-02 15:04") + " UTC" }

// Holder is the human to whom what comes with the access is handed: who holds it, or who asked for an identity that is none.
func (h Hold) Holder() workflows.PersonID {
	if p := h.Approved.Identity.Person(); p != "" {
		return p
	}
	return h.Approved.Requester
}

// DestroySecret records that the sealed secret is gone, if that is due.
func DestroySecret(f workflows.Facts, stream workflows.StreamID, id workflows.GrantID) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	if h, ok := s.Find(id); ok {
		if at, why, due := h.destroyDue(); due && f.Now.UTC >= at {
			out.Add(stream, workflows.System, "", SecretDestroyed{Grant: id, Why: why})
		}
	}
	return out, nil
}
