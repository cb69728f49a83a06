package workflows_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/workflows"
)

// formOf is a workflow with one field of every type.
func formOf(fields ...workflows.Field) *workflows.Workflow {
	x, err := newWorld("peers(ann)x1")
	if err != nil {
		panic(err)
	}
	x.w.Fields = fields
	return x.w
}

func TestCheckFormLimits(t *testing.T) {
	t.Parallel()
	text := func(n int) string { return strings.Repeat("ü", n) }
	for _, c := range []struct {
		name   string
		change func(*workflows.Form)
		field  string // that is complained about; empty: nothing
	}{
		{"as it should be", func(*workflows.Form) {}, ""},
		{"a minute", func(f *workflows.Form) { f.Seconds = 60 }, ""},
		{"less than a minute", func(f *workflows.Form) { f.Seconds = 59 }, workflows.FormDuration},
		{"no time", func(f *workflows.Form) { f.Seconds = 0 }, workflows.FormDuration},
		{"negative time", func(f *workflows.Form) { f.Seconds = -3600 }, workflows.FormDuration},
		{"the longest of the entitlement", func(f *workflows.Form) { f.Seconds = 4 * 3600 }, ""},
		{"a second more", func(f *workflows.Form) { f.Seconds = 4*3600 + 1 }, workflows.FormDuration},
		{"overflow", func(f *workflows.Form) { f.Seconds = 1 << 62 }, workflows.FormDuration},
		{"the shortest reason", func(f *workflows.Form) { f.Reason = text(5) }, ""},
		{"a shorter reason", func(f *workflows.Form) { f.Reason = text(4) }, workflows.FormReason},
		{"a reason of blanks", func(f *workflows.Form) { f.Reason = strings.Repeat(" ", 50) }, workflows.FormReason},
		{"a reason padded with blanks", func(f *workflows.Form) { f.Reason = text(4) + strings.Repeat("\n", 50) }, workflows.FormReason},
		{"the longest reason", func(f *workflows.Form) { f.Reason = text(workflows.MaxReason) }, ""},
		{"a longer reason", func(f *workflows.Form) { f.Reason = text(workflows.MaxReason + 1) }, workflows.FormReason},
		{"several lines", func(f *workflows.Form) { f.Reason = "one\r\n\ttwo" }, ""},
		{"another entitlement", func(f *workflows.Form) { f.Entitlement = "admin" }, workflows.FormEntitlement},
		{"another target", func(f *workflows.Form) { f.Target = "pg-other" }, workflows.FormEntitlement},
		{"no entitlement", func(f *workflows.Form) { f.Target, f.Entitlement = "", "" }, workflows.FormEntitlement},
		{"a field that is not there", func(f *workflows.Form) { f.Values = map[string]string{"host": "db1"} }, "host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := form()
			c.change(&f)
			_, bad := formOf().CheckForm(f)
			if got := problems(bad); got != c.field {
				t.Errorf("complains about %q, want %q", got, c.field)
			}
		})
	}
}

func problems(bad []workflows.FieldProblem) string {
	var names []string
	for _, b := range bad {
		names = append(names, b.Field)
	}
	return strings.Join(names, " ")
}

// Every problem is named at once, in the order of the form, strangers in order of their names.
func TestCheckFormNamesEveryProblem(t *testing.T) {
	t.Parallel()
	w := formOf(workflows.Field{Name: "host", Type: workflows.FieldText})
	for range 20 {
		_, bad := w.CheckForm(workflows.Form{Values: map[string]string{"z": "1", "a": "1", "m": "1"}})
		if got := problems(bad); got != "entitlement duration reason host a m z" {
			t.Fatal(got)
		}
	}
}

func TestThreat_T47_TextThatReadsDifferently(t *testing.T) {
	t.Parallel()
	w := formOf(workflows.Field{Name: "note", Type: workflows.FieldText})
	for _, r := range []rune{
		0x00, 0x07, 0x1b, 0x7f, 0x85, 0x9b, // controls
		0x00ad, 0x061c, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2060, 0x2064, 0xfeff, // unseen, marks
		0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, // direction
		0x2028, 0x2029, 0xfff9, 0xfffd, 0xe0001, 0xe0041, // separators, annotation, unknown, tags
	} {
		f := form()
		f.Reason, f.Values = "pay "+string(r)+"now", map[string]string{"note": "pay " + string(r) + "now"}
		if _, bad := w.CheckForm(f); problems(bad) != "reason note" {
			t.Errorf("%U in reason and note: complains about %q", r, problems(bad))
		}
	}
	f := form()
	f.Reason, f.Values = "broken \xff\xfe bytes", map[string]string{"note": "broken \xff\xfe bytes"}
	if _, bad := w.CheckForm(f); problems(bad) != "reason note" {
		t.Errorf("bytes that are no text: complains about %q", problems(bad))
	}
	// Markup is text: it is kept as written, and screens escape it.
	f.Reason, f.Values = "<!channel> *now* `rm` <https://x|y> &amp;", map[string]string{"note": "=cmd|' /C calc'!A0"}
	c, bad := w.CheckForm(f)
	if len(bad) != 0 || c.Reason != f.Reason || c.Texts["note"] != f.Values["note"] {
		t.Errorf("markup: %v %+v", bad, c)
	}
}

