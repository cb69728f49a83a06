package orders

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzAnswer: whatever is answered, what is kept is bounded, clean and free of what looks like a secret; and an
// answer that was cleaned stays as it is.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", "[]", `{"ref":"x","facts":{"a":"b"},"personal":{"c":"d"},"use":{"steps":["s"],"command":"c","host":"h","files":{"f":"x"}},"text":"t"}`,
		`{"text":"password=hunter2"}`, `{"ref":"\u0000\u001b[2J\u2028"}`, `{"ref":"x"}{}`, `{"facts":{"a":1}}`, `{"presence":"absent"}`, `{"poll":"//evil"}`, "\xff", `{"ref":"` + strings.Repeat("ä", 600) + `"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := Parse(raw, "ref", "facts", "personal", "use", "text", "presence", "poll")
		if err != nil {
			return
		}
		wantClean(t, a.Ref, maxFact)
		wantClean(t, a.Text, MaxText)
		wantClean(t, a.Use.Command, maxStep)
		if len(a.Facts) > maxFacts || len(a.Personal) > maxFacts || len(a.Use.Steps) > maxSteps || len(a.Use.Files) > maxFiles {
			t.Errorf("%d facts, %d personal, %d steps, %d files", len(a.Facts), len(a.Personal), len(a.Use.Steps), len(a.Use.Files))
		}
		for k, v := range a.Facts {
			wantClean(t, k, maxFact)
			wantClean(t, v, maxFact)
		}
	})
}

func wantClean(t *testing.T, s string, limit int) {
	t.Helper()
	if len(s) > limit || !utf8.ValidString(s) || strings.ContainsFunc(s, isControl) {
		t.Errorf("%q is not clean within %d bytes", s, limit)
	}
}
