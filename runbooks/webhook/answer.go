package webhook

import (
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/orders"
)

// parseAnswer reads a receiver's body: nothing, or one JSON object. presence answers a check; poll, with 202, is where to ask whether it is done.
func parseAnswer(raw []byte) (orders.Answer, error) {
	return orders.Parse(raw, "ref", "facts", "personal", "use", "text", "presence", "poll")
}

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}
