package workflows_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// filled checks one value of one field, as of the start of the stories.
func filled(f workflows.Field, v string) (value, problem string) {
	in := form()
	f.Name = "f"
	in.Values, in.At = map[string]string{"f": v}, storytest.Start().UTC
	c, bad := formOf(f).CheckForm(in)
	if len(bad) > 0 {
		return "", bad[0].Text
	}
	return c.Fields["f"] + c.Texts["f"], ""
}

// Whoever fills in a form wrongly reads what would be right, in the words of the field.
func TestFieldProblemsSayWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	const when = "Type it as 2026-11-22 15:04."
	const id = "This is no id: small letters, digits and hyphens, as in the list."
	const control = "Remove control and direction-changing characters."
	number := workflows.Field{Type: workflows.FieldNumber, Least: "-5", Most: "5"}
	length := workflows.Field{Type: workflows.FieldDuration, Least: "30m", Most: "2d"}
	date := workflows.Field{Type: workflows.FieldDateTime, Least: "1h", Most: "2d"}
	text := workflows.Field{Type: workflows.FieldText}
	ticket := workflows.Field{Type: workflows.FieldTicket, Pattern: "OPS-[0-9]+"}
	helped := workflows.Field{Type: workflows.FieldTicket, Pattern: "OPS-[0-9]+", Help: "The number of the ticket, such as OPS-7."}
	choice := workflows.Field{Type: workflows.FieldChoice, Choices: []string{"eu", "us"}}
	target := workflows.Field{Type: workflows.FieldTarget}
	for _, c := range []struct {
		field         workflows.Field
		value         string
		want, problem string
	}{
		{number, "5", "5", ""},
		{number, "-5", "-5", ""},
		{number, "-0", "0", ""},
		{number, "6", "", "At most 5."},
		{number, "-6", "", "At least -5."},
		{number, "five", "", "This must be a whole number."},
		{number, "1.0", "", "This must be a whole number."},
		{number, "0x5", "", "This must be a whole number."},
		{number, "1_0", "", "This must be a whole number."},
		{number, "++5", "", "This must be a whole number."},
		{number, "", "", "This is needed."},
		{length, "30m", "30m", ""},
		{length, "48h", "2d", ""},
		{length, "120m", "2h", ""},
		{length, "29m", "", "At least 30m."},
		{length, "49h", "", "At most 2d."},
		{length, "half an hour", "", "Type it as 30m, 4h or 2d."},
		{length, "30M", "", "Type it as 30m, 4h or 2d."},
		{date, "2026-11-02T10:00:00Z", "2026-11-02T10:00:00.000000Z", ""},
		{date, "2026-11-02T09:59:59.999999Z", "", "Not sooner than 1h from now."},
		{date, "2026-11-04T09:00:00Z", "2026-11-04T09:00:00.000000Z", ""},
		{date, "2026-11-04T09:00:00.000001Z", "", "Not later than 2d from now."},
		{date, "2026-11-02 10:00", "", when},
		{date, "2026-02-30T10:00:00Z", "", when},
		{date, "1999-12-31T23:59:59Z", "", when},
		{date, "3000-01-01T00:00:00Z", "", when},
		{workflows.Field{Type: workflows.FieldDateTime}, "2000-01-01T00:00:00Z", "2000-01-01T00:00:00.000000Z", ""},
		{workflows.Field{Type: workflows.FieldDateTime}, "2999-12-31T23:59:59Z", "2999-12-31T23:59:59.000000Z", ""},
		{choice, "eu", "eu", ""},
		{choice, "EU", "", "Pick one of: eu, us."},
		{choice, "eu, us", "", "Pick one of: eu, us."},
		{ticket, "OPS-7", "OPS-7", ""},
		{ticket, "ops-7", "", "This must look like OPS-[0-9]+."},
		{helped, "ops-7", "", "This does not have the right form. The number of the ticket, such as OPS-7."},
		{ticket, "OPS-7\nOPS-8", "", "One line only."},
		{text, strings.Repeat("ü", workflows.MaxFieldText), strings.Repeat("ü", workflows.MaxFieldText), ""},
		{text, strings.Repeat("ü", workflows.MaxFieldText+1), "", "At most 1000 characters."},
		{text, "a\nb", "a\nb", ""},
		{text, "a\u200bb", "", control},
		{workflows.Field{Type: workflows.FieldText, MaxLen: 2}, " üü ", "üü", ""},
		{workflows.Field{Type: workflows.FieldText, MaxLen: 2}, "üüü", "", "At most 2 characters."},
		{target, strings.Repeat("x", 63), strings.Repeat("x", 63), ""},
		{target, strings.Repeat("x", 64), "", id},
		{target, "pg-", "pg-", ""},
		{target, "-pg", "", id},
		{target, "pg.main", "", id},
		{target, "größe", "", id},
		{workflows.Field{Type: workflows.FieldIdentity}, "Svc", "", id},
		{workflows.Field{Type: workflows.FieldSSHKey}, "-----BEGIN OPENSSH PRIVATE KEY-----", "", "This is a private key. Never paste it anywhere; paste the line of the .pub file, and make a new key."},
		{workflows.Field{Type: workflows.FieldSSHKey}, "ssh-ed25519", "", "Paste the one whole line of your public key file, such as ~/.ssh/id_ed25519.pub."},
	} {
		if got, problem := filled(c.field, c.value); got != c.want || problem != c.problem {
			t.Errorf("%s %.30q: %.40q, %q", c.field.Type, c.value, got, problem)
		}
		c.field.Optional = true
		if got, problem := filled(c.field, " \t"); got != "" || problem != "" {
			t.Errorf("%s left empty: %q, %q", c.field.Type, got, problem)
		}
	}
}

