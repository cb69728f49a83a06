package orders

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

// Answer is what a program or a service may say: nothing, or one JSON object.
type Answer struct {
	Ref      string            `json:"ref"`      // the system's own name for what was made
	Facts    map[string]string `json:"facts"`    // for the ledger, in clear
	Personal map[string]string `json:"personal"` // for the ledger, sealed
	Use      runbooks.Use      `json:"use"`      // how the holder uses it
	Text     string            `json:"text"`     // words for the card: why not, or what is missing
	Presence runbooks.Presence `json:"presence"` // to a check
	Poll     string            `json:"poll"`     // with 202: where to ask whether it is done
}

// Parse reads an answer whose keys are among those that are named. An unknown key is an error: it is a typing mistake of its author, found at the
// first try instead of by an auditor.
func Parse(raw []byte, keys ...string) (Answer, error) {
	var a Answer
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) > MaxAnswer:
		return a, fmt.Errorf("it is longer than %d bytes", MaxAnswer)
	case len(raw) == 0:
		return a, nil
	case raw[0] != '{' || !utf8.Valid(raw):
		return a, errors.New("it is not a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	other := func(key string, there bool) bool { return there && !slices.Contains(keys, key) }
	if err := dec.Decode(&a); err != nil || other("presence", a.Presence != "") || other("poll", a.Poll != "") {
		last := len(keys) - 1
		return Answer{}, fmt.Errorf("it is not a JSON object of the keys %s and %s", strings.Join(keys[:last], ", "), keys[last])
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Answer{}, errors.New("something follows its JSON object")
	}
	return a.clean(), nil
}

// clean bounds what was said and takes out what looks like a secret. The Runner does so as well; here it holds for
// everybody who asks a connector.
func (a Answer) clean() Answer {
	out := Answer{
		Ref: Clean(a.Ref, maxFact), Facts: cleanFacts(a.Facts), Personal: cleanFacts(a.Personal), Text: Clean(a.Text, MaxText),
		Presence: a.Presence, Poll: a.Poll,
		Use: runbooks.Use{Command: Clean(a.Use.Command, maxStep), Host: Clean(a.Use.Host, maxFact)},
	}
	for _, step := range a.Use.Steps[:min(len(a.Use.Steps), maxSteps)] {
		out.Use.Steps = append(out.Use.Steps, Clean(step, maxStep))
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
		out[Clean(name, maxFact)] = Clean(facts[name], maxFact)
	}
	return out
}

// firstNames gives the first n names in order, so that what is left out does not change from call to call.
func firstNames(m map[string]string, n int) []string {
	names := slices.Sorted(maps.Keys(m))
	return names[:min(len(names), n)]
}

// Clean makes foreign text one line without secrets.
func Clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if isControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, runbooks.Redact(s, len(s)+MaxText))
	return runbooks.Redact(strings.TrimSpace(s), limit)
}

// Receipt is what an answer says of a grant, under the grant's own name where it gives none.
func (a Answer) Receipt(g runbooks.Grant) runbooks.Receipt {
	if a.Ref == "" {
		a.Ref = string(g.ID)
	}
	return runbooks.Receipt{Ref: a.Ref, Facts: a.Facts, Personal: a.Personal, Use: a.Use}
}
