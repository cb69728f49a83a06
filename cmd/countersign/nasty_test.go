package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestThreat_T44_EveryWordOfEveryConnector: the words that configuration may use on each kind of target are those that went through the 200 hostile strings in its own
// room, on its real target: there the file of words is held against what was tried (runbooktest.Exercise), here against what the program declares. A word that
// is added to a connector makes this fail until it went through them.
func TestThreat_T44_EveryWordOfEveryConnector(t *testing.T) {
	t.Parallel()
	words := 0
	for name, kind := range connectorKinds() {
		if kind.params != nil && kind.params.Grantless {
			continue
		}
		raw, err := os.ReadFile(filepath.Join("..", "..", "runbooks", name, "testdata", "words.txt"))
		if err != nil {
			t.Errorf("%s: no file says which words were tried: %v", name, err)
			continue
		}
		var params []string
		for line := range strings.Lines(string(raw)) {
			line = strings.TrimSuffix(line, "\n")
			words++
			param, isParam := strings.CutPrefix(line, "param ")
			switch field := strings.HasPrefix(line, "field "); {
			case isParam:
				params = append(params, param)
			case !field && line != "account":
				t.Errorf("%s: %q is no place", name, line)
			}
		}
		if !strings.Contains(string(raw), "account\n") && name != "redis" { // which makes the account itself
			t.Errorf("%s: the account was not tried", name)
		}
		if kind.params == nil { // takes any word: one of each kind stands for all
			if len(params) == 0 || !strings.Contains(string(raw), "field ") {
				t.Errorf("%s: no param or no field was tried", name)
			}
			continue
		}
		declared := slices.Sorted(slices.Values(kind.params.Known))
		if tried := slices.Sorted(slices.Values(params)); !slices.Equal(tried, declared) {
			t.Errorf("%s declares %q, tried were %q", name, declared, tried)
		}
	}
	if words < 50 {
		t.Errorf("only %d places: the files are not what they were", words)
	}
	t.Logf("%d places in %d kinds of target", words, len(connectorKinds()))
}