// The limits of a date count from when the form was filled in; where that is not known, they are not looked at, and the rest is.
func TestDatesWithoutAMomentHaveNoLimits(t *testing.T) {
	t.Parallel()
	w := formOf(workflows.Field{Name: "f", Type: workflows.FieldDateTime, Least: "1h", Most: "2d"})
	for v, want := range map[string]string{"2030-01-01T00:00:00Z": "", "2001-01-01T00:00:00+01:00": "", "1999-01-01T00:00:00Z": "f", "soon": "f"} {
		f := form()
		f.Values = map[string]string{"f": v}
		if _, bad := w.CheckForm(f); problems(bad) != want {
			t.Errorf("%s: complains about %q", v, problems(bad))
		}
	}
}

// What a typed field records is a spelling that it reads again as the same value, and values that are the same have one spelling.
func TestTypedFieldsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(-1<<53+1, 1<<53-1).Draw(t, "n")
		minutes := rapid.IntRange(1, 9999).Draw(t, "minutes")
		at := storytest.Start().UTC.Add(time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "seconds")) * time.Second)
		zone := time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "zone")*3600)
		for _, c := range []struct {
			kind  string
			ways  []string
			exact string
		}{
			{workflows.FieldNumber, []string{fmt.Sprintf("%d", n), fmt.Sprintf("%+d", n), fmt.Sprintf(" %+020d ", n)}, fmt.Sprint(n)},
			{workflows.FieldDuration, []string{fmt.Sprintf("%dm", minutes)}, workflows.Span(minutes * 60).String()},
			{workflows.FieldDateTime, []string{at.Time().Format(time.RFC3339), at.Time().In(zone).Format(time.RFC3339)}, at.String()},
		} {
			for _, v := range append(c.ways, c.exact) {
				if got, problem := filled(workflows.Field{Type: c.kind}, v); got != c.exact || problem != "" {
					t.Fatalf("%s %q: %q (%s), want %q", c.kind, v, got, problem, c.exact)
				}
			}
		}
	})
}

