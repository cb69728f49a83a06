package runbooks_test

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
)

// A page shows a title, a foot and a document as what they are; none of them is taken for a part of the page.
func TestRenderPageEscapes(t *testing.T) {
	page, err := runbooks.RenderPage(`</title><script>{{.Body}}`, `"><b>{{.Title}}`, []byte("# Restart\n\n{{.Foot}} <script>alert(1)</script> [x](javascript:alert(1))\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, want := range []string{"<title>&lt;/title&gt;&lt;script&gt;{{.Body}}</title>", "<footer>&#34;&gt;&lt;b&gt;{{.Title}}</footer>", "{{.Foot}}", "<h1>Restart</h1>", "<td>1</td>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	for _, bad := range []string{"<script", "javascript:"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q:\n%s", bad, text)
		}
	}
	if strings.Count(text, "<footer>") != 1 || strings.Count(text, "<h1>") != 1 {
		t.Errorf("a part of the page stands in it twice:\n%s", text)
	}
}
