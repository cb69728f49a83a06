package main

import (
	"strings"
	"testing"
	"time"
)

// TestKeepTexts holds what the setting may be, and what the command says without a bot.
func TestKeepTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"": 0, "730d": 730 * 24 * time.Hour, "90d": leastKept} {
		if got, err := (Config{KeepTexts: text}).keepTexts(); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"89d", "0d", "730", "2y", "-3d", "1e3d", "99999999d", "d"} {
		if got, err := (Config{KeepTexts: text}).keepTexts(); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
	data := thaw(t, frozenReleases(t)[0], false)
	for env, want := range map[string]string{
		"":                              "Texts are kept until somebody asks",
		prefix + "_KEEP_TEXTS=90d":      "0 texts older than",
		prefix + "_KEEP_TEXTS=tomorrow": "want a number of days",
	} {
		out, errs, _ := runHere(t, strings.Fields(env), "ledger", "retention", "-dry-run", "-data", data)
		if !strings.Contains(out+errs, want) {
			t.Errorf("%s: %s%s, want %q", env, out, errs, want)
		}
	}
	if _, errs, code := runHere(t, nil, "ledger", "retention", "-data", data); code != exitFailed || !strings.Contains(errs, "no bot answers") {
		t.Errorf("without a bot: exit %d, %s", code, errs)
	}
}
