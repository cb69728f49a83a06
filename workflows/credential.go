package workflows

import (
	"regexp"
	"strings"
	"unicode"
)

// People paste what they should not. What looks like a credential in a typed text is refused or taken out before anything keeps it (R87): a
// ledger and a channel are the two places from which it can hardly be removed again.

// credentialMark begins what stands where a credential was.
const credentialMark = "[removed: looks like "

// credentialShape is one kind of secret with a form of its own. The list is that of the scanners in use (GitHub's secret scanning partners,
// gitleaks), cut to forms that no other text has by accident.
type credentialShape struct {
	kind string
	re   *regexp.Regexp
}

// The shapes, in the order in which they are looked for.
var (
	shapePrivateKey           = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----|\z)`)
	shapeAgeKey               = regexp.MustCompile(`AGE-SECRET-KEY-[0-9A-Z-]{20,}`)
	shapeSlackToken           = regexp.MustCompile(`\b(xox[a-z]-[0-9A-Za-z-]{10,}|xapp-[0-9]-[0-9A-Za-z-]{10,})`)
	shapeGithubToken          = regexp.MustCompile(`\b(gh[pousr]_[0-9A-Za-z]{20,}|github_pat_[0-9A-Za-z_]{20,})`)
	shapeGitlabToken          = regexp.MustCompile(`\bgl(pat|dt|rt|soat)-[0-9A-Za-z_-]{20,}`)
	shapeAwsKey               = regexp.MustCompile(`\b(AKIA|ASIA)[0-9A-Z]{16}\b`)
	shapeGoogleKey            = regexp.MustCompile(`\bAIza[0-9A-Za-z_-]{35}|\bya29\.[0-9A-Za-z_-]{20,}`)
	shapeVaultToken           = regexp.MustCompile(`\bhv[sbr]\.[0-9A-Za-z_-]{20,}`)
	shapeStripeKey            = regexp.MustCompile(`\b[rs]k_(live|test)_[0-9A-Za-z]{16,}`)
	shapeNpmToken             = regexp.MustCompile(`\bnpm_[0-9A-Za-z]{30,}`)
	shapeApiKey               = regexp.MustCompile(`\bsk-[0-9A-Za-z_-]{24,}`)
	shapeWebhookSecret        = regexp.MustCompile(`\bwhsec_[0-9A-Za-z+/=]{16,}`)
	shapeWebhookAddress       = regexp.MustCompile(`https://hooks\.slack\.com/(services|workflows|triggers)/[0-9A-Za-z/_-]{16,}`)
	shapeSignedToken          = regexp.MustCompile(`\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]*`)
	shapeAddressWithAPassword = regexp.MustCompile(`\b[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]+:[^@\s/]{3,}@[^\s]+`)
)

func credentialShapes() []credentialShape {
	return []credentialShape{
		{"a private key", shapePrivateKey},
		{"an age key", shapeAgeKey},
		{"a Slack token", shapeSlackToken},
		{"a GitHub token", shapeGithubToken},
		{"a GitLab token", shapeGitlabToken},
		{"an AWS key", shapeAwsKey},
		{"a Google key", shapeGoogleKey},
		{"a Vault token", shapeVaultToken},
		{"a Stripe key", shapeStripeKey},
		{"an npm token", shapeNpmToken},
		{"an API key", shapeApiKey},
		{"a webhook secret", shapeWebhookSecret},
		{"a webhook address", shapeWebhookAddress},
		{"a signed token", shapeSignedToken},
		{"an address with a password", shapeAddressWithAPassword},
	}
}

// namedSecret is "password: …", "api_key=…": only with something that reads like a secret behind it.
var namedSecret = regexp.MustCompile(`(?i)\b(?:[a-z0-9]+[_-])*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key)["']?\s*[:=]\s*["']?([^\s"',;]{8,})`)

// WithoutCredentials is a text with every credential in it replaced by words, and the kind of the first; empty when there is none. A text
// that was cleaned before says so again.
func WithoutCredentials(text string) (clean, kind string) {
	if _, rest, ok := strings.Cut(text, credentialMark); ok {
		kind, _, _ = strings.Cut(rest, "]")
		kind = firstWords(kind)
	}
	for _, s := range credentialShapes() {
		if s.re.MatchString(text) {
			if kind == "" {
				kind = s.kind
			}
			text = s.re.ReplaceAllLiteralString(text, credentialMark+s.kind+"]")
		}
	}
	text = namedSecret.ReplaceAllStringFunc(text, func(m string) string {
		i := namedSecret.FindStringSubmatchIndex(m)
		if value := m[i[2]:i[3]]; strings.HasPrefix(value, "[removed") || !readsSecret(value) {
			return m
		}
		if kind == "" {
			kind = "a password"
		}
		return m[:i[2]] + credentialMark + "a password]"
	})
	return text, kind
}

// firstWords keeps a kind that came back in a text from carrying more than a kind.
func firstWords(s string) string {
	for _, c := range credentialShapes() {
		if c.kind == s {
			return s
		}
	}
	return "a password"
}

// readsSecret tells a secret from a word: letters and digits or signs, as no sentence goes on.
func readsSecret(s string) bool {
	letters, others := 0, 0
	for _, r := range s {
		switch {
		case unicode.IsLetter(r):
			letters++
		case r == '.' || r == ')' || r == '(' || r == '-' || r == '_' || r == '/':
		default:
			others++
		}
	}
	return letters >= 2 && others >= 2
}

// RefuseCredential says that a text held a credential; the kind is WithoutCredentials'.
func RefuseCredential(kind string) *Refusal {
	return Refusef(CodeCredential, "Replace it where it is used: whoever saw it can use it. Then write again without it; an owner can be told its last four characters.",
		"Your text holds what looks like %s. It was not kept, and nothing was done with it.", kind)
}

// Credentials are the parts of a text that look like credentials, as they stand there, each once: for fingerprints of what leaked. Nothing else is to be
// done with them.
func Credentials(text string) []string {
	var out []string
	add := func(s string) {
		if s != "" && !hasText(out, s) && len(out) < maxCredentials {
			out = append(out, s)
		}
	}
	for _, s := range credentialShapes() {
		for _, m := range s.re.FindAllString(text, maxCredentials) {
			add(m)
		}
	}
	for _, m := range namedSecret.FindAllStringSubmatch(text, maxCredentials) {
		if readsSecret(m[1]) {
			add(m[1])
		}
	}
	return out
}

const maxCredentials = 8 // of one text: a line of a file holds one or two
