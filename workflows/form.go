package workflows

import (
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FieldProblem is one thing wrong with a form, for the input it belongs to.
type FieldProblem struct {
	Field string // the field's name, or one of the Form… names
	Text  string
}

// Names of the inputs that every form has besides the workflow's own fields.
const (
	FormEntitlement = "entitlement"
	FormSubject     = "subject"
	FormDuration    = "duration"
	FormReason      = "reason"
)

// Form is what somebody filled in, before anything is believed.
type Form struct {
	Target      TargetID
	Entitlement EntitlementID
	Seconds     Span
	Reason      string
	Values      map[string]string
}

// Cleaned is a form whose every value was checked. Fields stand in the leaf; Texts are sealed.
type Cleaned struct {
	Entitlement Entitlement // zero for KindPreapprove
	Seconds     Span
	Reason      string
	Fields      map[string]string
	Texts       map[string]string
}

// CheckForm checks a form against the workflow. Problems name the input; with problems the Cleaned is not to be used.
func (w *Workflow) CheckForm(f Form) (Cleaned, []FieldProblem) {
	c := Cleaned{Seconds: f.Seconds, Reason: strings.TrimSpace(f.Reason)}
	var bad []FieldProblem
	say := func(field, text string) { bad = append(bad, FieldProblem{field, text}) }
	longest := w.Longest
	if w.Kind != KindPreapprove {
		e, ok := w.Entitlement(f.Target, f.Entitlement)
		if !ok {
			say(FormEntitlement, "This chain does not grant that. Pick one of the list.")
		}
		c.Entitlement, longest = e, w.LongestFor(e)
	}
	if f.Seconds < 60 || f.Seconds > longest {
		say(FormDuration, "Ask for 1m to "+longest.String()+".")
	}
	if n := utf8.RuneCountInString(c.Reason); n < max(1, w.ReasonMin) || n > MaxReason {
		say(FormReason, "Say why, in "+strconv.Itoa(max(1, w.ReasonMin))+" to "+strconv.Itoa(MaxReason)+" characters.")
	} else if hasControl(c.Reason) {
		say(FormReason, "Remove control and direction-changing characters.")
	}
	bad = append(bad, w.checkFields(f.Values, &c)...)
	return c, bad
}

func (w *Workflow) checkFields(values map[string]string, c *Cleaned) []FieldProblem {
	var bad []FieldProblem
	known := map[string]bool{}
	for _, field := range w.Fields {
		known[field.Name] = true
		v, text := field.clean(values[field.Name])
		switch {
		case text != "":
			bad = append(bad, FieldProblem{field.Name, text})
		case v == "":
		case field.Type == FieldText:
			c.Texts = put(c.Texts, field.Name, v)
		default:
			c.Fields = put(c.Fields, field.Name, v)
		}
	}
	for name := range values {
		if !known[name] {
			bad = append(bad, FieldProblem{name, "This form has no such field."})
		}
	}
	return bad
}

func put(m map[string]string, k, v string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[k] = v
	return m
}

// clean gives the value as it will be recorded, or what is wrong with it.
func (f Field) clean(v string) (value, problem string) {
	v = strings.TrimSpace(v)
	if v == "" {
		if f.Optional {
			return "", ""
		}
		return "", "This is needed."
	}
	longest := f.MaxLen
	if longest == 0 {
		longest = MaxFieldText
	}
	if f.Type == FieldSSHKey {
		longest = MaxSSHKey
	}
	if utf8.RuneCountInString(v) > longest {
		return "", "At most " + strconv.Itoa(longest) + " characters."
	}
	if hasControl(v) {
		return "", "Remove control and direction-changing characters."
	}
	switch f.Type {
	case FieldChoice:
		for _, c := range f.Choices {
			if c == v {
				return v, ""
			}
		}
		return "", "Pick one of: " + strings.Join(f.Choices, ", ") + "."
	case FieldSSHKey:
		return cleanSSHKey(v)
	}
	if f.Pattern != "" {
		if !MatchesWhole(f.Pattern, v) {
			return "", "This must look like " + f.Pattern + "."
		}
	}
	return v, ""
}

// MatchesWhole tells whether all of s, from its first byte to its last, has the form of the RE2 pattern. A pattern that does not
// stand alone ("a)|(b") matches nothing: wrapped in our anchors it would loosen them.
func MatchesWhole(pattern, s string) bool {
	if _, err := regexp.Compile(pattern); err != nil {
		return false
	}
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	return err == nil && re.MatchString(s)
}

// cleanSSHKey keeps the type and the key of one OpenSSH public key line and drops its comment, which is often a name.
// Whether the key is strong enough is the connector's question.
func cleanSSHKey(v string) (value, problem string) {
	if strings.Contains(v, "PRIVATE KEY") {
		return "", "This is a private key. Never paste it anywhere; paste the line of the .pub file, and make a new key."
	}
	parts := strings.Fields(v)
	if len(parts) < 2 {
		return "", "Paste the whole line of your public key file, such as ~/.ssh/id_ed25519.pub."
	}
	blob, err := base64.StdEncoding.DecodeString(parts[1])
	if err != nil || len(blob) < 4 {
		return "", "This is not an OpenSSH public key: its middle part does not decode."
	}
	n := binary.BigEndian.Uint32(blob)
	if uint64(n)+4 > uint64(len(blob)) || string(blob[4:4+n]) != parts[0] {
		return "", "This is not an OpenSSH public key: its first word and its content differ."
	}
	return parts[0] + " " + parts[1], ""
}

// hasControl finds characters that could make a text read differently from what it is: controls, bidirectional marks,
// zero-width signs. A line break is allowed.
func hasControl(s string) bool {
	for _, r := range s {
		if r == '\n' || r == '\t' || r == '\r' {
			continue
		}
		if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return true
		}
	}
	return false
}
