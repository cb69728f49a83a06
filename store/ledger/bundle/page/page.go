// Package page is a verifier of bundles for people who have nothing but a browser: one HTML file that holds everything it needs, reaches no
// network, and tells of a zip what `countersign ledger verify` tells, but for the decisions, which it does not take again. It shares
// no code with the Go verifier. It writes the file; who hands it out must not be who hands out the bundle.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"strings"
)

var (
	//go:embed page.html
	shell string
	//go:embed page.css
	style string
	//go:embed crypto.js
	cryptoScript string
	//go:embed zip.js
	zipScript string
	//go:embed verify.js
	verifyScript string
	//go:embed story.js
	storyScript string
	//go:embed app.js
	appScript string
)

// HTML gives the page. vkey, which may be empty, stands in its field for the ledger's public key: a page made by somebody who knows the key,
// for somebody who trusts them.
func HTML(vkey string) []byte {
	script := "\n" + strings.Join([]string{cryptoScript, zipScript, verifyScript, storyScript, appScript}, "\n")
	policy := "default-src 'none'; script-src " + source(script) + "; style-src " + source(style) +
		"; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
	return []byte(strings.NewReplacer("{{CSP}}", policy, "{{STYLE}}", style, "{{SCRIPT}}", script, "{{KEY}}", html.EscapeString(vkey)).Replace(shell))
}

// source is how a policy names an inline text by its hash.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
