package main

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/countersign-bot/countersign/store/ledger/bundle"
)

// elementsOf is what a browser makes of a page without its texts: elements and the names of their attributes.
func elementsOf(page string) (out []string) {
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out
		case html.TextToken:
		default:
			token := z.Token()
			line := token.Type.String() + " " + token.Data
			for _, a := range token.Attr {
				line += " " + a.Key
			}
			out = append(out, line)
		}
	}
}

// The pages of a bundle escape whatever is put onto them but what is written as markup in their source.
func TestPagesOfABundleEscapeEveryValue(t *testing.T) {
	draw := func(x string) string {
		var b bytes.Buffer
		m := newMarkup(&b)
		m.top(x)
		m.summary(bundle.Manifest{Origin: x, Root: x, Query: x, FirstTime: x, LastTime: x})
		m.put(raw(`<table><tr id="e`), 7, raw(`"><td title="`), x, raw(`">`), x, raw("</table>\n"))
		if err := m.done(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := elementsOf(draw("harmless"))
	if len(want) < 40 {
		t.Fatalf("only %d elements: the page was not drawn", len(want))
	}
	for _, x := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='x`, `</title><script>`, `</style><b>`, "<b\x00", `&lt;b&gt;`, `<!--`, "`", `</dd></dl><form action=//x>`,
	} {
		page := draw(x)
		if got := elementsOf(page); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%q changes the page to\n%s", x, strings.Join(got, "\n"))
		}
		if text := html.UnescapeString(page); !strings.Contains(text, strings.ReplaceAll(x, "\x00", "\uFFFD")) {
			t.Errorf("%q is not shown as it is", x)
		}
	}
}
