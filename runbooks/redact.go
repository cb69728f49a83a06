package runbooks

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The shapes of secrets that have no business in a receipt. They are looked for because a target's answer or an error
// text is foreign: a driver that quotes its connection string, a tool that prints its environment.
var (
	privateKeyBlock = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----|\z)`)
	knownToken      = regexp.MustCompile(`\b(xox[a-z]-[0-9A-Za-z-]{8,}|xapp-[0-9A-Za-z-]{8,}|gh[pousr]_[0-9A-Za-z]{16,}|github_pat_[0-9A-Za-z_]{16,}` +
		`|glpat-[0-9A-Za-z_-]{16,}|(AKIA|ASIA)[0-9A-Z]{16}|AGE-SECRET-KEY-[0-9A-Z-]{20,}|hv[sbr]\.[0-9A-Za-z_-]{16,}|whsec_[0-9A-Za-z+/=]{16,}` +
		`|sk-[0-9A-Za-z_-]{20,}|npm_[0-9A-Za-z]{20,}|eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]*)`)
	namedSecret = regexp.MustCompile(`(?i)((?:[a-z0-9]+[_-])*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|pgpassword)"?\s*[:=]\s*)` +
		`("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&"']+)`)
	authorization = regexp.MustCompile(`(?i)\b((?:proxy-)?authorization\s*[:=]\s*(?:bearer|basic|token)?\s*|bearer\s+)([0-9A-Za-z._~+/=-]{6,})`)
	userInfo      = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*):([^@\s/]+)@`)
	scramVerifier = regexp.MustCompile(`SCRAM-SHA-256\$[0-9]+:[0-9A-Za-z+/=$:]+|\bmd5[0-9a-f]{32}\b`)
	sqlPassword   = regexp.MustCompile(`(?i)(\bpassword\s+)('(?:[^']|'')*')`)
)

// Redact takes what looks like a secret out of a text and cuts it to limit bytes at a character's border. It is a net
// under the rule that connectors put no secrets into receipts, not a replacement for it.
func Redact(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = privateKeyBlock.ReplaceAllString(s, redacted)
	s = scramVerifier.ReplaceAllString(s, redacted)
	s = userInfo.ReplaceAllString(s, "${1}:"+redacted+"@")
	s = sqlPassword.ReplaceAllString(s, "${1}"+redacted)
	s = authorization.ReplaceAllString(s, "${1}"+redacted)
	s = redactNamed(s)
	s = knownToken.ReplaceAllString(s, redacted)
	return cut(s, limit)
}

// notSecrets are how a system's or a library's own words about a failure begin: "reading the token: no such file or directory" holds no secret.
func notSecrets() []string {
	return []string{
		"no such file or directory", "file does not exist", "permission denied", "operation not permitted", "is a directory", "not a directory",
		"file exists", "read-only file system", "input/output error", "no space left on device", "too many open files", "unexpected end of",
		"connection refused", "connection reset by peer", "open /", "stat /", "read /", "context canceled", "context deadline exceeded",
	}
}

// redactNamed takes out what stands behind a name of secrets, unless a failure's own words stand there.
func redactNamed(s string) string {
	var b strings.Builder
	at := 0
	for _, m := range namedSecret.FindAllStringSubmatchIndex(s, -1) {
		said := s[m[4]:]
		if slices.ContainsFunc(notSecrets(), func(words string) bool { return strings.HasPrefix(said, words) }) {
			continue
		}
		b.WriteString(s[at:m[4]])
		b.WriteString(redacted)
		at = m[5]
	}
	b.WriteString(s[at:])
	return b.String()
}

// cut shortens and says so.
func cut(s string, limit int) string {
	const more = "…"
	if len(s) <= limit {
		return s
	}
	end := max(0, limit-len(more))
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}

// redactReceipt bounds and cleans what a connector answered. Files are public material of a known format (certificates,
// keys): only a private key block is looked for there, since cutting or editing a certificate would break it.
func redactReceipt(r Receipt) Receipt {
	out := Receipt{
		Ref: Redact(r.Ref, maxFact), Facts: redactFacts(r.Facts), Personal: redactFacts(r.Personal),
		Use: Use{Command: Redact(r.Use.Command, maxStep), Host: Redact(r.Use.Host, maxFact)},
	}
	for _, step := range r.Use.Steps[:min(len(r.Use.Steps), maxSteps)] {
		out.Use.Steps = append(out.Use.Steps, Redact(step, maxStep))
	}
	for _, name := range first(r.Use.Files, maxFiles) {
		content := r.Use.Files[name]
		if len(content) > maxFile || privateKeyBlock.MatchString(content) || !isFileName(name) {
			continue
		}
		if out.Use.Files == nil {
			out.Use.Files = map[string]string{}
		}
		out.Use.Files[name] = content
	}
	return out
}

func redactFacts(facts map[string]string) map[string]string {
	if len(facts) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, name := range first(facts, maxFacts) {
		value := facts[name]
		// A fact that is called a secret is one, whatever it looks like.
		if namedSecret.MatchString(name + "=x") {
			value = redacted
		}
		out[Redact(name, maxFact)] = Redact(value, maxFact)
	}
	return out
}

// first gives the first n names in order, so that what is left out does not change from call to call.
func first(m map[string]string, n int) []string {
	names := slices.Sorted(maps.Keys(m))
	return names[:min(len(names), n)]
}

// isFileName tells whether a holder can save a file under this name without leaving the folder.
func isFileName(name string) bool {
	return name != "" && len(name) <= maxName && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "-") &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("._-@", r))
		})
}

// redactError makes any error a classed one whose words can be kept.
func redactError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return &Error{Class: e.Class, Text: Redact(e.Text, maxErrorText), Err: err}
	}
	// What nobody classed may quote anything: its words stay in the log.
	return &Error{Class: Retry, Text: "the target did not answer as expected", Err: err}
}
