package command

import (
	"bytes"
	"errors"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/orders"
)

// parseAnswer reads what a program printed to stdout: nothing, or one JSON object.
func parseAnswer(raw []byte) (orders.Answer, error) {
	return orders.Parse(raw, "ref", "facts", "personal", "use", "text")
}

// parsePresence reads stdout of a check: one of three words on the first line, then, for unconfirmed, what is missing.
func parsePresence(raw []byte) (runbooks.Presence, string, error) {
	first, rest, _ := strings.Cut(string(bytes.TrimSpace(raw)), "\n")
	switch p := runbooks.Presence(strings.TrimSpace(first)); p {
	case runbooks.Present, runbooks.Absent, runbooks.Unconfirmed:
		return p, orders.Clean(strings.ToValidUTF8(rest, "\uFFFD"), orders.MaxText), nil
	default:
		return runbooks.Unconfirmed, "", errors.New("the first line is none of present, absent and unconfirmed")
	}
}

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}
