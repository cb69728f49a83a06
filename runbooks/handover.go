package runbooks

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// Handover is a secret made for one grant, on its way to the one person who may have it: a password, a private key, a token.
// It exists in clear in the connector's call and at the moment it is taken; between the two it is sealed. Nothing of it
// reaches a chat, the ledger (a keyed fingerprint does), a log or an error. The zero value is "nothing is handed over",
// which is best: prefer a certificate for the holder's own key, or membership of the holder's own account.
//
// A connector takes part in one of two ways.
//
// It takes a secret that we choose (a password of a login role, an ACL user's): it implements SecretMaker. The Runner has the
// secret made and sealed before it calls Grant, and every call of Grant for the same grant finds the same one in
// Grant.Secret, also after a crash. Receipt.Handover stays empty.
//
// The target makes the secret (an access key, a dynamic credential): Capabilities.Mints says so, Grant puts it into
// Receipt.Handover, and the Runner seals it before anything else happens. Called again for the same grant, Grant gives the
// same secret, or takes the first one back and gives another: nobody has seen that one, since it was asked for again.
type Handover struct {
	Title   string    // what it is, in words for the page: "Password of the login cs_4f2a on Orders"; never part of the secret
	Parts   []Part    // in the order in which they are shown
	Wrapped bool      // the parts hold a single-use token, from which the target itself gives the secret (response wrapping)
	Until   time.Time // the target honours it no longer than this; zero: until the grant ends
}

// Part is one piece of a handover. Pieces that are of no use alone (a user name, an access key's id) belong to it, so that
// whoever takes the secret finds everything in one place.
type Part struct {
	Name   string // "Password", "Private key", "Access key id"; unique within the handover
	Value  Secret
	File   string // the name under which to save it, where it is a file; empty: it is shown as text
	Public bool   // of no use alone: it may stand in receipts and logs, too
}

// SecretMaker is an optional part of a connector whose access is opened by a secret that we may choose.
type SecretMaker interface {
	// MakeSecret makes the secret of a grant, or the zero Handover when this grant needs none. It does no I/O and makes
	// another secret each time: NewPassword, or a key out of crypto/rand. An error refuses the grant.
	MakeSecret(g Grant) (Handover, error)
}

// Safe keeps handovers sealed from the moment they are made until they are taken. It is safe for concurrent use. Package cmd
// joins it to the store and to the key that seals.
type Safe interface {
	// Kept gives what is kept for a grant. False: nothing is, it was taken, or it was destroyed.
	Kept(ctx context.Context, id workflows.GrantID) (Handover, bool, error)
	// Keep seals what is to be handed over for a grant. It is durable when it returns. What was kept before for the same
	// grant is replaced.
	Keep(ctx context.Context, id workflows.GrantID, h Handover) error
}

// passwordLetters are 56 characters that cannot be taken for each other when somebody reads them out.
const passwordLetters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"

// NewPassword makes a password of 28 letters and digits, which are 162 bits. It needs no quoting anywhere.
func NewPassword() Secret {
	var b strings.Builder
	for b.Len() < 28 {
		var one [1]byte
		_, _ = rand.Read(one[:]) // never fails: crypto/rand ends the process instead
		if i := int(one[0]); i < 256-256%len(passwordLetters) {
			b.WriteByte(passwordLetters[i%len(passwordLetters)])
		}
	}
	return NewSecret(b.String())
}

// IsZero tells whether nothing is handed over.
func (h Handover) IsZero() bool { return len(h.Parts) == 0 }

// Check refuses a handover that could not be kept or shown. Its errors hold nothing of the secret.
func (h Handover) Check() error {
	if len(h.Parts) > maxParts || len(h.Title) > maxFact || !utf8.ValidString(h.Title) {
		return fmt.Errorf("a handover has at most %d parts and a title of %d bytes", maxParts, maxFact)
	}
	seen, whole := map[string]bool{}, 0
	for _, p := range h.Parts {
		whole += len(p.Value.Reveal())
		switch {
		case whole > maxHandover:
			return fmt.Errorf("a handover has at most %d bytes in all", maxHandover)
		case checkName("name of a part", p.Name) != nil || seen[p.Name]:
			return fmt.Errorf("part %q has no good name, or it is there twice", p.Name)
		case p.Value.IsZero() || len(p.Value.Reveal()) > maxSecretPart || !utf8.ValidString(p.Value.Reveal()):
			return fmt.Errorf("part %q is empty, longer than %d bytes, or no text", p.Name, maxSecretPart)
		case p.File != "" && !isFileName(p.File):
			return fmt.Errorf("part %q has a file name that leaves its folder", p.Name)
		}
		seen[p.Name] = true
	}
	return nil
}

// clone copies it, so that who keeps the parts cannot change the copy.
func (h Handover) clone() Handover {
	h.Parts = append([]Part(nil), h.Parts...)
	return h
}

