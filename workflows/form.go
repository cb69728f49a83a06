package workflows

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"regexp"
	"slices"
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
	FormNotBefore   = "not_before"
	FormConfirm     = "confirm" // the target's name, where the risk wants it typed
)

// Form is what somebody filled in, before anything is believed.
type Form struct {
	Target      TargetID
	Entitlement EntitlementID
	Seconds     Span
	Reason      string
	Values      map[string]string
	Typed       string // what was typed as the target's name; looked at where the risk wants it
	At          Stamp  // when it was filled in: the limits of date-times count from here; zero: they are not looked at
}

// Cleaned is a form whose every value was checked. Fields stand in the leaf; Texts are sealed.
type Cleaned struct {
	Entitlement Entitlement // zero for requests about a runbook
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
	if !w.Kind.OfRunbook() {
		e, ok := w.Entitlement(f.Target, f.Entitlement)
		if !ok {
			say(FormEntitlement, "This chain does not grant that. Pick one of the list.")
		}
		c.Entitlement = e
		if !w.Kind.Ahead() { // how long a window or an exception stands is not how long what it gives lasts
			longest = w.LongestFor(e)
		}
	}
	if f.Seconds < 60 || f.Seconds > longest {
		say(FormDuration, "Ask for 1m to "+longest.String()+".")
	}
	if n := utf8.RuneCountInString(c.Reason); n < max(1, w.ReasonMin) || n > MaxReason {
		say(FormReason, "Say why, in "+strconv.Itoa(max(1, w.ReasonMin))+" to "+strconv.Itoa(MaxReason)+" characters.")
	} else if hasControl(c.Reason) {
		say(FormReason, "Remove control and direction-changing characters.")
	}
	bad = append(bad, w.checkFields(f, &c)...)
	return c, bad
}

func (w *Workflow) checkFields(form Form, c *Cleaned) []FieldProblem {
	var bad []FieldProblem
	known := map[string]bool{}
	for _, field := range w.Fields {
		known[field.Name] = true
		v, text := field.clean(form.Values[field.Name], form.At)
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
	for _, name := range slices.Sorted(maps.Keys(form.Values)) { // in order: the first problem is recorded
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
func (f Field) clean(v string, at Stamp) (value, problem string) {
	v = strings.TrimSpace(v)
	if v == "" {
		if f.Optional {
			return "", ""
		}
		return "", "This is needed."
	}
	if f.Type == FieldCSR && strings.Contains(v, "PRIVATE KEY") {
		return "", "This is a private key. Never paste it anywhere; paste the certificate request, and make a new key."
	}
	if f.Type == FieldSSHKey && strings.Contains(v, "PRIVATE KEY") {
		return "", "This is a private key. Never paste it anywhere; paste the line of the .pub file, and make a new key."
	}
	if n := f.longest(); utf8.RuneCountInString(v) > n {
		return "", "At most " + strconv.Itoa(n) + " characters."
	}
	if hasControl(v) {
		return "", "Remove control and direction-changing characters."
	}
	if v, problem = f.typed(v, at); problem != "" {
		return "", problem
	}
	if f.Pattern != "" && !MatchesWhole(f.Pattern, v) {
		return "", f.shape()
	}
	return v, ""
}

func (f Field) longest() int {
	switch {
	case f.Type == FieldSSHKey:
		return MaxSSHKey
	case f.Type == FieldCSR:
		return MaxCSR
	case f.MaxLen == 0:
		return MaxFieldText
	}
	return f.MaxLen
}

// typed reads a value as its type says.
func (f Field) typed(v string, at Stamp) (value, problem string) {
	switch f.Type {
	case FieldChoice:
		if !slices.Contains(f.Choices, v) {
			return "", "Pick one of: " + strings.Join(f.Choices, ", ") + "."
		}
	case FieldSSHKey:
		return cleanSSHKey(v)
	case FieldCSR:
		return cleanCSR(v)
	case FieldTicket, FieldOffer:
		if strings.ContainsAny(v, "\r\n") {
			return "", "One line only."
		}
	case FieldNumber:
		return f.number(v)
	case FieldDuration:
		return f.duration(v)
	case FieldDateTime:
		return f.dateTime(v, at)
	case FieldTarget, FieldIdentity, FieldNewID:
		if !isID(v) {
			return "", "This is no id: small letters, digits and hyphens, as in the list."
		}
	case FieldPerson:
		if !isPerson(v) {
			return "", "Nobody of the people file is called that: type a key or an e-mail address of it."
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

// shape says how a value must look: in the author's words where there are some, else as the pattern itself.
func (f Field) shape() string {
	if f.Help != "" {
		return "This does not have the right form. " + strings.TrimSuffix(f.Help, ".") + "."
	}
	return "This must look like " + f.Pattern + "."
}

// cleanSSHKey keeps the type and the key of one OpenSSH public key line and drops its comment, which is often a name.
// Whether the key is strong enough is the connector's question.
func cleanSSHKey(v string) (value, problem string) {
	parts := strings.Fields(v)
	if len(parts) < 2 || strings.ContainsAny(v, "\r\n") {
		return "", "Paste the one whole line of your public key file, such as ~/.ssh/id_ed25519.pub."
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return "", "This is not an OpenSSH public key: its middle part does not decode."
	}
	words, whole := sshStrings(blob)
	if len(words) > 0 && string(words[0]) != parts[0] {
		return "", "This is not an OpenSSH public key: its first word and its content differ."
	}
	if want := sshKeyWords(parts[0]); !whole || len(words) < 2 || (want != 0 && len(words) != want) {
		return "", "This is not a whole OpenSSH public key: a part is missing or added."
	}
	return parts[0] + " " + parts[1], ""
}

// sshKeyWords is of how many strings the usual keys consist (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4, PROTOCOL.u2f of
// OpenSSH), and 0 for other types, which only have to hold together.
func sshKeyWords(kind string) int {
	switch kind {
	case "ssh-ed25519":
		return 2
	case "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com":
		return 3
	case "sk-ecdsa-sha2-nistp256@openssh.com":
		return 4
	}
	return 0
}

// sshStrings cuts a key into its length-prefixed strings (RFC 4251 §5); whole tells whether nothing was left over or empty.
func sshStrings(b []byte) (words [][]byte, whole bool) {
	for len(b) >= 4 {
		n := uint64(binary.BigEndian.Uint32(b))
		if n == 0 || n > uint64(len(b)-4) {
			return words, false
		}
		words = append(words, b[4:4+n])
		b = b[4+n:]
	}
	return words, len(b) == 0
}

// hasControl finds characters that could make a text read differently from what it is: controls, bidirectional marks,
// zero-width signs. A line break is allowed.
func hasControl(s string) bool {
	for _, r := range s {
		if r == '\n' || r == '\t' || r == '\r' {
			continue
		}
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
			return true
		}
	}
	return false
}