// Of a form, a text is sealed and everything else stands in the leaf; no value stands in both, and no optional blank in either.
func TestFieldsLieInOnePlace(t *testing.T) {
	t.Parallel()
	w := formOf(
		workflows.Field{Name: "note", Type: workflows.FieldText}, workflows.Field{Name: "more", Type: workflows.FieldText, Optional: true},
		workflows.Field{Name: "rows", Type: workflows.FieldNumber}, workflows.Field{Name: "on", Type: workflows.FieldTarget, Optional: true},
	)
	f := form()
	f.Values = map[string]string{"note": "ann's laptop", "rows": "7", "on": " ", "more": ""}
	c, bad := w.CheckForm(f)
	if len(bad) > 0 || len(c.Texts) != 1 || c.Texts["note"] != "ann's laptop" || len(c.Fields) != 1 || c.Fields["rows"] != "7" {
		t.Errorf("%v: fields %v, texts %v", bad, c.Fields, c.Texts)
	}
	if f.Values["on"] != " " || f.Reason != "index is broken" {
		t.Error("checking a form changes it")
	}
}

// The longest access is the smaller cap; a window and a runbook have the workflow's own, since what they approve does not last as access does.
func TestLongestOfEachKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind    workflows.RequestKind
		cap     workflows.Span // of the entitlement; the workflow's is 8h
		longest workflows.Span
	}{
		{workflows.KindElevation, 4 * 3600, 4 * 3600},
		{workflows.KindCredential, 4 * 3600, 4 * 3600},
		{workflows.KindElevation, 0, 8 * 3600},
		{workflows.KindElevation, 9 * 3600, 8 * 3600},
		{workflows.KindWindow, 4 * 3600, 8 * 3600},
		{workflows.KindPreapprove, 4 * 3600, 8 * 3600},
	} {
		w := formOf()
		w.Kind, w.Entitlements[0].Longest = c.kind, c.cap
		for seconds, want := range map[workflows.Span]string{59: "duration", 60: "", c.longest: "", c.longest + 1: "duration"} {
			f := form()
			f.Seconds = seconds
			_, bad := w.CheckForm(f)
			if problems(bad) != want {
				t.Errorf("%s with a cap of %s: %s complains about %q", c.kind, c.cap, seconds, problems(bad))
			}
			if text := "Ask for 1m to " + c.longest.String() + "."; want != "" && bad[0].Text != text {
				t.Errorf("%s: %s", c.kind, bad[0].Text)
			}
		}
	}
}

// A pattern is held against the whole value, and one that does not stand alone matches nothing.
func TestMatchesWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"a|b", "a", true},
		{"a|b", "b", true},
		{"a|b", "ab", false},
		{"a|ab", "ab", true},
		{"^a$", "a", true},
		{"a", "a\n", false},
		{"(?m)^a$", "b\na", false},
		{"(?s).*", "a\nb", true},
		{".*", "a\nb", false},
		{"", "", true},
		{"", "a", false},
		{"a)|(b", "a", false},
		{"[", "[", false},
		{"(?i)inc-[0-9]+", "INC-7", true},
		{`\d{3}`, "1234", false},
	} {
		if got := workflows.MatchesWhole(c.pattern, c.value); got != c.want {
			t.Errorf("%q of %q: %t", c.pattern, c.value, got)
		}
	}
}

func ExampleWorkflow_CheckForm() {
	w := workflows.Workflow{
		Kind: workflows.KindElevation, Longest: 4 * 3600, ReasonMin: 10,
		Entitlements: []workflows.Entitlement{{Target: "pg-main", ID: "reader"}},
		Fields:       []workflows.Field{{Name: "rows", Type: workflows.FieldNumber, Most: "100"}},
	}
	_, bad := w.CheckForm(workflows.Form{Target: "pg-main", Entitlement: "reader", Seconds: 5 * 3600, Reason: "slow", Values: map[string]string{"rows": "101"}})
	for _, b := range bad {
		fmt.Printf("%s: %s\n", b.Field, b.Text)
	}
	// Output:
	// duration: Ask for 1m to 4h.
	// reason: Say why, in 10 to 1000 characters.
	// rows: At most 100.
}

func ExampleParseSpan() {
	for _, s := range []string{"90m", "24h", "1h30m"} {
		span, ok := workflows.ParseSpan(s)
		fmt.Println(span, ok)
	}
	// Output:
	// 90m true
	// 1d true
	// 0m false
}
