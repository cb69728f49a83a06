package identities

import (
	"fmt"

	"github.com/countersign-bot/countersign/workflows"
)

// Authenticated says that a workload proved to be a non-human identity and got a session of the API. One token opens one session: the
// entry's cause is the token, so that presenting it again is found out, also after a restart (R38, T21).
type Authenticated struct {
	Session string          `json:"session"` // "s_…": the public half, in what the session does
	Issuer  string          `json:"issuer"`
	Subject string          `json:"subject"`
	Token   string          `json:"token"` // sha256 of the token's own id, or of the token where it has none
	EndsAt  workflows.Stamp `json:"ends_at"`
	Authn   string          `json:"authn"` // "oidc", "spiffe-jwt", "spiffe-x509", "mutual-tls"
}

// Kind names the event in the ledger.
func (Authenticated) Kind() string { return "identity.authenticated" }

// SessionRefused is how a token is refused that opened a session before.
func SessionRefused() *workflows.Refusal {
	return workflows.Refuse(workflows.CodeReplayed, "This token opened a session before.",
		"Get a fresh one for each session. If you did, somebody else has your tokens: tell security.")
}

// Authenticate opens a session for an identity whose token was verified. Presented again, the same token gives the first session's entry:
// whoever compares the session's name finds the replay.
func Authenticate(f workflows.Facts, id workflows.IdentityID, by workflows.Acting, e Authenticated) (workflows.Outcome, error) {
	stream := workflows.IdentityStream(id)
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, fmt.Errorf("opening a session of %q: %w", id, err)
	}
	if s.Quarantine.On {
		no := workflows.Refuse(workflows.CodeQuarantined, "This identity is in quarantine.", "Its owner or security can say why.")
		return workflows.RefuseOn(workflows.SystemStream, by, "session", "api", string(id), no), nil
	}
	return workflows.Outcome{Events: []workflows.StreamEvent{{Stream: stream, Event: e, Actor: by.Actor, Person: by.Person}}}, nil
}
