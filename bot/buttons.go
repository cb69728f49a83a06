package bot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/countersign-bot/countersign/workflows"
)

// Kinds of button. A value of one kind is no value of another, so that a "read all" button can never be sent as an approval.
const (
	kindApprove    = 'a'
	kindRead       = 'r'
	kindDecide     = 'c' // approve, from the modal that showed everything
	kindDeny       = 'd'
	kindDenyForm   = 'n'
	kindWithdraw   = 'w'
	kindTakeBack   = 't'
	kindDone       = 'g'
	kindRevoke     = 'k'
	kindRevokeForm = 'l'
	kindReview     = 'v'
	kindReviewForm = 'u'

	kindOffer         = 'o'
	kindOfferForm     = 'p'
	kindAccept        = 'y' // ID is request#offer
	kindDecline       = 'x'
	kindExtend        = 'e'
	kindPolicyApprove = 'P'
	kindPolicyDeny    = 'Q'
	kindDelegate      = 'D'
	kindSecret        = 'S'
	kindStep          = 'W' // ID is execution, chain and reason
	kindAgree         = 'A' // ID is runbook#proposal
	kindAck           = 'E' // ID is an escalation
	kindStepRun       = 'R'
	kindStepDone      = 'T'
	kindStepSkip      = 'K'
	kindRunBack       = 'B'
	kindRunClose      = 'C'
	kindLock          = 'L' // ID is an identity
	kindRunForm       = 'F' // ID is the kind of what was pressed, and the run
	kindSheetNext     = '1' // of a campaign: ID is the sheet
	kindSheetKeep     = '2' // Stage is the item
	kindSheetAll      = '3'
	kindSheetOther    = '4'
	kindSheetForm     = '5'
)

// Button is what a button's value says. It names things and grants nothing: whoever sends it is checked as if they had typed it.
type Button struct {
	Kind  byte
	ID    string // of a request, grant or review
	Stage int    // 0 … 255
	Shown string // first half of the shown hash, 32 hex digits; empty where nothing is voted on
}

// Buttons seals and opens the values of buttons and of modals' private metadata. The key has at least 32 bytes (New checks it) and serves
// this purpose only.
type Buttons struct{ Key []byte }

var errForeign = errors.New("not a button of ours")

// Value seals a button for one reader: the person whose direct message, Home page or modal it stands in; empty for a channel. It is
// base64url of kind, stage, length of shown, shown, id and 16 bytes of HMAC-SHA256: without a shown hash it fits the 75 characters of a
// menu's option.
func (b *Buttons) Value(x Button, reader workflows.PersonID) string {
	shown, err := hex.DecodeString(x.Shown)
	if err != nil || len(shown) > 255 || x.Stage < 0 || x.Stage > 255 {
		panic(fmt.Sprintf("sealing a button: stage %d, shown %q", x.Stage, x.Shown)) // both come from a fold
	}
	body := append([]byte{x.Kind, byte(x.Stage), byte(len(shown))}, shown...)
	body = append(body, x.ID...)
	return base64.RawURLEncoding.EncodeToString(append(body, b.mac(body, reader)...))
}

func (b *Buttons) mac(body []byte, reader workflows.PersonID) []byte {
	h := hmac.New(sha256.New, b.Key)
	fmt.Fprintf(h, "countersign/button/v1\x00%d:%s\x00", len(reader), reader)
	h.Write(body)
	return h.Sum(nil)[:macBytes]
}

// Parse reads what a value claims, without believing it: to find out where it should stand.
func (b *Buttons) Parse(value string) (Button, error) {
	raw, err := decodeButton(value)
	if err != nil {
		return Button{}, err
	}
	body := raw[:len(raw)-macBytes]
	n := int(body[2])
	if len(body) < 3+n+1 {
		return Button{}, errForeign
	}
	return Button{Kind: body[0], Stage: int(body[1]), Shown: hex.EncodeToString(body[3 : 3+n]), ID: string(body[3+n:])}, nil
}

// Open is Parse for a value that must be of this kind and sealed for this reader.
func (b *Buttons) Open(value string, kind byte, reader workflows.PersonID) (Button, error) {
	x, err := b.Parse(value)
	if err != nil {
		return Button{}, err
	}
	raw, err := decodeButton(value)
	if err != nil {
		return Button{}, err
	}
	body, mac := raw[:len(raw)-macBytes], raw[len(raw)-macBytes:]
	if x.Kind != kind || !hmac.Equal(mac, b.mac(body, reader)) {
		return Button{}, errForeign
	}
	return x, nil
}

// decodeButton is strict: two spellings of one value would be two values.
func decodeButton(value string) ([]byte, error) {
	if len(value) > maxButton {
		return nil, errForeign
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(raw) < 3+macBytes {
		return nil, errForeign
	}
	return raw, nil
}
