package screens_test

import "github.com/countersign-bot/countersign/bot/screens"

// readyWith is the usual message with a secret that came with the access.
func readyWith(n screens.SecretNote) screens.Message {
	r := usualReady()
	r.Secret = n
	return r.Render()
}
