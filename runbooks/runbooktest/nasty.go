package runbooktest

import "strings"

// Nasty gives strings that have broken somebody's shell, SQL, template, path, log or parser: more than 200 of them, the
// same ones every time, none twice.
func Nasty() []string {
	seen := map[string]bool{}
	var out []string
	add := func(s string) {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	for _, s := range nastyWhole {
		add(s)
	}
	for _, s := range nastyParts {
		add(s + "a")
		add("a" + s)
	}
	for _, n := range []int{63, 64, 65, 255, 256, 1000, 5000, 70_000} {
		add(strings.Repeat("a", n))
		add(strings.Repeat("ä", n))
		add(strings.Repeat("'", n))
	}
	return out
}

// nastyParts break things by standing at the start or at the end.
var nastyParts = []string{
	"", " ", "\t", "\n", "\r\n", "\x00", "\x01", "\x07", "\x1b[2J", "\x7f", "\u0085", "\u00a0", "\u2028", "\ufeff", "\u200b", "\u202e",
	"'", "''", "\"", "\"\"", "`", "\\", "\\'", "\\\"", "\\\\", "\\n", "\\0", "$", "$$", "%", "%s", "%n", "%00", "&", "&&", "|", "||", ";", "#", "--", "-",
	"*", "?", "~", "!", "^", "=", "+", "@", ",", ":", "/", "//", "<", ">", "(", ")", "{", "}", "[", "]", "{{.}}", "${x}", "${account}", "$(id)", "`id`",
	"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf0\x9f\x92", "é", "e\u0301", "ı", "İ", "ß", "😀", "日本語", "עברית",
}

// nastyWhole are attacks as they were seen.
var nastyWhole = []string{
	"-oProxyCommand=id", "--help", "-rf", "-", "--", "../../etc/passwd", "..", ".", "/etc/passwd", "~root", "file:///etc/passwd", "C:\\Windows",
	"; rm -rf /", "| cat /etc/passwd", "&& id", "$(touch /tmp/x)", "`touch /tmp/x`", "a\nb", "a\r\nSet-Cookie: x=y", "\n\nroot", "PATH=/tmp", "LD_PRELOAD=/tmp/x.so",
	"'; DROP ROLE admin; --", "\"; DROP ROLE admin; --", "' OR '1'='1", "\" OR \"\"=\"", "1; SELECT pg_sleep(10)", "*/ GRANT admin TO mallory; /*", "/* x */", "E'\\x41'",
	"$$; GRANT admin TO mallory; $$", "U&\"\\0061\"", "reader\" WITH ADMIN OPTION; --", "reader, admin", "\"reader\"", "READER", "public", "PUBLIC", "CURRENT_USER", "session_user", "none", "NULL", "null", "nil", "undefined",
	"true", "false", "0", "-1", "1e309", "NaN", "0x41", "018446744073709551616", "{{.Secret}}", "{{printf \"%s\" .}}", "<% x %>", "#{x}", "${jndi:ldap://x/y}", "%{x}", "{0}", "${${account}}", "$account", "${ account }",
	"<script>alert(1)</script>", "<!channel>", "<@U123>", "*bold*", "=cmd|'/c calc'!A1", "+1+1", "@SUM(1)", "\u202egpj.exe", "a\u0000b", "\x1b]0;title\x07", "\b\b\b", "admin\u200b", "аdmin", "ADMIN", "root", "root\x00",
	"deploy,root", "deploy root", "deploy\troot", "deploy;root", "deploy\nroot", "deploy:root", "*,root", "*", "!root", "[a-z]*", "deploy=root", "a@b@c", "alice@example.com,mallory@example.com", "command=\"id\" ssh-ed25519 AAAA", "ssh-rsa", "ssh-ed25519 AAAA",
	"-----BEGIN OPENSSH PRIVATE KEY-----", "{\"a\":1}", "[]", "<xml/>", "a: b", "- a", "&anchor", "*alias", "!!python/object", "--- ", "# comment", "\"\\u0000\"", "http://169.254.169.254/", "//evil.example", "javascript:alert(1)",
}
