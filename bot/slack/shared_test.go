package slack_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shared finds a file of the folder beside the module, or skips.
func shared(t testing.TB, parts ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = up
	}
	path := filepath.Join(append([]string{filepath.Dir(dir), "shared"}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the recorded Slack data is not beside the module: %v", err)
	}
	return path
}

type recorded struct {
	name, typ string
	body      []byte
}

// recordings returns the recorded payloads; socket envelopes are opened.
func recordings(t testing.TB) []recorded {
	t.Helper()
	dir := shared(t, "slack", "payloads")
	index, err := os.Open(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	var out []recorded
	for lines := bufio.NewScanner(index); lines.Scan(); {
		cols := strings.Split(lines.Text(), "\t")
		body, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(cols[0])))
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			ID      string          `json:"envelope_id"`
			Payload json.RawMessage `json:"payload"`
		}
		if json.Unmarshal(body, &e) == nil && e.ID != "" {
			body = e.Payload
		}
		out = append(out, recorded{name: cols[0], typ: cols[1], body: body})
	}
	return out
}

// classOf tells by which road Slack sends a payload.
func classOf(body []byte) string {
	var top map[string]json.RawMessage
	if json.Unmarshal(body, &top) != nil {
		return "interactive"
	}
	if _, ok := top["command"]; ok {
		return "command"
	}
	if _, ok := top["event"]; ok {
		return "event"
	}
	return "interactive"
}
