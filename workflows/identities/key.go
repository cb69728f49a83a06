package identities

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// KeySet says that secrets for a person are sealed to this key from here on. It takes the place of the one before.
type KeySet struct {
	Medium      string `json:"medium"`          // "age", "ssh-ed25519", "ssh-rsa"
	Fingerprint string `json:"fingerprint"`     // of the public key: "SHA256:…"
	Key         string `json:"key" seal:"true"` // the public key as given; its comment often names a person
	Authn       string `json:"authn"`
	Channel     string `json:"channel"`
}

// Print is a key that a person put on record, and when they did first.
type Print struct {
	Fingerprint string
	At          workflows.Stamp
}

// KeyListings are the lists by which a public key leads to whose it is: it stays theirs when it is removed.
func (s PersonState) KeyListings() []workflows.Listing {
	var out []workflows.Listing
	for _, p := range s.Prints {
		out = append(out, workflows.Listing{List: workflows.ListKey, Member: p.Fingerprint, Sort: int64(p.At)})
	}
	return out
}

// KeyRemoved says that secrets for a person are sealed to no key any more.
type KeyRemoved struct {
	Fingerprint string `json:"fingerprint"`
	Channel     string `json:"channel"`
}

// CodesIssued says that one-time codes were printed for a person, for when the chat is down. The ones before are void. A hash is CodeHash of
// the code, which has 80 random bits: it can be known without the code being guessed.
type CodesIssued struct {
	Set     string             `json:"set"` // "k_…"
	Hashes  []string           `json:"hashes"`
	Until   workflows.Stamp    `json:"until"`
	Use     string             `json:"use"` // UsePage, UseEnvelope
	By      workflows.PersonID `json:"by"`
	Channel string             `json:"channel"`
}

// What codes are for.
const (
	UsePage     = "page"     // typed on the fallback page or beside a command
	UseEnvelope = "envelope" // on paper, for when nothing can be recorded
)

// CodeUsed says that a code was used up: whatever came of it, it opens nothing again.
type CodeUsed struct {
	Set     string `json:"set"`
	Hash    string `json:"hash"`
	What    string `json:"what"` // "break glass", "approve", "deny", "sign in", "envelope"
	About   string `json:"about,omitempty"`
	Channel string `json:"channel"`
	From    string `json:"from,omitempty" seal:"true"`
}

// CodesVoided says that what is left of the codes opens nothing any more.
type CodesVoided struct {
	Set string `json:"set"`
	Why string `json:"why"`
}

// Kind names for the ledger.
func (KeySet) Kind() string      { return "person.key_set" }
func (KeyRemoved) Kind() string  { return "person.key_removed" }
func (CodesIssued) Kind() string { return "person.codes_issued" }
func (CodeUsed) Kind() string    { return "person.code_used" }
func (CodesVoided) Kind() string { return "person.codes_voided" }

