package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// sessionPrefix makes a session recognisable to secret scanners.
const sessionPrefix = "cs_session_"

// Session is a workload that proved which identity it is.
type Session struct {
	ID       string // "s_…", what the ledger calls it
	Identity workflows.IdentityID
	By       workflows.Acting // the workload's account, and the person who answers for it
	Authn    string
	Ends     time.Time
	door     Door
	cert     [32]byte // of the certificate that opened it, which every call has to come with; zero: a token did
	chains   [][]*x509.Certificate
}

// Door is the entry of the documents under which the session was opened.
func (s Session) Door() Door { return s.door }

// sessions are those that are open, by the hash of what their bearer holds: a memory dump opens nothing.
type sessions struct {
	now func() time.Time

	mu    sync.Mutex
	open  map[[32]byte]Session
	order [][32]byte
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, open: map[[32]byte]Session{}}
}

// newNames makes a session's name for the ledger and the secret for its bearer.
func newNames() (id, secret string) {
	var a [13]byte
	var b [32]byte
	_, _ = rand.Read(a[:]) // never fails: crypto/rand ends the process instead
	_, _ = rand.Read(b[:])
	return "s_" + hex.EncodeToString(a[:]), sessionPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

func (s *sessions) put(secret string, x Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(secret))
	for len(s.order) > 0 && (len(s.open) >= maxSessions || !s.now().Before(s.open[s.order[0]].Ends)) {
		delete(s.open, s.order[0])
		s.order = s.order[1:]
	}
	s.open[key] = x
	s.order = append(s.order, key)
}

func (s *sessions) get(secret string) (Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.open[sha256.Sum256([]byte(secret))]
	return x, ok && s.now().Before(x.Ends)
}

func (s *sessions) drop(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, sha256.Sum256([]byte(secret)))
}

// counter lets so many calls a minute through for each key. Keys beyond maxCounted share one count: a flood of addresses is one flood.
type counter struct {
	limit int
	now   func() time.Time

	mu     sync.Mutex
	minute int64
	counts map[string]int
}

func newCounter(limit int, now func() time.Time) *counter {
	return &counter{limit: limit, now: now, counts: map[string]int{}}
}

// allow counts a call; false: too many this minute.
func (c *counter) allow(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.now().Unix() / 60; m != c.minute {
		c.minute = m
		clear(c.counts)
	}
	if _, known := c.counts[key]; !known && len(c.counts) >= maxCounted {
		key = ""
	}
	c.counts[key]++
	return c.counts[key] <= c.limit
}
