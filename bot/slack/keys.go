package slack

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// meaning returns the keys under which an interaction counts as the same one, whichever way and however often it comes. attempt is how
// often this view was sent back with errors: somebody who corrects a form submits the same view with the same hash again, and that is no
// duplicate.
func meaning(in Interaction, attempt int) []string {
	var keys []string
	switch in.Kind {
	case KindCommand, KindShortcut, KindMessageAction:
		if in.TriggerID != "" {
			keys = append(keys, "trigger:"+sealed(in.TriggerID))
		}
	case KindBlockActions:
		for _, a := range in.Actions {
			keys = append(keys, join("action", a.TS, in.UserID, a.ActionID))
		}
	case KindViewSubmission:
		keys = append(keys, join("view", in.View.ID, in.View.Hash, "submit", strconv.Itoa(attempt), in.View.fingerprint()))
	case KindViewClosed:
		keys = append(keys, join("view", in.View.ID, in.View.Hash, "closed"))
	default:
		if in.EventID != "" {
			keys = append(keys, join("event", in.EventID))
		} else if strings.HasPrefix(in.Kind, KindEvent) {
			keys = append(keys, join(in.Kind, in.TeamID, in.EnterpriseID, strconv.FormatInt(in.EventTime, 10)))
		}
	}
	return keys
}

// join quotes the parts, so that no part can imitate the border between two.
func join(parts ...string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte(':')
		}
		if strings.ContainsAny(p, `:"`) {
			p = strconv.Quote(p)
		}
		b.WriteString(p)
	}
	return b.String()
}

// sealed stands for a secret in keys and logs: the trigger id itself opens forms in the person's name.
func sealed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:16])
}

// fingerprint covers what was entered. Slack keeps a view's hash when a form comes back with errors; after a restart the attempts are
// forgotten, and only this tells the corrected form from the first.
func (v *View) fingerprint() string {
	h := sha256.New()
	for _, in := range v.Values {
		fmt.Fprintf(h, "%q %q %q %q %q %q\n", in.BlockID, in.ActionID, in.Type, in.Value, in.Selected, in.Rich)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