// CodeHash is how the ledger names a code of a person: "sha256:" and the hash of the two. A code is 16 letters and digits without its dashes.
func CodeHash(p workflows.PersonID, code string) string {
	sum := sha256.Sum256([]byte("countersign/one-time code/v1\x00" + string(p) + "\x00" + code))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// CodeSet is a set of codes with what was used of it.
type CodeSet struct {
	CodesIssued
	At   workflows.Instant
	Used map[string]CodeUsed // by hash
	Void string              // why; empty: it is good
}

// Left is how many codes of the set still open something at a moment.
func (c CodeSet) Left(at workflows.Stamp) int {
	if c.Void != "" || at >= c.Until {
		return 0
	}
	return len(c.Hashes) - len(c.Used)
}

// maxCodes bounds a set: two sheets of paper.
const maxCodes = 40

func (s *PersonState) applyKey(r workflows.Record) (bool, error) {
	switch e := r.Event.(type) {
	case KeySet:
		s.Key = &e
		if !slices.ContainsFunc(s.Prints, func(p Print) bool { return p.Fingerprint == e.Fingerprint }) {
			s.Prints = append(s.Prints, Print{e.Fingerprint, r.At.UTC})
		}
	case KeyRemoved:
		if s.Key == nil || s.Key.Fingerprint != e.Fingerprint {
			return true, fmt.Errorf("person.key_removed for a key that is not theirs")
		}
		s.Key = nil
	case CodesIssued:
		if e.Set == "" || len(e.Hashes) == 0 || len(e.Hashes) > maxCodes || s.codeSet(e.Set) >= 0 {
			return true, fmt.Errorf("person.codes_issued under the used or empty id %q, or with %d codes", e.Set, len(e.Hashes))
		}
		for i := range s.Codes {
			if s.Codes[i].Use == e.Use && s.Codes[i].Void == "" {
				s.Codes[i].Void = "others were printed"
			}
		}
		s.Codes = append(s.Codes, CodeSet{CodesIssued: e, At: r.At, Used: map[string]CodeUsed{}})
	case CodeUsed:
		i := s.codeSet(e.Set)
		if i < 0 || !slices.Contains(s.Codes[i].Hashes, e.Hash) || s.Codes[i].Used[e.Hash].Hash != "" {
			return true, fmt.Errorf("person.code_used with a code that was never printed, or twice")
		}
		s.Codes[i].Used[e.Hash] = e
	case CodesVoided:
		i := s.codeSet(e.Set)
		if i < 0 || s.Codes[i].Void != "" {
			return true, fmt.Errorf("person.codes_voided of a set that is not good")
		}
		s.Codes[i].Void = e.Why
	case EnvelopeReconciled:
		i := s.codeSet(e.Set)
		if i < 0 || s.Codes[i].Used[e.Hash].Hash == "" {
			return true, fmt.Errorf("person.envelope_reconciled without the code of an envelope")
		}
	default:
		return false, nil
	}
	return true, nil
}

func (s PersonState) codeSet(id string) int {
	return slices.IndexFunc(s.Codes, func(c CodeSet) bool { return c.Set == id })
}

// FindCode finds the set of a code that still opens something at a moment. The second answer says why not.
func (s PersonState) FindCode(hash, use string, at workflows.Stamp) (CodeSet, *workflows.Refusal) {
	for _, c := range s.Codes {
		if c.Use != use || !slices.Contains(c.Hashes, hash) {
			continue
		}
		switch {
		case c.Used[hash].Hash != "":
			return c, workflows.Refuse(workflows.CodeBadCode, "This code was used before.", "Take the next one of your sheet; if you did not use it, tell security now.")
		case c.Void != "":
			return c, workflows.Refuse(workflows.CodeBadCode, "This code is void: "+c.Void+".", "Use the newest sheet that was printed for you.")
		case at >= c.Until:
			return c, workflows.Refuse(workflows.CodeBadCode, "This code ran out at "+short(c.Until)+".", "Ask an operator to print new ones: countersign codes new.")
		}
		return c, nil
	}
	return CodeSet{}, workflows.Refuse(workflows.CodeBadCode, "This is no code of yours.", "Type it as printed; the dashes do not matter.")
}

// UseCode uses a code up and says whether it was good. What else is decided goes into the same outcome. A bad code is recorded as a refusal.
func UseCode(f workflows.Facts, by workflows.Acting, hash, use string, e CodeUsed) (workflows.Outcome, error) {
	stream := workflows.PersonStream(by.Person)
	s, err := FoldPerson(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	set, no := s.FindCode(hash, use, f.Now.UTC)
	if no != nil {
		return workflows.RefuseOn(stream, by, e.What, e.Channel, e.About, no), nil
	}
	e.Set, e.Hash = set.Set, hash
	var out workflows.Outcome
	out.Add(stream, by, "", e)
	return out, nil
}

// Setting is somebody registering their own key, or removing it (an empty Key).
type Setting struct {
	By       workflows.Acting
	Standing workflows.Standing
	Event    KeySet
}

// SetKey records a person's own key.
func SetKey(f workflows.Facts, x Setting) (workflows.Outcome, error) {
	stream := workflows.PersonStream(x.By.Person)
	refuse := func(r *workflows.Refusal) (workflows.Outcome, error) {
		on := stream
		if x.By.Person == "" {
			on = workflows.SystemStream
		}
		return workflows.RefuseOn(on, x.By, "key", x.Event.Channel, "", r), nil
	}
	if r := x.Standing.Refusal(); r != nil {
		return refuse(r)
	}
	s, err := FoldPerson(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	var out workflows.Outcome
	switch {
	case x.Event.Key != "":
		if s.Key == nil || s.Key.Fingerprint != x.Event.Fingerprint {
			out.Add(stream, x.By, "", x.Event)
		}
	case s.Key == nil:
		return refuse(workflows.Refuse(workflows.CodeUnknown, "You have no key on record.", ""))
	default:
		out.Add(stream, x.By, "", KeyRemoved{Fingerprint: s.Key.Fingerprint, Channel: x.Event.Channel})
	}
	return out, nil
}

// EnvelopeReconciled says what was done on paper, while nothing could be recorded: by whom the envelope was opened and when, for which
// incident, and what they did. It is recorded as soon as the ledger can be written again, with the code that used the envelope up.
type EnvelopeReconciled struct {
	Set      string             `json:"set"`
	Hash     string             `json:"hash"`
	OpenedAt workflows.Stamp    `json:"opened_at"` // as the paper says
	Incident string             `json:"incident"`
	Seen     workflows.PersonID `json:"seen,omitempty"` // the second person who was there, as the paper says
	Did      string             `json:"did" seal:"true"`
	Channel  string             `json:"channel"`
}

// Kind names for the ledger.
func (EnvelopeReconciled) Kind() string { return "person.envelope_reconciled" }

// Envelope is somebody who brings what stands on an opened envelope into the ledger.
type Envelope struct {
	By    workflows.Acting // who reconciles
	Of    workflows.PersonID
	May   bool // By is Of, or holds the role for it
	Hash  string
	Event EnvelopeReconciled
}

// Reconcile uses the code of an envelope up and records what the paper says. A code that was void or too old when the envelope was opened is
// recorded all the same, as refused: it was opened.
func Reconcile(f workflows.Facts, x Envelope) (workflows.Outcome, error) {
	stream := workflows.PersonStream(x.Of)
	s, err := FoldPerson(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	refuse := func(r *workflows.Refusal) (workflows.Outcome, error) {
		return workflows.RefuseOn(workflows.SystemStream, x.By, "envelope", x.Event.Channel, x.Event.Incident, r), nil
	}
	e := x.Event
	switch {
	case !x.May:
		return refuse(workflows.Refuse(workflows.CodeNotEligible, "An envelope is reconciled by whom it was made for, or by an owner or security of Countersign.", ""))
	case e.OpenedAt <= 0 || e.OpenedAt > f.Now.UTC:
		return refuse(workflows.Refuse(workflows.CodeBadField, "The time at which it was opened lies in the future, or is missing.", "Take it from the paper."))
	case e.Incident == "" || e.Did == "":
		return refuse(workflows.Refuse(workflows.CodeReasonNeeded, "The incident and what was done are missing.", "Take them from the paper."))
	}
	set, no := s.FindCode(x.Hash, UseEnvelope, e.OpenedAt)
	if no != nil {
		return refuse(no)
	}
	e.Set, e.Hash = set.Set, x.Hash
	var out workflows.Outcome
	out.Add(stream, x.By, "", CodeUsed{Set: set.Set, Hash: x.Hash, What: UseEnvelope, About: e.Incident, Channel: e.Channel})
	out.Add(stream, x.By, "", e)
	return out, nil
}
