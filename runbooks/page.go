package runbooks

import (
	"bytes"
	"fmt"
	"html"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// pageTemplate is a page that needs nothing from elsewhere and prints well. What is put into it was rendered from Markdown without raw HTML.
const pageTemplate = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{.Title}}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}pre{background:#f3f3f3;padding:.7rem;overflow:auto;white-space:pre-wrap}
table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.25rem .5rem;text-align:left;vertical-align:top}footer{margin-top:3rem;font-size:.8rem;color:#555;overflow-wrap:anywhere}
h1,h2,h3{break-after:avoid}pre,table{break-inside:avoid}</style></head>
<body>{{.Body}}<footer>{{.Foot}}</footer></body></html>
`

// RenderPage makes a page for a browser or a printer out of a Markdown document; front matter is left out. Raw HTML and links that run
// something are not passed on. foot stands below, such as the hash of the text.
func RenderPage(title, foot string, markdown []byte) ([]byte, error) {
	var d Document
	body, err := d.splitFrontMatter(markdown)
	if err != nil {
		body = markdown
	}
	var out bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.Table)).Convert(body, &out); err != nil {
		return nil, fmt.Errorf("rendering %q: %w", title, err)
	}
	// One pass over the page: what a document says is not looked at again. goldmark without WithUnsafe escapes it.
	page := strings.NewReplacer("{{.Title}}", html.EscapeString(title), "{{.Body}}", out.String(), "{{.Foot}}", html.EscapeString(foot)).Replace(pageTemplate)
	return []byte(page), nil
}
