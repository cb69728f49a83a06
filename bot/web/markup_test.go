package web_test

import (
	"html/template"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/bot/web"
	"github.com/countersign-bot/countersign/workflows"
)

// hostile are texts that leave the place they stand in, where somebody lets them.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `" autofocus onfocus="alert(1)`, `</title><script>x</script>`,
	`</pre></textarea><b>`, `javascript:alert(1)`, `&lt;b&gt;`, `&#x3c;script&#x3e;`, `{{.Token}}`, `-->`, `<!--`, "a\x00b", "\u2028", "` onclick=1", `a/../../emergency/leave?x=1#y`,
	`//evil.example/`, `\\evil`, `%3Cscript%3E`, `%2e%2e%2f`, "a\nb\tc", "ü <ß> 日本",
}

// everything is a page's data with one text wherever a text may be.
func everything(x string) map[string]web.PageOf {
	return map[string]web.PageOf{
		"sorry.html": {Title: x, Sorry: x, Next: x}, "signin.html": {Title: x, Token: x}, "decide.html": {Title: x, Token: x, Link: x, Login: true, Codes: true}, "reveal.html": {Title: x, Token: x, Link: x, Until: x, Waiting: web.Waiting{What: x}},
		"prove.html":  {Title: x, Token: x, Link: x, Login: true, Chat: true, Sent: true},
		"secret.html": {Title: x, Secret: web.Secret{Title: x, Wrapped: true, Parts: []web.Part{{Name: x, Value: x, File: x}, {Name: x, Value: x}}}},
		"emergency.html": {Title: x, Token: x, Name: x, Data: web.Emergency{
			Ends: x, Books: []web.BookRow{{ID: x, Title: x, UseWhen: x, Ready: true}, {ID: x, Title: x, UseWhen: x, Why: x}}, Waiting: []web.RequestRow{{x, x, x, x}}, Held: []web.GrantRow{{x, x, x, x}},
		}},
		"grant.html":   {Title: x, Data: web.Grant{ID: x, What: x, Until: x, Status: x, Command: x, Host: x, Steps: []string{x, x}, Files: []web.Part{{Name: x, Value: x}}}},
		"request.html": {Title: x, Token: x, Data: web.Request{ID: x, Who: x, What: x, Reason: x, Sentence: x, Shown: x, Nonce: x, Stage: 3, Open: true, Filled: []web.Filled{{Label: x, Value: x}}, Children: []workflows.Explanation{{Name: x, Sentence: x}}}},
		"runbook.html": {Title: x, Token: x, Data: web.Book{
			ID: x, Title: x, Purpose: x, UseWhen: x, DoNot: x, What: x, Long: x, Ends: x, Notify: x, Incident: x, Reason: x, Nonce: x, Confirm: true,
			Fields: []web.FieldOfBook{{Field: workflows.Field{Name: x, Label: x, Help: x}, Value: x}},
		}},
	}
}

// bones are what a browser makes of a page, texts and values taken out: its elements, and the names of their attributes.
func bones(t *testing.T, page []byte) (elements []string, texts int) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(string(page)))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return elements, texts
		case html.TextToken:
			texts++
		default:
			token := z.Token()
			line := token.Type.String() + " " + token.Data
			for _, a := range token.Attr {
				line += " " + a.Key
			}
			elements = append(elements, line)
		}
	}
}

func drawer(t *testing.T) func(string, any) ([]byte, error) {
	t.Helper()
	texts, err := web.Pages()
	if err != nil {
		t.Fatal(err)
	}
	draw, err := web.Markup(texts)
	if err != nil {
		t.Fatal(err)
	}
	return draw
}

// Whatever stands in a name, a reason or a secret, a page has the elements and attributes it has with a harmless word.
func TestHostileTextsChangeNoPage(t *testing.T) {
	draw := drawer(t)
	want := map[string][]string{}
	for name, data := range everything("harmless") {
		page, err := draw(name, data)
		if err != nil {
			t.Fatal(err)
		}
		want[name], _ = bones(t, page)
		if len(want[name]) < 20 {
			t.Fatalf("%s has only %d elements: it was not drawn", name, len(want[name]))
		}
	}
	check := func(t interface{ Fatalf(string, ...any) }, tt *testing.T, x string) {
		for name, data := range everything(x) {
			page, err := draw(name, data)
			if err != nil {
				t.Fatalf("%s with %q: %v", name, x, err)
			}
			if got, _ := bones(tt, page); cmp.Diff(want[name], got) != "" {
				t.Fatalf("%s with %q (-harmless +hostile):\n%s", name, x, cmp.Diff(want[name], got))
			}
		}
	}
	for _, x := range hostile {
		check(t, t, x)
	}
	t.Run("any", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			part := rapid.OneOf(rapid.SampledFrom(hostile), rapid.StringOfN(rapid.RuneFrom([]rune(`<>"'&=/\ a`+"\x00\n`")), 1, 12, -1))
			check(rt, t, part.Draw(rt, "a")+part.Draw(rt, "b"))
		})
	})
}

