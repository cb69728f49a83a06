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
	for prefix, what := range map[string]string{
		"-----BEGIN": "a private key or certificate", "AGE-SECRET-KEY-": "an age key", "xoxb-": "a Slack token",
		"xoxp-": "a Slack token", "xapp-": "a Slack token", "xoxe": "a Slack token", "ghp_": "a GitHub token",
		"gho_": "a GitHub token", "ghs_": "a GitHub token", "github_pat_": "a GitHub token", "glpat-": "a GitLab token",
		"hvs.": "a Vault token", "sk_live_": "a Stripe key", "AIza": "a Google API key", "eyJhbGciOi": "a signed token (JWT)",
	} {
		if i := strings.Index(s, prefix); i >= 0 && len(s)-i >= len(prefix)+10 && (i == 0 || !isWordByte(s[i-1])) {
			return what
		}
	}
	if awsKey().MatchString(s) {
		return "an AWS access key"
	}
	if urlPassword().MatchString(s) || dsnPassword().MatchString(s) {
		return "a password inside an address"
	}
	return ""
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func awsKey() *regexp.Regexp      { return regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{16}\b`) }
func urlPassword() *regexp.Regexp { return regexp.MustCompile(`://[^/\s:@]*:[^/\s@]+@`) }
func dsnPassword() *regexp.Regexp { return regexp.MustCompile(`(?i)\b(password|passwd|pwd)\s*=\s*\S`) }

// setting refuses settings of a target that hold, or are meant to hold, a secret itself instead of where it lies.
func (r *report) setting(k string, v *value) {
	val := v.scalar()
	switch {
	case v.bad:
	case strings.HasSuffix(k, "_file"):
		if val == "" || strings.ContainsAny(val, "\n\x00") || len(val) > 255 {
			r.at(v, "", "%s: want the name of a file", v.path)
		}
	case strings.HasSuffix(k, "_env"):
		if !isEnvName(val) {
			r.at(v, "such as PG_MAIN_DSN", "%s: want the name of an environment variable", v.path)
		}
	case secretName(k):
		r.at(v, fmt.Sprintf("put it into a file or the environment and name that: %s_file or %s_env", k, k),
			"%s: a secret does not stand in this folder", v.path)
	case looksRandom(val):
		r.at(v, "if it is one, put it into a file or the environment and name that", "%s: looks like a key or token; secrets do not stand in this folder", v.path)
	}
}

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
