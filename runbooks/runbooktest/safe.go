package runbooktest

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// Safe keeps handovers in memory, for tests of connectors and of the Runner.
type Safe struct {
	mu   sync.Mutex
	kept map[workflows.GrantID][]byte
	Fail error // what every call answers, if set before the first one
}

// NewSafe makes an empty one.
func NewSafe() *Safe { return &Safe{kept: map[workflows.GrantID][]byte{}} }

// Kept implements runbooks.Safe.
func (s *Safe) Kept(_ context.Context, id workflows.GrantID) (runbooks.Handover, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, ok := s.kept[id]
	if !ok || s.Fail != nil {
		return runbooks.Handover{}, false, s.Fail
	}
	h, err := runbooks.DecodeHandover(raw)
	return h, err == nil, err
}

// Keep implements runbooks.Safe.
func (s *Safe) Keep(_ context.Context, id workflows.GrantID, h runbooks.Handover) error {
	raw, err := h.Encode()
	if err != nil || s.Fail != nil {
		if err == nil {
			err = s.Fail
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[id] = raw
	return nil
}

// exerciseSecrets: what is handed over is said nowhere else, is another one for each grant, and for one that we make the
// target takes the one that it is given, again and again.
func exerciseSecrets(t *testing.T, s System) {
	maker, makes := s.Connector.(runbooks.SecretMaker)
	g := s.Grant(1)
	if makes {
		a, errA := maker.MakeSecret(g.Clone())
		b, errB := maker.MakeSecret(g.Clone())
		if errA != nil || errB != nil {
			t.Fatalf("making secrets: %v, %v", errA, errB)
		}
		if !a.IsZero() && shown(a) == shown(b) {
			t.Error("two secrets are the same: nothing about them is random")
		}
		if err := a.Check(); err != nil {
			t.Errorf("the secret cannot be kept: %v", err)
		}
	}
	armed := s.armed(t, g)
	r := s.mustGrant(t, g)
	if s.Connector.Describe().Mints && r.Handover.IsZero() {
		t.Error("the target makes a secret and does not say it")
	}
	if makes && !r.Handover.IsZero() && !armed.Secret.IsZero() {
		t.Error("the receipt hands a secret over although it was made before")
	}
	for _, h := range []runbooks.Handover{armed.Secret, r.Handover} {
		if err := h.Check(); err != nil {
			t.Errorf("the secret cannot be kept: %v", err)
		}
		wantUnsaid(t, r, h)
	}
	s.mustRevoke(t, g)
	s.settle(t)
	s.wantWorks(t, g, r, false) // a secret that was handed over opens nothing any more
}

// shown is everything secret of a handover.
func shown(h runbooks.Handover) string {
	var all []string
	for _, p := range h.Parts {
		if !p.Public {
			all = append(all, p.Value.Reveal())
		}
	}
	return strings.Join(all, "\x00")
}

// wantUnsaid holds that a receipt says nothing of a secret.
func wantUnsaid(t *testing.T, r runbooks.Receipt, h runbooks.Handover) {
	t.Helper()
	texts := append([]string{r.Ref, r.Use.Command, r.Use.Host}, r.Use.Steps...)
	for _, m := range []map[string]string{r.Facts, r.Personal, r.Use.Files} {
		for k, v := range m {
			texts = append(texts, k, v)
		}
	}
	for _, p := range h.Parts {
		for _, text := range texts {
			if v := p.Value.Reveal(); !p.Public && len(v) >= 4 && strings.Contains(text, v) {
				t.Errorf("the receipt says the secret part %q", p.Name)
			}
		}
	}
}
