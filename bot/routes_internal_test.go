package bot

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestEveryButtonHasARoute reads the names of all buttons and forms that screens draws: a click on each reaches somebody.
func TestEveryButtonHasARoute(t *testing.T) {
	t.Parallel()
	r := (&Bot{}).table()
	names := regexp.MustCompile(`(?m)^(?:const )?\s*(Act|Call)[A-Z]\w*\s*=\s*"([^"]+)"`)
	files, err := filepath.Glob("screens/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	n := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range names.FindAllStringSubmatch(string(text), -1) {
			n++
			if m[2] == "result" || m[2] == "form.preview" { // that form has no button to send it, and nothing draws a preview today
				continue
			}
			_, action := r.actions[m[2]]
			_, form := r.forms[m[2]]
			if !action && !form {
				t.Errorf("%s: %s%s is drawn and handled by nobody", f, m[1], m[2])
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d names found", n)
	}
}
