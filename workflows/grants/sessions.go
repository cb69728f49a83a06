package grants

import (
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// MaxSessions bounds the sessions of one grant that are recorded. Who opens more in one grant runs a program; the first ones say which.
const MaxSessions = 100

// SessionSeen says that somebody uses the access: the target lists a session of it. It is evidence, and decides nothing.
type SessionSeen struct {
	Grant   workflows.GrantID `json:"grant"`
	Session string            `json:"session"`                     // the target's name for it, with its beginning where that is known
	Login   string            `json:"login,omitempty" seal:"true"` // the account that logged in
	From    string            `json:"from,omitempty" seal:"true"`  // address
	With    string            `json:"with,omitempty"`              // the client program, as it calls itself
	Since   workflows.Stamp   `json:"since,omitzero"`              // zero: the target does not tell
}

// SessionEnded says that a session is not there any more. When it ended is not later than this entry, and not earlier than it was last seen.
type SessionEnded struct {
	Grant   workflows.GrantID `json:"grant"`
	Session string            `json:"session"`
}

// Kind names for the ledger.
func (SessionSeen) Kind() string  { return "grant.session_seen" }
func (SessionEnded) Kind() string { return "grant.session_ended" }

// Session is one use of a grant, as far as it is on record.
type Session struct {
	Seen    SessionSeen
	SeenAt  workflows.Stamp
	EndedAt workflows.Stamp // zero: it lives, or nobody looked since
	Cut     bool            // the revocation ended it
}

// factSessionsEnded is the fact by which a connector says that its revocation ended the open sessions.
const factSessionsEnded = "sessions_ended"

// LiveSessions are those that were not seen to end.
func (h Hold) LiveSessions() []Session {
	return slices.DeleteFunc(slices.Clone(h.Sessions), func(x Session) bool { return x.EndedAt != 0 })
}

func (h *Hold) session(name string) int {
	return slices.IndexFunc(h.Sessions, func(x Session) bool { return x.Seen.Session == name })
}

// maySession: sessions are seen once while the access is there, and end once.
func (h *Hold) maySession(e workflows.Event) bool {
	switch e := e.(type) {
	case SessionSeen:
		return h.StartedSeq != 0 && e.Session != "" && h.session(e.Session) < 0 && len(h.Sessions) < MaxSessions
	case SessionEnded:
		i := h.session(e.Session)
		return i >= 0 && h.Sessions[i].EndedAt == 0
	}
	return false
}

func (h *Hold) applySession(r workflows.Record) {
	h.Sessions = slices.Clone(h.Sessions) // values folded are copied: whoever keeps an older state keeps its sessions
	switch e := r.Event.(type) {
	case SessionSeen:
		h.Sessions = append(h.Sessions, Session{Seen: e, SeenAt: r.At.UTC})
	case SessionEnded:
		h.Sessions[h.session(e.Session)].EndedAt = r.At.UTC
	case Revoked:
		h.cutSessions(r.At.UTC, e.Facts)
	case Verified:
		h.cutSessions(r.At.UTC, e.Facts)
	}
}

// cutSessions ends those that the target says it has ended with the access.
func (h *Hold) cutSessions(at workflows.Stamp, facts map[string]string) {
	if _, cut := facts[factSessionsEnded]; !cut {
		return
	}
	for i := range h.Sessions {
		if h.Sessions[i].EndedAt == 0 {
			h.Sessions[i].EndedAt, h.Sessions[i].Cut = at, true
		}
	}
}

// Observe records what a target lists of the sessions of one grant: those that are new, and those that are gone. now is all of them.
func Observe(f workflows.Facts, stream workflows.StreamID, id workflows.GrantID, now []SessionSeen) (out workflows.Outcome, err error) {
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	h, ok := s.Find(id)
	if !ok || h.StartedSeq == 0 {
		return out, nil
	}
	for _, x := range h.LiveSessions() {
		if !slices.ContainsFunc(now, func(n SessionSeen) bool { return n.Session == x.Seen.Session }) {
			out.Add(stream, workflows.System, "", SessionEnded{Grant: id, Session: x.Seen.Session})
		}
	}
	known := len(h.Sessions)
	for _, n := range now {
		if n.Grant = id; h.session(n.Session) < 0 && known < MaxSessions {
			known++
			out.Add(stream, workflows.System, "", n)
		}
	}
	return out, nil
}
