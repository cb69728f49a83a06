package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/posture"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// openPosture opens the register of what devices and workloads report, where somebody may report: nil where nobody may.
func (s *serving) openPosture() (*posture.Receiver, error) {
	if s.cfg.PostureSecret == "" && s.cfg.PostureKeys == "" {
		return nil, nil
	}
	rc := &posture.Receiver{Now: time.Now, Log: s.log}
	var err error
	if s.cfg.PostureSecret != "" {
		if rc.Secret, err = posture.ParseSecret(s.cfg.PostureSecret); err != nil {
			return nil, fmt.Errorf("%s_POSTURE_SECRET: %w", prefix, err)
		}
	}
	if s.cfg.PostureKeys != "" {
		raw, err := os.ReadFile(s.cfg.PostureKeys)
		if err != nil {
			return nil, fmt.Errorf("%s_POSTURE_KEYS: %w", prefix, err)
		}
		if rc.Keys, err = posture.ParseKeys(string(raw)); err != nil {
			return nil, fmt.Errorf("%s_POSTURE_KEYS, %s: %w", prefix, s.cfg.PostureKeys, err)
		}
	}
	now := func() workflows.Stamp { return workflows.StampOf(s.clock.Now().Wall) }
	rc.Register, err = posture.Open("posture", filepath.Join(s.cfg.Data, "posture.json"), now, s.postureSubject)
	return rc, err
}

// postureSubject finds whom a report is about: somebody of the people file, or an identity of the inventory.
func (s *serving) postureSubject(word string) workflows.IdentityID {
	if p := s.personNamed(strings.ToLower(word)); p != "" {
		return p.Identity()
	}
	if _, ok := s.desk.Policy().Identities[workflows.IdentityID(word)]; ok {
		return workflows.IdentityID(word)
	}
	return ""
}

// postures are the sources that the desk asks.
func (s *serving) postures() []desk.PostureSource {
	if s.posture == nil {
		return nil
	}
	return []desk.PostureSource{s.posture.Register}
}

// postureRoute takes reports in; what was said is asked about at once, so that a no ends access within seconds.
func (s *serving) postureRoute(mux *http.ServeMux) {
	if s.posture == nil {
		return
	}
	s.posture.Changed = func(workflows.IdentityID) { s.verifier.poke() }
	mux.Handle("POST /posture", s.posture)
}
