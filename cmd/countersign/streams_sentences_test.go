package main

import (
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
)

// storyOfOutflow has one of each event about what leaves and who signs.
func storyOfOutflow() []workflows.Event {
	return []workflows.Event{
		store.KeyRotated{Previous: "example.com/l+0a0a0a0a+AQ==", VKey: "example.com/l+0b0b0b0b+AQ==", Cross: "…", Proposal: "c_07", ProposedBy: jonas, ConfirmedBy: ada},
		store.KeyReplaced{Key: "sshca", Before: "SHA256:aaaa", After: "SHA256:bbbb", Proposal: "c_08", ProposedBy: jonas, ConfirmedBy: ada},
		store.StreamOpened{Stream: "siem", Sink: "syslog", From: 17},
	}
}
