package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/runbooks"
)

// answer is what a receiver may write: nothing, or one JSON object.
type answer struct {
	Ref      string            `json:"ref"`      // the system's own name for what was made
	Facts    map[string]string `json:"facts"`    // for the ledger, in clear
	Personal map[string]string `json:"personal"` // for the ledger, sealed
	Use      runbooks.Use      `json:"use"`      // how the holder uses it
	Text     string            `json:"text"`     // words for the card: why not, or what is missing
	Presence runbooks.Presence `json:"presence"` // to a check
	Poll     string            `json:"poll"`     // with 202: where to ask whether it is done
}

// parseAnswer reads a body. An unknown key is an error: it is a typing mistake of the receiver's author, found at the
// first try instead of by an auditor.
func parseAnswer(raw []byte) (answer, error) {
	var a answer
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) > maxAnswer:
		return a, fmt.Errorf("it is longer than %d bytes", maxAnswer)
	case len(raw) == 0:
		return a, nil
	case raw[0] != '{' || !utf8.Valid(raw):
		return a, errors.New("it is not a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil {
		return answer{}, errors.New("it is not a JSON object of the keys ref, facts, personal, use, text, presence and poll")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return answer{}, errors.New("something follows its JSON object")
	}
	return a.clean(), nil
}

// clean bounds what a receiver says and takes out what looks like a secret. The Runner does so as well; here it holds for
// everybody who asks a connector.
func (a answer) clean() answer {
	out := answer{
		Ref: clean(a.Ref, maxFact), Facts: cleanFacts(a.Facts), Personal: cleanFacts(a.Personal), Text: clean(a.Text, maxText),
		Presence: a.Presence, Poll: a.Poll,
		Use: runbooks.Use{Command: clean(a.Use.Command, maxStep), Host: clean(a.Use.Host, maxFact)},
	}
	for _, step := range a.Use.Steps[:min(len(a.Use.Steps), maxSteps)] {
		out.Use.Steps = append(out.Use.Steps, clean(step, maxStep))
	}
	for _, name := range firstNames(a.Use.Files, maxFiles) {
		content := a.Use.Files[name]
		if len(content) > maxFile || strings.Contains(content, "PRIVATE KEY") {
			continue
		}
		if out.Use.Files == nil {
			out.Use.Files = map[string]string{}
		}
		out.Use.Files[name] = content
	}
	return out
}

func cleanFacts(facts map[string]string) map[string]string {
	if len(facts) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, name := range firstNames(facts, maxFacts) {
		out[clean(name, maxFact)] = clean(facts[name], maxFact)
	}
	return out
}

// firstNames gives the first n names in order, so that what is left out does not change from call to call.
func firstNames(m map[string]string, n int) []string {
	names := slices.Sorted(maps.Keys(m))
	return names[:min(len(names), n)]
}

// clean makes foreign text one line without secrets.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if isControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, runbooks.Redact(s, len(s)+maxText))
	return runbooks.Redact(strings.TrimSpace(s), limit)
}
