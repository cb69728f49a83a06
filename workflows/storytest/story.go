package storytest

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// Story is one line of a story file: steps, and what holds after the last of them.
type Story struct {
	Name    string // file and line
	Setting string // the last line before it that begins with "==", without that sign
	Text    string // the line itself
	Steps   []string
	Wants   []string
}

// Read reads a story file. Lines that begin with "#" are words for people; a line that begins with "==" is the setting of the
// stories below it.
func Read(path string) ([]Story, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading stories: %w", err)
	}
	var out []Story
	setting := ""
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "=="):
			setting = strings.TrimSpace(strings.TrimPrefix(line, "=="))
			continue
		}
		steps, wants, ok := strings.Cut(line, "->")
		if !ok {
			return nil, fmt.Errorf("%s:%d: a story ends with -> and what holds then", path, i+1)
		}
		out = append(out, Story{
			Name: fmt.Sprintf("%s:%d", path[strings.LastIndex(path, "/")+1:], i+1), Setting: setting, Text: line,
			Steps: split(steps, ";"), Wants: split(wants, ","),
		})
	}
	return out, nil
}

func split(s, sep string) []string {
	var out []string
	for _, p := range strings.Split(s, sep) {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// Words cuts a step into words and the refusal it expects, which is written "!code" at its end.
func Words(step string) (words []string, refusal string) {
	words = strings.Fields(step)
	if n := len(words); n > 0 && strings.HasPrefix(words[n-1], "!") {
		return words[:n-1], words[n-1][1:]
	}
	return words, ""
}

// Duration reads "61m", "1h", "1us"; false when the word is none.
func Duration(word string) (time.Duration, bool) {
	if word == "" || word[0] < '0' || word[0] > '9' {
		return 0, false
	}
	if n, ok := strings.CutSuffix(word, "d"); ok {
		d, err := time.ParseDuration(n + "h")
		return 24 * d, err == nil
	}
	d, err := time.ParseDuration(word)
	return d, err == nil
}

// T is what a check needs of a test; both *testing.T and *rapid.T have it.
type T interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}
