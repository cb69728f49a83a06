package manual_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows/manual"
)

// TestMermaidReadsTheDiagrams gives what we draw to Mermaid's own parser, with texts that try to break it.
func TestMermaidReadsTheDiagrams(t *testing.T) {
	dir, err := filepath.Abs(filepath.Join("..", "..", ".ci", "npm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "mermaid")); err != nil {
		t.Skip("Mermaid is not installed: npm install --prefix .ci/npm")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node on this machine")
	}
	md := book(t, append(others(), full())...).Markdown()
	texts := []string{
		`"] click s1 "javascript:alert(1)"`, "end", "subgraph", "%%{init: {}}%%", "x & y --> z", "`x`", "<script>", "#quot;", "a|b", "][)(}{", "1. x", "- y", "*b* _i_ **c**", "$$x$$", "\u2028", "🙂", "x:::y", "@{ shape: x }", "\\n", ";",
	}
	want := 3
	for _, evil := range texts {
		w := full()
		w.Stages[0].Name, w.Rules[0].Name, w.Rules[3].When = evil, evil, evil
		md += "\n```mermaid\n" + manual.Diagram(w) + "\n```\n"
		want++
	}
	cmd := exec.CommandContext(t.Context(), node, filepath.Join(dir, "mermaid.mjs"))
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(md)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	if got := strings.TrimSpace(string(out)); got != fmt.Sprintf("%d diagrams parse", want) {
		t.Errorf("%s, want %d", got, want)
	}
}
