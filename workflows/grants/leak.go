package grants

import (
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// SecretLeaked says that a secret that came with access was seen where it must not be. Which one it was is known by the keyed fingerprint that the
// ledger kept of it; the secret itself is nowhere here, and where it was seen can be erased. Access that still stands ends with it.
type SecretLeaked struct {
	Grant    workflows.GrantID `json:"grant"`
	Leak     string            `json:"leak"`           // "l_…": the same find reported again has the same one
	Print    string            `json:"fingerprint"`    // keyed, one of those that the grant's own record has
	Source   string            `json:"source"`         // who found it: "person", "github", "gitleaks"
	Form     string            `json:"form,omitempty"` // what the finder took it for
	Incident string            `json:"incident"`       // that was opened for it
	Alarm    string            `json:"alarm,omitempty"`
	Place    string            `json:"place,omitempty" seal:"true"`
	Note     string            `json:"note,omitempty" seal:"true"`
	Authn    string            `json:"authn,omitempty"`
	Channel  string            `json:"channel,omitempty"`
}

// Kind is the event's name in the ledger.
func (SecretLeaked) Kind() string { return "secret.leaked" }

// WhyLeaked is why access ended whose secret was seen.
const WhyLeaked = "its secret was seen where it must not be"

// ListSecret names the streams on which a secret was handed over. Member: its keyed fingerprint.
const ListSecret = "grants.secret"

// secretKeyMark stands before a fingerprint among the keys under which something that was seen may be known.
const secretKeyMark = "came:" // nothing that looks like a credential: it travels through the censor of payloads

// SecretKey is the key under which a secret that was handed over may be known: see SecretKept.Fingerprints.
func SecretKey(print string) string { return secretKeyMark + print }

// CutSecretKey takes a fingerprint out of its key; false for keys of other things.
func CutSecretKey(key string) (print string, ok bool) {
	return strings.CutPrefix(key, secretKeyMark)
}

// CameWith tells whether a secret of that fingerprint came with the access.
func (h Hold) CameWith(print string) bool {
	return print != "" && slices.Contains(slices.Collect(maps.Values(h.Secret.Kept.Fingerprints)), print)
}

// Leak records that the secret of a grant was seen where it must not be, and ends the access. A find that is on record is not recorded again; access
// that has ended stays ended.
func Leak(f workflows.Facts, stream workflows.StreamID, by workflows.Acting, e SecretLeaked) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	h, ok := s.Find(e.Grant)
	if !ok || !h.maySecret(e) {
		return out, nil
	}
	out.Add(stream, by, "", e)
	for _, o := range s.Holds {
		same := o.Approved.Grant == e.Grant || h.Approved.Shared && o.Approved.isSame(h.Approved) // one membership: the secret opens what they share
		if same && (o.Status == StatusApproved || o.Status == StatusActive) {
			out.Add(stream, workflows.System, "", Ending{Grant: o.Approved.Grant, How: HowRevoked, Why: WhyLeaked})
		}
	}
	return out, nil
}

// leakNotices are the messages that finds owe: to who holds the access, to the target's owner, and to the channel of alarms.
func (h Hold) leakNotices() []workflows.Notice {
	var out []workflows.Notice
	for _, l := range h.Leaks {
		owe := func(n workflows.Notice, to string) {
			n.ID, n.What, n.Grant, n.Urgent = workflows.NoticeLeaked+"/"+l.Leak+"/"+to, workflows.NoticeLeaked, h.Approved.Grant, true
			if to != "" && !slices.ContainsFunc(out, func(o workflows.Notice) bool { return o.ID == n.ID }) {
				out = append(out, n)
			}
		}
		for _, p := range []workflows.PersonID{h.Holder(), h.Approved.Owner} {
			owe(workflows.Notice{To: p}, string(p))
		}
		owe(workflows.Notice{Channel: l.Alarm}, l.Alarm)
	}
	return out
}

// secretListings are the lists by which a secret that was seen leads to its grant, also after the end: it may have been used before.
func (s State) secretListings() []workflows.Listing {
	var out []workflows.Listing
	for _, h := range s.Holds {
		for _, print := range h.Secret.Kept.Fingerprints {
			if !slices.ContainsFunc(out, func(l workflows.Listing) bool { return l.Member == print }) {
				out = append(out, workflows.Listing{List: ListSecret, Member: print, Sort: int64(h.Secret.KeptAt.UTC)})
			}
		}
	}
	return out
}
