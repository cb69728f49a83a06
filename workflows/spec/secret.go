package spec

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// looksSecret names the kind of secret that a text gives away by its form, or is empty. The prefixes are those that
// secret scanners go by (R74).
func looksSecret(s string) string {
	if _, ok := certificatesIn(s); ok {
		return ""
	}
	for _, known := range [...][2]string{
		{"-----BEGIN", "a private key or certificate"},
		{"AGE-SECRET-KEY-", "an age key"},
		{"xoxb-", "a Slack token"},
		{"xoxp-", "a Slack token"},
		{"xapp-", "a Slack token"},
		{"xoxe", "a Slack token"},
		{"ghp_", "a GitHub token"},
		{"gho_", "a GitHub token"},
		{"ghs_", "a GitHub token"},
		{"github_pat_", "a GitHub token"},
		{"glpat-", "a GitLab token"},
		{"hvs.", "a Vault token"},
		{"sk_live_", "a Stripe key"},
		{"AIza", "a Google API key"},
		{"eyJhbGciOi", "a signed token (JWT)"},
		{"AKIA", "an AWS access key"},
		{"ASIA", "an AWS access key"},
	} {
		i := strings.Index(s, known[0])
		if i >= 0 && (i == 0 || !isWordByte(s[i-1])) && tokenLen(s[i+len(known[0]):]) >= 10 {
			return known[1]
		}
	}
	if hasPassword(s) {
		return "a password inside an address"
	}
	return ""
}

// tokenLen is how many characters of a token s begins with.
func tokenLen(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool { return r > 0x7e || !isWordByte(byte(r)) && !strings.ContainsRune("-. /+=", r) })
	if n < 0 {
		return len(s)
	}
	return n
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// hasPassword finds scheme://user:password@host and password=….
func hasPassword(s string) bool {
	low := strings.ToLower(s)
	for _, k := range []string{"password", "passwd", "pwd"} {
		if _, after, ok := strings.Cut(low, k); ok {
			v, isSet := strings.CutPrefix(strings.TrimLeft(after, " "), "=")
			if isSet && strings.TrimSpace(v) != "" {
				return true
			}
		}
	}
	_, after, ok := strings.Cut(s, "://")
	user, _, at := strings.Cut(after, "@")
	name, pw, colon := strings.Cut(user, ":")
	return ok && at && colon && pw != "" && !strings.ContainsAny(name+pw, "/ \n")
}

// setting refuses settings of a target that hold, or are meant to hold, a secret itself instead of where it lies.
func (r *report) setting(k string, v *value) {
	val := v.scalar()
	switch {
	case v.bad:
	case strings.HasSuffix(k, "_file"):
		if val == "" || strings.ContainsAny(val, "\n\x00") || len(val) > 255 {
			r.at(v, "such as /run/secrets/pg-main.dsn", "%s: want the name of a file", v.path)
		}
	case strings.HasSuffix(k, "_env"):
		if !isEnvName(val) {
			r.at(v, "such as PG_MAIN_DSN", "%s: want the name of an environment variable", v.path)
		}
	case strings.HasSuffix(k, "_vault"):
		if !vaultRef.MatchString(val) {
			r.at(v, "such as secret/data/countersign/pg-main#dsn", "%s: want a path of Vault, # and a field", v.path)
		}
	case secretName(k):
		r.at(v, fmt.Sprintf("put it into a file, the environment or Vault and name that: %s_file, %s_env or %s_vault", k, k, k),
			"%s: a secret does not stand in this folder", v.path)
	case looksRandom(val):
		r.at(v, "if it is one, put it into a file or the environment and name that", "%s: looks like a key or token; secrets do not stand in this folder", v.path)
	}
}

// vaultRef is a path of Vault's key-value engine and a field there.
var vaultRef = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+#[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$`)

func isEnvName(s string) bool {
	for i, c := range []byte(s) {
		if c != '_' && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// secretName tells whether a setting of this name would hold a secret.
func secretName(k string) bool {
	for _, public := range []string{"public_key", "host_key", "key_id", "key_type"} {
		if k == public || strings.HasSuffix(k, "_"+public) {
			return false
		}
	}
	for _, part := range strings.Split(k, "_") {
		switch part {
		case "password", "passwd", "passphrase", "pass", "pwd", "pw", "secret", "secrets", "token", "key", "apikey",
			"credential", "credentials", "dsn", "cookie", "bearer", "auth":
			return true
		}
	}
	return false
}

// secretParam is secretName for parameters of entitlements, where a key is what a certificate is made for.
func secretParam(k string) bool {
	return !strings.HasPrefix(k, "key_") && !strings.HasSuffix(k, "_field") && secretName(k)
}

// looksRandom finds what a human would not type: 32 or more characters of letters of both cases and digits.
func looksRandom(s string) bool {
	if len(s) < 32 || strings.ContainsAny(s, " /.\n") || strings.HasPrefix(s, "SHA256:") {
		return false
	}
	var up, low, dig bool
	for _, c := range s {
		up, low, dig = up || unicode.IsUpper(c), low || unicode.IsLower(c), dig || unicode.IsDigit(c)
	}
	hex := strings.Trim(s, "0123456789abcdef") == "" || strings.Trim(s, "0123456789ABCDEF") == ""
	return up && low && dig || hex
}
