package main

import (
	"fmt"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
)

// Again tells an entry that Sentence has told before, without remembering it twice.
func (n *narrator) Again(r workflows.Record) string {
	s := n.tell(r)
	if isDrill(r.Event) {
		s += " This was a drill."
	}
	return printable(s)
}

// tellOutflow tells what leaves and by whose key it is signed.
func (n *narrator) tellOutflow(r workflows.Record) string {
	switch e := r.Event.(type) {
	case store.KeyRotated:
		return fmt.Sprintf("From here on the key %s signs the ledger in place of %s, as %s proposed and %s confirmed; both keys have signed the change.",
			e.VKey, e.Previous, n.person(e.ProposedBy), n.person(e.ConfirmedBy))
	case store.KeyReplaced:
		return fmt.Sprintf("The key %s was replaced (%s by %s), as %s proposed and %s confirmed.", e.Key, shortID(e.Before), shortID(e.After), n.person(e.ProposedBy), n.person(e.ConfirmedBy))
	case store.StreamOpened:
		return fmt.Sprintf("From entry %d on, names and sealed texts go out on the stream %s (%s), as the configuration says.", e.From, e.Stream, e.Sink)
	}
	return ""
}
