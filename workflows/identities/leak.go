package identities

import (
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Leaked says that a secret was seen where it must not be: in a repository, a log, a chat. The secret itself is nowhere in it; Print is its keyed
// fingerprint, and where it was seen can be erased. On the stream of an identity that was not known before, it is a shadow credential.
type Leaked struct {
	Leak     string `json:"leak"`                  // "l_…": the same find reported again has the same one
	Source   string `json:"source"`                // who found it: "person", "github", "gitleaks"
	Form     string `json:"form,omitempty"`        // what the finder took it for: "aws_access_key"
	Print    string `json:"fingerprint,omitempty"` // keyed; empty: the finder did not tell the secret
	Known    bool   `json:"known"`                 // the inventory knew whose it is
	Incident string `json:"incident,omitempty"`    // that was opened for it
	Alarm    string `json:"alarm,omitempty"`       // channel that is told
	Place    string `json:"place,omitempty" seal:"true"`
	Note     string `json:"note,omitempty" seal:"true"`
	Authn    string `json:"authn,omitempty"`
	Channel  string `json:"channel,omitempty"`
}

// Kind is the event's name in the ledger.
func (Leaked) Kind() string { return "identity.leaked" }

// LeakAt is a find with its time.
type LeakAt struct {
	Leaked
	At     workflows.Instant
	Seq    int64
	Person workflows.PersonID // who said so; empty: a scanner
}

const sourceLeak = "leak"

// LeakSource names a finder as a source of the inventory.
func LeakSource(finder string) string { return sourceLeak + "/" + finder }

// NoticeLeaked tells who answers for an identity, and the channel of alarms, that its secret was seen.
const NoticeLeaked = "identity_leaked"

// Findings of leaks.
const (
	FindLeaked = "leaked"            // its secret was seen where it must not be, and was not replaced since
	FindShadow = "shadow_credential" // a secret that was seen, and that nobody had on record
)

// isLeaked tells whether a secret of the identity was seen and not replaced since.
func (s *IdentityState) isLeaked() bool {
	n := len(s.Life.Leaks)
	if n == 0 {
		return false
	}
	last := s.Life.Leaks[n-1].Seq
	for _, r := range s.Life.Rotations {
		if r.Closed != nil && r.DoneSeq > last {
			return false
		}
	}
	return true
}

// isShadow tells whether nobody but finders of leaks knows the identity.
func (s *IdentityState) isShadow() bool {
	all := s.Sources()
	return len(all) > 0 && !slices.ContainsFunc(all, func(src string) bool { return !strings.HasPrefix(src, sourceLeak+"/") })
}

// Find is what a finder says of one identity.
type Find struct {
	By       workflows.Acting
	Leak     Leaked
	Rotation string // id for a rotation that it opens
	Kind     string // of a shadow credential; empty: an API key
}

// Leak records a find on the stream of an identity and demands that the secret is replaced. An identity that nobody knew is known from now on, as
// a shadow credential. A find that is on record is not recorded again.
func Leak(f workflows.Facts, id workflows.IdentityID, x Find) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.IdentityStream(id)
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil || slices.ContainsFunc(s.Life.Leaks, func(l LeakAt) bool { return l.Leak == x.Leak.Leak }) {
		return out, err
	}
	e := x.Leak
	e.Known = len(s.Sources()) > 0 && !s.isShadow()
	if len(s.Sources()) == 0 {
		kind := x.Kind
		if kind == "" {
			kind = "api_key"
		}
		out.Add(stream, x.By, "", Claimed{
			Source: LeakSource(e.Source), Channel: e.Channel,
			Says: Entry{Class: kind, Name: "leaked " + strings.ReplaceAll(orWord(e.Form, "credential"), "_", " "), Print: e.Print, Stored: StoredUnmanaged, Risk: "high"},
		})
	}
	out.Add(stream, x.By, "", e)
	if e.Known && s.Rotating() == nil && !s.Life.Retired {
		out.Add(stream, workflows.System, "", RotationOpened{Rotation: x.Rotation, Why: RotateLeak, Due: f.Now.UTC.Add(LeakWithin), Channel: e.Channel})
	}
	return out, nil
}

func orWord(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// leakNotices are the messages that finds owe: to who answers for the identity, and to the channel of alarms.
func (s IdentityState) leakNotices(people []workflows.PersonID) []workflows.Notice {
	var out []workflows.Notice
	for i, l := range s.Life.Leaks {
		owe := func(n workflows.Notice, to string) {
			n.ID, n.What, n.Urgent, n.Stage = NoticeLeaked+"/"+l.Leaked.Leak+"/"+to, NoticeLeaked, true, i
			if to != "" && !s.Life.Delivered[n.ID] {
				out = append(out, n)
			}
		}
		for _, p := range people {
			owe(workflows.Notice{To: p}, string(p))
		}
		owe(workflows.Notice{Channel: l.Alarm}, l.Alarm)
	}
	return out
}
