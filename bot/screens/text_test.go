package screens_test

import (
	"encoding/json"
	"html"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
)

// The first hundred characters of every notification say verb, who, what and how long, however long the names are. A change of the rules
// lasts for no time, and neither do findings, drills, incidents, campaigns and the steps of a runbook; what a page says stands in the documents.
func TestTheFirstHundredCharactersSayEverything(t *testing.T) {
	for _, s := range catalogue() {
		m, ok := s.screen.(screens.Message)
		if !ok || strings.HasPrefix(s.name, "list") || strings.HasPrefix(s.name, "proposal") || strings.HasPrefix(s.name, "how") || strings.HasPrefix(s.name, "page") || strings.HasPrefix(s.name, "dri") || strings.HasPrefix(s.name, "secret-") || strings.HasPrefix(s.name, "run") || strings.HasPrefix(s.name, "sheet") || strings.HasPrefix(s.name, "incident") || strings.HasPrefix(s.name, "leak") || s.name == "review-task" || s.name == "help" || s.name == "line" || s.name == "killed" || s.name == "reach-none" || s.name == "step" {
			continue
		}
		head := []rune(html.UnescapeString(m.Text))
		head = head[:min(100, len(head))]
		verb, _, _ := strings.Cut(string(head), " ")
		if verb == "" || !strings.ContainsAny(string(head), "1") || !strings.Contains(string(head), "1h") {
			t.Errorf("%s: the first 100 characters are %q", s.name, string(head))
		}
	}
	if got := smallCard().Render().Text; got != "Approve? Maya Chen asks for Bastion hosts – shell for 1h: deploy hotfix" {
		t.Errorf("got %q", got)
	}
}

// T48: what does not fit on the card must be opened before it can be approved, and the card says what is missing.
func TestThreat_T48_ACutTextMustBeOpened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := usualCard()
		c.Reason = rapid.StringOfN(rapid.RuneFrom([]rune("ab \n<&\u202e\u200b*é")), 0, 1000, -1).Draw(t, "reason")
		c.Fields = []screens.Pair{{Label: "Note", Value: rapid.StringN(0, 400, -1).Draw(t, "note")}}
		m := c.Render()
		text := flat(t, m.Blocks)
		approves, reads := strings.Contains(text, screens.ActApprove), strings.Contains(text, screens.ActRead)
		if approves == reads {
			t.Fatalf("approve %v, read %v", approves, reads)
		}
		whole := strings.Contains(unquoted(t, m.Blocks), strings.TrimSpace(screens.Inert(c.Reason)))
		if approves && !whole {
			t.Fatalf("can be approved although the card does not show the whole reason %q", c.Reason)
		}
		if reads && !strings.Contains(text, "characters, sha256 ") {
			t.Fatalf("something is cut and nothing says so: %s", text)
		}
	})
}

// A document can only be approved from the modal that shows all of it.
func TestThreat_T48_ADocumentIsShownInFull(t *testing.T) {
	c := usualCard()
	c.Document = policy
	if text := flat(t, c.Render().Blocks); strings.Contains(text, screens.ActApprove) {
		t.Error("a document can be approved from its card")
	}
	doc := strings.Repeat("Line of the runbook with 50 characters in it ....\n", 2000)
	v := c.Decide(doc, "meta")
	if v.Submit == nil || !strings.Contains(strings.ReplaceAll(unquoted(t, v.Blocks.BlockSet), "\x00", ""), doc) {
		t.Error("the modal does not show the whole document")
	}
	if v := c.Decide(strings.Repeat("x", 200_000), "meta"); v.Submit != nil {
		t.Error("a document that does not fit can be approved")
	}
	for name, doc := range map[string]string{ // as many characters as fit, of which each takes three bytes, four, or six once it is escaped
		"kana": strings.Repeat("あ", 100_000), "beyond the plane": strings.Repeat("𐍈", 100_000), "angles": strings.Repeat("<", 100_000), "what fits": strings.Repeat("あ", 50_000),
	} {
		v := c.Decide(doc, "meta")
		raw, err := json.Marshal(v)
		if err != nil || len(raw) > 250_000 {
			t.Errorf("%s: Slack would refuse a view of %d bytes: %v", name, len(raw), err)
		}
		if approves := v.Submit != nil; approves != (name == "what fits") {
			t.Errorf("%s: can be approved: %t", name, approves)
		}
	}
	if v := c.Decide("", "meta"); v.Submit != nil {
		t.Error("a document that is not there can be approved")
	}
}

func flat(t interface{ Fatal(...any) }, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// unquoted is every text of the blocks as it is shown, one after the other.
func unquoted(t interface{ Fatal(...any) }, v any) string {
	var doc any
	if err := json.Unmarshal([]byte(flat(t, v)), &doc); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			if s, ok := x["text"].(string); ok {
				b.WriteString(s + "\x00")
			}
			for k, e := range x {
				if _, isText := e.(string); !isText && k != "confirm" {
					walk(e)
				}
			}
		}
	}
	walk(doc)
	return b.String()
}

