package main

import (
	"context"
	"sync"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// drillSafe keeps the secrets of canaries in memory for as long as their drill runs: nobody takes them, and they open nothing afterwards.
type drillSafe struct {
	mu   sync.Mutex
	kept map[workflows.GrantID]runbooks.Handover
}

func newDrillSafe() *drillSafe { return &drillSafe{kept: map[workflows.GrantID]runbooks.Handover{}} }

// Kept implements runbooks.Safe.
func (s *drillSafe) Kept(_ context.Context, id workflows.GrantID) (runbooks.Handover, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.kept[id]
	return h, ok, nil
}

// Keep implements runbooks.Safe.
func (s *drillSafe) Keep(_ context.Context, id workflows.GrantID, h runbooks.Handover) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[id] = h
	return nil
}

func (s *drillSafe) forget(id workflows.GrantID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, id)
}