func TestCheckFormFields(t *testing.T) {
	t.Parallel()
	ticket := workflows.Field{Name: "f", Type: workflows.FieldTicket, Pattern: "INC-[0-9]{1,7}"}
	choice := workflows.Field{Name: "f", Type: workflows.FieldChoice, Choices: []string{"eu", "us"}}
	text := workflows.Field{Name: "f", Type: workflows.FieldText}
	short := workflows.Field{Name: "f", Type: workflows.FieldText, MaxLen: 3}
	optional := workflows.Field{Name: "f", Type: workflows.FieldText, Optional: true}
	with := func(f workflows.Field, pattern string) workflows.Field {
		f.Pattern = pattern
		return f
	}
	for _, c := range []struct {
		field workflows.Field
		value string
		want  string // as recorded; "!" is a problem
	}{
		{ticket, "INC-1", "INC-1"},
		{ticket, "  INC-1\n", "INC-1"},
		{ticket, "INC-12345678", "!"},
		{ticket, "xINC-1", "!"},
		{ticket, "INC-1 or so", "!"},
		{ticket, "INC-1\nINC-2", "!"},
		{ticket, "", "!"},
		{with(ticket, ""), "one line", "one line"},
		{with(ticket, ""), "two\nlines", "!"},
		{with(ticket, "a|b"), "a", "a"},
		{with(ticket, "a|b"), "ab", "!"},
		{with(ticket, "a)|(b"), "b", "!"},
		{with(ticket, "(?m)^a$"), "a", "a"},
		{with(text, "(?m)a$"), "a\nb", "!"},
		{with(text, "(?s).*"), "a\nb", "a\nb"},
		{with(ticket, "("), "(", "!"},
		{choice, "eu", "eu"},
		{choice, "EU", "!"},
		{choice, "eu us", "!"},
		{choice, "", "!"},
		{short, "abc", "abc"},
		{short, "üüü", "üüü"},
		{short, "abcd", "!"},
		{text, strings.Repeat("x", workflows.MaxFieldText), strings.Repeat("x", workflows.MaxFieldText)},
		{text, strings.Repeat("x", workflows.MaxFieldText+1), "!"},
		{text, " \t ", "!"},
		{optional, "", ""},
		{optional, "  ", ""},
		{optional, "x", "x"},
	} {
		f := form()
		f.Values = map[string]string{"f": c.value}
		clean, bad := formOf(c.field).CheckForm(f)
		got := clean.Fields["f"] + clean.Texts["f"]
		if len(bad) > 0 {
			got = "!"
		}
		if got != c.want {
			t.Errorf("%s %q with %q: %q, want %q", c.field.Type, c.field.Pattern, c.value, got, c.want)
		}
		if _, sealed := clean.Texts["f"]; len(bad) == 0 && c.want != "" && sealed != (c.field.Type == workflows.FieldText) {
			t.Errorf("%s is sealed: %t", c.field.Type, sealed)
		}
	}
}

// publicKeys makes one line of each kind of key that OpenSSH writes, without comment.
func publicKeys(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	add := func(name string, pub any) {
		t.Helper()
		k, err := ssh.NewPublicKey(pub)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	add("ed25519", ed)
	for name, c := range map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384(), "p521": elliptic.P521()} {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		add(name, &k.PublicKey)
	}
	// The largest RSA key that fits: no need to find primes for a public half.
	n := new(big.Int).Lsh(big.NewInt(1), 16383)
	add("rsa", &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537})
	sk := func(kind string, words ...string) string {
		blob := ssh.Marshal(struct{ Kind string }{kind})
		for _, w := range words {
			blob = append(blob, ssh.Marshal(struct{ W string }{w})...)
		}
		line := kind + " " + base64.StdEncoding.EncodeToString(blob)
		if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		return line
	}
	out["sk-ed25519"] = sk("sk-ssh-ed25519@openssh.com", string(ed), "ssh:")
	p, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := p.PublicKey.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	out["sk-ecdsa"] = sk("sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", string(point.Bytes()), "ssh:")
	return out
}