// T47: no text of a person becomes markup, whatever it holds.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{
		"<!channel>", "<https://evil.example|Approve>", "<@U123>", "a & b", "&lt;!here&gt;", "\u202eevil", "zero\u200bwidth", "`*_~", "\xff\xfe", "a\nb\r\nc", "<!date^0^x|y>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := screens.Escape(s)
		if strings.ContainsAny(out, "<>\n") || !utf8.ValidString(out) {
			t.Fatalf("%q became %q", s, out)
		}
		for _, r := range out {
			if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) {
				t.Fatalf("%q keeps %U", s, r)
			}
		}
		for i := strings.Index(out, "&"); i >= 0; {
			rest := out[i:]
			if !strings.HasPrefix(rest, "&amp;") && !strings.HasPrefix(rest, "&lt;") && !strings.HasPrefix(rest, "&gt;") {
				t.Fatalf("%q leaves a bare & in %q", s, out)
			}
			next := strings.Index(rest[1:], "&")
			if next < 0 {
				break
			}
			i += 1 + next
		}
		if want := strings.ReplaceAll(screens.Inert(s), "\n", " "); html.UnescapeString(strings.ReplaceAll(out, "&amp;", "&amp;amp;")) != strings.ReplaceAll(want, "&", "&amp;") {
			t.Fatalf("%q became %q: something else than markup was changed", s, out)
		}
	})
}

// T47: whatever is typed anywhere, the screens hold no mention, link or broadcast that we did not put there.
func TestThreat_T47_TypedTextIsInert(t *testing.T) {
	const evil = "<!channel> <https://evil.example|Approve> <@U0EVIL> *bold*\u202e\u200b"
	c := usualCard()
	c.Reason, c.Holder, c.What = evil, evil, evil
	c.Requester.Name, c.Fields[0] = evil, screens.Pair{Label: evil, Value: evil}
	r := usualReady()
	r.Steps, r.Command, r.Host, r.Files = []string{evil}, evil, evil, []screens.Pair{{Label: evil, Value: evil}}
	g := usualGlass()
	g.Reason, g.Incident, g.Title, g.Invoker.Name = evil, evil, evil, evil
	o := screens.Outcome{ID: request, What: evil, Long: 60, Status: workflows.StatusDenied, By: screens.Person{Name: evil}, Reason: evil, Why: evil, Next: evil}
	l := screens.Line{At: at, By: screens.Person{Name: evil}, Did: evil, Reason: evil}
	for name, m := range map[string]screens.Message{
		"card": c.Render(), "ready": r.Render(), "invoked": g.Invoked(), "skipped": g.Skipped(), "outcome": o.Render(), "line": l.Render(),
		"refusal": screens.Say(screens.Refusal(workflows.Refuse("x", evil, evil))),
	} {
		if strings.ContainsAny(m.Text, "<>\u202e\u200b") {
			t.Errorf("%s: the notification is %q", name, m.Text)
		}
		for _, s := range markup(t, m.Blocks) {
			for _, bad := range []string{"<!channel>", "<https:", "<@U0EVIL>", "\u202e", "\u200b"} {
				if strings.Contains(s, bad) {
					t.Errorf("%s: %q stands in markup %q", name, bad, s)
				}
			}
		}
	}
}

// markup lists the texts that Slack reads as mrkdwn.
func markup(t *testing.T, v any) []string {
	var doc any
	if err := json.Unmarshal([]byte(flat(t, v)), &doc); err != nil {
		t.Fatal(err)
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			if x["type"] == "mrkdwn" {
				out = append(out, x["text"].(string))
			}
			for _, e := range x {
				walk(e)
			}
		}
	}
	walk(doc)
	return out
}

func TestCutSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		in          string
		most, lines int
		want        string
	}{
		{"short", 10, 3, "short"},
		{"", 10, 3, ""},
		{"éééééééééé", 10, 3, "éééééééééé"},
		{"ééééééééééé", 10, 3, "éééééééééé… +1 characters, sha256 "},
		{"a\nb\nc\nd", 10, 3, "a\nb\nc… +2 characters, sha256 "},
	} {
		got, cut := screens.Cut(c.in, c.most, c.lines)
		if !strings.HasPrefix(got, c.want) || cut != (got != c.in) {
			t.Errorf("Cut(%q) = %q, %v; want %q", c.in, got, cut, c.want)
		}
	}
}

func BenchmarkCard(b *testing.B) {
	c := usualCard()
	for b.Loop() {
		_ = c.Render()
	}
}

func BenchmarkLargeCard(b *testing.B) {
	c := largeCard()
	for b.Loop() {
		_ = c.Render()
	}
}