// plain is a handover as it is sealed. Nothing else encodes one: a Secret encodes itself as "[redacted]".
type plain struct {
	Title   string      `json:"title"`
	Parts   []plainPart `json:"parts"`
	Wrapped bool        `json:"wrapped,omitempty"`
	Until   time.Time   `json:"until,omitzero"`
}

type plainPart struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	File   string `json:"file,omitempty"`
	Public bool   `json:"public,omitempty"`
}

// Encode gives the clear bytes that a Safe seals, and DecodeHandover reads. They must go nowhere else.
func (h Handover) Encode() ([]byte, error) {
	if err := h.Check(); err != nil {
		return nil, err
	}
	out := plain{Title: h.Title, Wrapped: h.Wrapped, Until: h.Until.UTC()}
	for _, p := range h.Parts {
		out.Parts = append(out.Parts, plainPart{p.Name, p.Value.Reveal(), p.File, p.Public})
	}
	return json.Marshal(out)
}

// DecodeHandover reads what Encode made. The error does not quote it.
func DecodeHandover(clear []byte) (Handover, error) {
	var in plain
	if err := json.Unmarshal(clear, &in); err != nil {
		return Handover{}, errors.New("reading a sealed secret: it is not what was kept")
	}
	out := Handover{Title: in.Title, Wrapped: in.Wrapped, Until: in.Until}
	for _, p := range in.Parts {
		out.Parts = append(out.Parts, Part{p.Name, NewSecret(p.Value), p.File, p.Public})
	}
	return out, out.Check()
}

// scrub takes the parts of a handover out of a text: a target that quotes what it was told is not trusted to stop.
func (h Handover) scrub(s string) string {
	for _, p := range h.Parts {
		if v := p.Value.Reveal(); !p.Public && len(v) >= minScrub {
			s = strings.ReplaceAll(s, v, redacted)
		}
	}
	return s
}

// scrubReceipt takes the parts of a handover out of everything that a receipt says.
func (h Handover) scrubReceipt(r Receipt) Receipt {
	if h.IsZero() {
		return r
	}
	each := func(m map[string]string) map[string]string {
		out := make(map[string]string, len(m))
		for k, v := range m {
			out[h.scrub(k)] = h.scrub(v)
		}
		if m == nil {
			return nil
		}
		return out
	}
	r.Ref, r.Facts, r.Personal = h.scrub(r.Ref), each(r.Facts), each(r.Personal)
	r.Use.Command, r.Use.Host, r.Use.Files = h.scrub(r.Use.Command), h.scrub(r.Use.Host), each(r.Use.Files)
	steps := make([]string, len(r.Use.Steps))
	for i, s := range r.Use.Steps {
		steps[i] = h.scrub(s)
	}
	if r.Use.Steps != nil {
		r.Use.Steps = steps
	}
	return r
}

// scrubError takes the parts of a handover out of an error's words, and out of the cause that goes into the log.
func (h Handover) scrubError(e *Error) *Error {
	if e == nil || h.IsZero() {
		return e
	}
	out := &Error{Class: e.Class, Text: h.scrub(e.Text), Err: e.Err}
	if e.Err != nil {
		if text := e.Err.Error(); h.scrub(text) != text {
			out.Err = errors.New(h.scrub(text))
		}
	}
	return out
}

// KeepIn gives the Runner the place where secrets are kept until they are taken. Without one, access that needs a secret is
// refused. It must be called before the first grant.
func (r *Runner) KeepIn(s Safe) { r.safe = s }

// arm has the secret of a grant made and sealed before the target hears of it. A secret that is kept already is the one.
func (r *Runner) arm(ctx context.Context, o *order) error {
	maker, ok := o.connector.(SecretMaker)
	if !ok {
		return nil
	}
	if r.safe != nil {
		kept, ok, err := r.safe.Kept(ctx, o.grant.ID)
		if err != nil {
			return Errorf(Retry, err, "the place where secrets are kept cannot be read")
		}
		if ok {
			o.grant.Secret = kept
			return nil
		}
	}
	var made Handover
	if err := r.guard(o.name, "make secret", func() (err error) {
		made, err = maker.MakeSecret(o.grant.Clone())
		return err
	}); err != nil {
		return err
	}
	if made.IsZero() {
		return nil
	}
	if err := r.keep(ctx, o, made); err != nil {
		return err
	}
	o.grant.Secret = made
	return nil
}

// keep seals a handover. Its errors are classed and hold nothing of it.
func (r *Runner) keep(ctx context.Context, o *order, h Handover) error {
	if r.safe == nil {
		return Errorf(Broken, nil, "this access comes with a secret, and there is no place to keep it until it is taken")
	}
	if err := h.Check(); err != nil {
		return Errorf(Broken, nil, "the secret that comes with this access cannot be kept: %s", cut(h.scrub(err.Error()), maxErrorText))
	}
	if err := r.safe.Keep(ctx, o.grant.ID, h); err != nil {
		return Errorf(Retry, h.scrubError(redactError(err)), "the secret that comes with this access could not be kept")
	}
	return nil
}