// The pages look as html/template draws them: the same elements, attributes and texts, once a browser has read them. Where that package leaves a
// slash in an address as it is, a slash in an id is escaped here.
func TestPagesLookAsHTMLTemplateDrawsThem(t *testing.T) {
	texts, err := web.Pages()
	if err != nil {
		t.Fatal(err)
	}
	draw, theirs := drawer(t), template.New("")
	for name, text := range texts {
		template.Must(theirs.New(name).Parse(text))
	}
	for _, x := range []string{"harmless", "", `<b>&"quoted"' text`, "INC-123 — ü"} {
		for name, data := range everything(x) {
			ours, err := draw(name, data)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := theirs.ExecuteTemplate(&b, name, data); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tokens(b.String()), tokens(string(ours))); diff != "" {
				t.Errorf("%s with %q (-html/template +ours):\n%s", name, x, diff)
			}
		}
	}
}

func tokens(page string) (out []string) {
	z := html.NewTokenizer(strings.NewReader(page))
	for z.Next() != html.ErrorToken {
		token := z.Token()
		for i, a := range token.Attr {
			if a.Key == "href" || a.Key == "action" {
				token.Attr[i].Val = strings.ToLower(a.Val)
			}
		}
		out = append(out, token.String())
	}
	return out
}

// A page that would put a value where it cannot be made safe is refused when it is read.
func TestMarkupRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`<script>var x = "{{.A}}"</script>`: "no value may stand in <script>", `<style>p { color: {{.A}} }</style>`: "no value may stand in <style>",
		`<p onclick="{{.A}}">`: `the attribute "onclick"`, `<p style="{{.A}}">`: `the attribute "style"`, `<a href="{{.A}}">`: "stands behind a path of ours",
		`<a href="//{{.A}}">`: "stands behind a path of ours", `<a href="/x?y={{.A}}">`: "stands behind a path of ours", `<a href="/x{{.A}}">`: "stands behind a path of ours",
		`<a href="https://x/{{.A}}">`: "stands behind a path of ours", `<p class={{.A}}>`: "a value in a tag stands in quotes", `<p {{.A}}="x">`: "a value in a tag stands in quotes",
		`<{{.A}}>`: "begins no tag", `<p title="a" "{{.A}}">`: "a quote that is not the value", `{{if .A}}<p title="{{end}}`: "it ends at another place", `<p title="{{if .A}}"{{else}}x{{end}}`: "it ends at another place",
		`{{range .A}}<p {{end}}`: "it ends at another place", `{{if .A}}`: "an {{end}} is missing", `{{end}}`: "ends nothing", `{{.A`: "a {{ is not closed", `{{call .A}}`: "want a field",
		`{{.A | js}}`: "is not the name of a field", `{{template "none" .}}`: `there is no piece "none"`, `{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}`: "without end", `<p title="x`: "ends within a tag",
		`<scr{{if .A}}ipt{{end}}>`: "the name of a tag goes on", `<b{{if .A}} x{{end}}c>`: "the name of a tag goes on", `{{if not A}}{{end}}`: "want a field", `a < b`: "begins no tag", `<!-- {{.A}} -->`: "no comments", `<textarea>{{.A}}</textarea>`: "no value may stand in <textarea>", `<iframe srcdoc="{{.A}}">`: `the attribute "srcdoc"`, `<meta http-equiv="refresh" content="{{.A}}">`: `the attribute "content"`,
		`<a href="/x/{{if .A}}?q={{end}}{{.A}}">`: "it ends at another place", `{{if .A}}a{{else}}b{{else}}c{{end}}`: "a second {{else}}", `<p title="{{template "x" .}}">`: "a piece stands between tags",
	} {
		_, err := web.Markup(map[string]string{"p": text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What cannot be shown is an error and no page.
func TestMarkupShowsOnlyTexts(t *testing.T) {
	data := struct {
		Text   string
		Number int
		List   []string
		Yes    bool
		hidden string
	}{Text: "a", Number: 7, List: []string{"x", "y"}, Yes: true, hidden: "no"}
	for text, want := range map[string]string{
		`{{.Text}} {{.Number}}`: "a 7", `{{range .List}}{{.}}{{$.Text}} {{end}}`: "xa ya ", `{{if .Yes}}1{{else}}2{{end}}`: "1", `{{if not .Yes}}1{{else}}2{{end}}`: "2", `{{if not .Yes}}1{{end}}`: "", `<b{{if .Yes}} title="{{.Text}}"{{end}}>`: `<b title="a">`, `{{with .Text}}[{{.}}]{{end}}`: "[a]",
		`{{.List}}`: "!a slice cannot be shown", `{{.Yes}}`: "!a bool cannot be shown", `{{.hidden}}`: "!no field", `{{.Gone}}`: "!no field", `{{.Text.More}}`: "!has no fields", `{{range .Text}}{{end}}`: "!not a list",
	} {
		draw, err := web.Markup(map[string]string{"p": text})
		if err != nil {
			t.Fatal(err)
		}
		got, err := draw("p", data)
		if wrong, isError := strings.CutPrefix(want, "!"); isError {
			if err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%s: %q, %v, want %q", text, got, err, wrong)
			}
		} else if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
	_ = data.hidden
}
