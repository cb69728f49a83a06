package main

import (
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
)

// What instance.started says of the machine's clock (PCI DSS 10.6): whether something keeps it to the time of others. "" is not known.
const (
	clockKept    = "synchronised"
	clockAlone   = "not synchronised"
	clockVirtual = "virtual" // a demonstration's
)

// Bits and states of adjtimex(2).
const (
	unsynchronised = 0x40 // STA_UNSYNC in the status
	timeError      = 5    // TIME_ERROR as the state
)

// clockWord is what the kernel's answer means.
func clockWord(state, status int) string {
	if state == timeError || status&unsynchronised != 0 {
		return clockAlone
	}
	return clockKept
}

// syncState is what the ledger says of the clock that gave an entry its time.
type syncState struct{ word string }

// of gives the state for an entry, which may be the one that says it.
func (s *syncState) of(r workflows.Record) string {
	switch e := r.Event.(type) {
	case store.Genesis:
		if e.Virtual {
			s.word = clockVirtual
		}
	case store.InstanceStarted:
		if s.word != clockVirtual {
			s.word = e.Clock
		}
	case store.ClockJumped:
		if s.word != clockVirtual {
			s.word = "was set"
		}
	}
	if s.word == "" {
		return "not known"
	}
	return s.word
}