func TestCheckFormSSHKey(t *testing.T) {
	t.Parallel()
	w := formOf(workflows.Field{Name: "key", Type: workflows.FieldSSHKey})
	check := func(v string) (string, string) {
		f := form()
		f.Values = map[string]string{"key": v}
		c, bad := w.CheckForm(f)
		if len(bad) > 0 {
			return "", bad[0].Text
		}
		return c.Fields["key"], ""
	}
	refused := func(what, v, why string) {
		t.Helper()
		if got, text := check(v); got != "" || !strings.Contains(text, why) {
			t.Errorf("%s: %q, %q", what, got, text)
		}
	}
	keys := publicKeys(t)
	for name, line := range keys {
		for _, v := range []string{line, line + " ann@laptop", "  " + line + "\tann smith \n", strings.Replace(line, " ", "   ", 1)} {
			if got, text := check(v); got != line {
				t.Errorf("%s: %q, %q", name, got, text)
			}
		}
		kind, body, _ := strings.Cut(line, " ")
		blob, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(blob) {
			if n > 100 && n < len(blob)-100 {
				continue // the middle of a long number
			}
			if got, _ := check(kind + " " + base64.StdEncoding.EncodeToString(blob[:n])); got != "" {
				t.Errorf("%s cut to %d of %d bytes is accepted", name, n, len(blob))
			}
		}
		refused(name+" with a tail", kind+" "+base64.StdEncoding.EncodeToString(append(blob, 0)), "part is missing")
		refused(name+" with a part more", kind+" "+base64.StdEncoding.EncodeToString(append(blob, 0, 0, 0, 1, 'x')), "part is missing")
		refused(name+" cut in the text", line[:len(line)-3], "")
		refused(name+" alone", body, "whole line")
		refused(name+" under another name", "ssh-dss "+body, "differ")
		refused(name+" with options", `from="10.0.0.1" `+line, "")
		refused(name+" twice", line+"\n"+line, "one whole line")
		refused(name+" broken over lines", kind+"\n"+body, "one whole line")
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "ann")
	if err != nil {
		t.Fatal(err)
	}
	secret := string(pem.EncodeToMemory(block))
	refused("a private key", secret, "private key")
	refused("a long private key", secret+strings.Repeat("A", workflows.MaxSSHKey), "private key")
	refused("a private key with a bell", "\a"+secret, "private key")
	if _, text := check(secret); strings.Contains(text, strings.Split(secret, "\n")[1][:10]) {
		t.Error("the answer repeats the private key")
	}
	refused("a word", "ssh-ed25519", "whole line")
	refused("nothing", " ", "needed")
	refused("no base64", "ssh-ed25519 ????", "does not decode")
	refused("an empty body", "ssh-ed25519 =", "does not decode")
	refused("a file", keys["rsa"]+" "+strings.Repeat("c", workflows.MaxSSHKey), "At most")
	refused("marks inside", strings.Replace(keys["ed25519"], " ", " \u202e", 1), "control")
}

// FuzzCheckForm: whatever is pasted, an accepted form holds what it promises, and checking it again changes nothing.
func FuzzCheckForm(f *testing.F) {
	for _, line := range publicKeys(f) {
		f.Add(int64(3600), "index is broken", line+" ann@laptop", "INC-1", "eu")
	}
	f.Add(int64(-1), "\u202e", "-----BEGIN OPENSSH PRIVATE KEY-----", "INC)|(", "\x00")
	f.Add(int64(60), "abcde", "ssh-ed25519 AAAA", "a\nb", "")
	w := formOf(
		workflows.Field{Name: "key", Type: workflows.FieldSSHKey}, workflows.Field{Name: "ticket", Type: workflows.FieldTicket, Pattern: "INC-[0-9]{1,7}", Optional: true},
		workflows.Field{Name: "note", Type: workflows.FieldText, Optional: true},
	)
	f.Fuzz(func(t *testing.T, seconds int64, reason, key, ticket, note string) {
		in := form()
		in.Seconds, in.Reason = workflows.Span(seconds), reason
		in.Values = map[string]string{"key": key, "ticket": ticket, "note": note}
		c, bad := w.CheckForm(in)
		for _, b := range bad {
			if b.Field == "" || b.Text == "" || !utf8.ValidString(b.Text) {
				t.Fatalf("problem %+v", b)
			}
		}
		if len(bad) > 0 {
			return
		}
		for _, v := range []string{c.Reason, c.Fields["key"], c.Fields["ticket"], c.Texts["note"]} {
			if !utf8.ValidString(v) || strings.ContainsFunc(v, func(r rune) bool { return unicode.Is(unicode.Cf, r) || r == 0x1b || r == 0 }) {
				t.Fatalf("accepted %q", v)
			}
		}
		if n := utf8.RuneCountInString(c.Reason); n < 5 || n > workflows.MaxReason || c.Seconds < 60 || c.Seconds > 4*3600 {
			t.Fatalf("accepted %d s for a reason of %d characters", c.Seconds, n)
		}
		if strings.Count(c.Fields["key"], " ") != 1 || strings.Contains(c.Fields["key"], "PRIVATE") {
			t.Fatalf("accepted key %q", c.Fields["key"])
		}
		again := in
		again.Reason, again.Values = c.Reason, map[string]string{"key": c.Fields["key"], "ticket": c.Fields["ticket"], "note": c.Texts["note"]}
		c2, bad := w.CheckForm(again)
		if len(bad) > 0 {
			t.Fatalf("refuses what it had cleaned: %v", bad)
		}
		if d := cmp.Diff(c, c2); d != "" {
			t.Fatalf("cleaning twice differs:\n%s", d)
		}
		if _, err := json.Marshal(c); err != nil {
			t.Fatal(err)
		}
	})
}
