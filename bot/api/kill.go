package api

import (
	"net/http"
	"time"
)

// Kill is the kill switch: all access of an identity ends at once, on all targets.
type Kill struct {
	Identity   string `json:"identity,omitempty"` // a non-human identity, or key, e-mail address or pseudonym of a person; empty: the session's own
	Reason     string `json:"reason"`
	Quarantine bool   `json:"quarantine,omitempty"` // also may neither ask, decide nor hold anything until two people lift that
}

// Killed is what came of it. The revocations run on; those that a target resists are repeated for ever and people are paged.
type Killed struct {
	Identity    string        `json:"identity"`
	Quarantined bool          `json:"quarantined"`
	Ended       []KilledGrant `json:"ended"`          // is being taken back by this
	Elsewhere   int           `json:"already_ending"` // was being taken back already
	Owned       []string      `json:"owned,omitempty"`
	Standing    []string      `json:"standing_access,omitempty"`          // by no grant of ours, so it stays
	Unknown     []string      `json:"targets_that_cannot_tell,omitempty"` // what the identity has there could not be asked
}

// KilledGrant is access that is being taken back.
type KilledGrant struct {
	Grant       string    `json:"grant"`
	Target      string    `json:"target"`
	Entitlement string    `json:"entitlement"`
	EndsAt      time.Time `json:"ends_at"`          // when it would have ended by itself
	Leaves      string    `json:"leaves,omitempty"` // what taking it back does not end
}

func (s *Server) kill(w http.ResponseWriter, r *http.Request, x Session) {
	key, ok := idempotencyKey(w, r)
	if !ok {
		return
	}
	var k Kill
	if !read(w, r, &k) {
		return
	}
	out, no, err := s.c.Office.Kill(r.Context(), x, idempotent(x, key), k)
	switch {
	case err != nil:
		s.broken(w, r, err)
	case no != nil:
		refuse(w, no, nil)
	default:
		out.Ended = list(out.Ended)
		answer(w, http.StatusOK, out)
	}
}
