package screens_test

import (
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// What a sweep found is said in the reader's language, with the names of the target as they are.
func TestDriftIsSaidInItsReadersLanguage(t *testing.T) {
	x := targets.Finding{Found: targets.Found{Account: "maya", What: "member of ops", Why: targets.WhyStanding, Due: at}}
	for lang, want := range map[string]string{
		"":   "maya is member of ops for good, which a grant gives for a time; the target does not say who made it. Take it away, or answer for it, by 2026-11-22 14:00 UTC.",
		"de": "maya ist auf Dauer member of ops, was ein Zugang nur auf Zeit gibt; das Ziel sagt nicht, wer es angelegt hat. Entzieh es oder verantworte es bis 22.11.2026, 14:00 UTC.",
		"es": "maya es member of ops de forma permanente, lo que una concesión da solo por un tiempo; el destino no dice quién lo creó. Retíralo o responde por ello antes de 22/11/2026, 14:00 UTC.",
	} {
		l := screens.Locale{Lang: lang}
		if got := x.Words(workflows.Outlook{When: l.Clock, Say: l.Say}); got != want {
			t.Errorf("%q: got  %q\nwant %q", lang, got, want)
		}
	}
}
