package screens_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
)

// readyWith is the usual message with a secret that came with the access.
func readyWith(n screens.SecretNote) screens.Message {
	r := usualReady()
	r.Secret = n
	return r.Render()
}

// The code for a page reaches its reader in their language; what a locked phone shows has none.
func TestPageCodeInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	for lang, want := range map[string]string{"": "Your code is *ABCD-EFGH*.", "de": "Dein Code ist *ABCD-EFGH*.", "es": "Tu código es *ABCD-EFGH*."} {
		m := screens.Locale{Lang: lang}.PageCode("ABCD-EFGH")
		raw, err := json.Marshal(m.Blocks)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(raw), want) || strings.Contains(m.Text, "ABCD") || m.Text == "" {
			t.Errorf("%q: %s %q", lang, raw, m.Text)
		}
	}
}
