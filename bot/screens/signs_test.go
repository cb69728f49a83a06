package screens_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The page of the simulated workspace draws signs itself, so that they are no empty boxes where a machine has no font for them: each one that our
// texts use is among those that it draws.
func TestThePageDrawsEverySignThatWeUse(t *testing.T) {
	raw, err := os.ReadFile("../slack/slacksim/page/text.js")
	if err != nil {
		t.Fatal(err)
	}
	source := string(raw)
	known, drawing, _ := strings.Cut(source, "const drawn = {")
	_, known, also := strings.Cut(known, "const emoji = {")
	drawing, _, found := strings.Cut(drawing, "const byChar")
	if !found || !also {
		t.Fatal("the page's tables of signs are not where this test looks")
	}
	drawn := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)(?:^\s*|[{,]\s*)([a-z0-9_]+): (?:\[|")`).FindAllStringSubmatch(drawing, -1) {
		drawn[m[1]] = true
	}
	signs := map[string]string{}
	for _, m := range regexp.MustCompile(`"?([a-z0-9_+-]+)"?: "([^"]+)"`).FindAllStringSubmatch(known, -1) {
		if drawn[m[1]] {
			signs[strings.ReplaceAll(m[2], "\ufe0f", "")] = m[1]
		}
	}
	pictures := regexp.MustCompile(`[\x{21a9}\x{23e9}-\x{23fa}\x{2600}-\x{2712}\x{2714}-\x{2716}\x{2718}-\x{27bf}\x{2b05}-\x{2b55}\x{1f000}-\x{1faff}]`)
	used := map[string]bool{}
	for _, glob := range []string{"*.go", "../*.go", "../../cmd/countersign/alarm.go", "../../cmd/countersign/findings.go"} {
		files, err := filepath.Glob(glob)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %d files", glob, err, len(files))
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, sign := range pictures.FindAllString(string(text), -1) {
				used[sign] = true
				if signs[sign] == "" {
					t.Errorf("%s uses %s, which the page does not draw", file, sign)
				}
			}
		}
	}
	if len(used) < 20 {
		t.Errorf("only %d signs were found: the test does not look where they are", len(used))
	}
}
