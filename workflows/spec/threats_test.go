package spec_test

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/library"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func TestThreat_T23_YAMLTricksAreRefused(t *testing.T) {
	if n := fixtures(t, "yaml-*"); n < 45 {
		t.Errorf("%d files of tricks, want 45 at least", n)
	}
	t.Run("too large", func(t *testing.T) {
		t.Parallel()
		f := org(t)
		f["roles.yaml"].Data = append(f["roles.yaml"].Data, "\n# "+strings.Repeat("x", 256<<10)...)
		wantProblem(t, f, "roles.yaml: is larger than 256 KiB")
	})
}

// The files that came later are read by the same parser: each trick is refused in each of them, with its place.
func TestThreat_T23_TricksInEveryKindOfFile(t *testing.T) {
	t.Parallel()
	files := map[string]string{ // a line of each that stands there once, to put a trick behind
		"calendars.yaml": "calendars:\n", "rotations.yaml": "rotations:\n", "risk.yaml": "rows:\n", "conflicts.yaml": "conflicts:\n", "watch.yaml": "rules:\n", "campaigns.yaml": "campaigns:\n", "tests/cloud-admin.yaml": "tests:\n",
		"workflows/cloud-admin.yaml": "rules:\n", "people.yaml": "people:\n", "targets/cloud.yaml": "entitlements:\n",
	}
	for name, at := range files {
		for trick, x := range map[string]struct{ put, want string }{
			"anchor":          {at[:len(at)-1] + " &x\n", "anchors (&) are not allowed"},
			"alias":           {at + "  - *x\n", "aliases (*) are not allowed"},
			"merge key":       {at + "  - <<: {a: b}\n", "merge keys (<<) are not allowed"},
			"tag":             {at[:len(at)-1] + " !!seq\n", "tags (!!seq) are not allowed"},
			"second document": {"---\n" + at, "a second document (---) is not allowed"},
			"duplicate key":   {at + "  - {name: x, name: y}\n", "is already on line"},
			"tab":             {"\t" + at, "U+0009 (tab) is not allowed"},
			"carriage return": {at[:len(at)-1] + "\r\n", "U+000D (carriage return) is not allowed"},
			"right to left":   {"# \u202e\n" + at, "U+202E (bidirectional control) is not allowed"},
			"complex key":     {at + "  - ? x\n", "complex keys (?) are not allowed"},
			"directive":       {"%YAML 1.1\n" + at, "directives (%) are not allowed"},
			"unknown key":     {"surprise: 1\n" + at, `unknown key "surprise"`},
			"end mark":        {"...\n" + at, "document ends (...) are not allowed"},
			"bomb":            {at + strings.Repeat("[", 3000), "nested more than 32 deep"},
			"very many keys":  {strings.Repeat("k: 1\n", 300) + at, ""},
		} {
			t.Run(name+" "+trick, func(t *testing.T) {
				t.Parallel()
				f := company(t)
				edit(t, f, name, "\n"+at, "\n"+x.put)
				got := problems(t, f)
				if !strings.HasPrefix(got, name+":") || !strings.Contains(got, x.want) {
					t.Errorf("problems are\n%.300s\nwant %s: … %s", got, name, x.want)
				}
			})
		}
	}
}

// wantProblem loads the folder and wants one problem that begins with text.
func wantProblem(t *testing.T, f fstest.MapFS, text string) {
	t.Helper()
	got := problems(t, f)
	if !strings.HasPrefix(got, text) {
		t.Errorf("problems are\n%.400s\nwant\n%s", got, text)
	}
}

func TestThreat_T40_BombsAreRefusedBeforeTheParser(t *testing.T) {
	t.Parallel()
	bomb := func(levels int) string { // each level holds the one before it nine times
		s := "a0: &a0 [x, x]\n"
		for i := 1; i <= levels; i++ {
			prev, cur := string(rune('0'+i-1)), string(rune('0'+i))
			s += "a" + cur + ": &a" + cur + " [" + strings.Repeat("*a"+prev+",", 8) + "*a" + prev + "]\n"
		}
		return s
	}
	var nested strings.Builder
	for i := range 500 {
		nested.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, c := range map[string]struct{ yaml, want string }{
		"aliases, 6 levels":    {bomb(6), "roles.yaml:1:5: anchors (&) are not allowed"},
		"aliases, 9 levels":    {bomb(9), "roles.yaml:1:5: anchors (&) are not allowed"},
		"brackets, 20,000":     {"a: " + strings.Repeat("[", 20_000), "roles.yaml:1:35: nested more than 32 deep"},
		"brackets, 250,000":    {strings.Repeat("[", 250_000), "roles.yaml:1:33: nested more than 32 deep"},
		"braces":               {strings.Repeat("{a: ", 20_000), "roles.yaml:1:129: nested more than 32 deep"},
		"hidden closers":       {strings.Repeat(`["]", `, 20_000), "roles.yaml:1:193: nested more than 32 deep"},
		"dashes":               {strings.Repeat("- ", 100_000) + "x", "roles.yaml:1:65: nested more than 32 deep"},
		"questions":            {strings.Repeat("? ", 100_000) + "x", "roles.yaml:1:1: complex keys (?) are not allowed"},
		"indentation":          {nested.String(), "roles.yaml:33:34: nested more than 32 deep"},
		"keys in one place":    {strings.Repeat("a: b\n", 50_000), "roles.yaml:257:2: more than 256 keys in one place"},
		"keys in one brace":    {"a: {" + strings.Repeat("a: b, ", 40_000) + "}", "roles.yaml:1:"},
		"keys without a value": {strings.Repeat("a:\n", 80_000), "roles.yaml:257:2: more than 256 keys in one place"},
		"words":                {"a: [" + strings.Repeat("a,", 120_000) + "]", "roles.yaml:1:"},
		"tags":                 {strings.Repeat("!a ", 80_000), "roles.yaml:1:1: tags (!a) are not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := org(t)
			f["roles.yaml"] = &fstest.MapFile{Data: []byte(c.yaml)}
			wantProblem(t, f, c.want)
		})
	}
}

func TestThreat_T41_PatternsAreRE2AndShort(t *testing.T) {
	if n := fixtures(t, "pattern-*"); n < 5 {
		t.Errorf("%d broken patterns, want 5 at least", n)
	}
}

// FuzzPattern: a pattern that Load accepts is one that the engine can compile, of at most 200 characters, and that does
// not match the empty text.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"OPS-[0-9]+", `(a+)+$`, `(?=x)`, `\1`, "x{1000}{1000}", "[", "a|", `(?i)x`, strings.Repeat("a", 201)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o := org(t)
		quoted := strings.ReplaceAll(s, "'", "''")
		edit(t, o, "workflows/prod-shell.yaml", "'OPS-[0-9]{1,6}'", "'"+quoted+"'")
		folder, err := spec.Load(o, connectors())
		if err != nil {
			return
		}
		p, err := folder.Compile(ids)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Workflows["prod-shell"].Workflow.Fields[0].Pattern
		re, err := regexp.Compile(`^(?:` + got + `)$`)
		if err != nil || len([]rune(got)) > 200 || re.MatchString("") {
			t.Fatalf("pattern %q was accepted (%v)", got, err)
		}
	})
}

func TestThreat_T52_DurationsHaveTheirOwnGrammar(t *testing.T) {
	for _, c := range []struct {
		in   string
		want workflows.Span
		err  string
	}{
		{"1m", 60, ""},
		{"30m", 1800, ""},
		{"9999m", 599940, ""},
		{"4h", 14400, ""},
		{"8784h", 366 * 86400, ""},
		{"2d", 172800, ""},
		{"366d", 366 * 86400, ""},
		{"367d", 0, `duration "367d" is longer than 366d`},
		{"9999d", 0, `duration "9999d" is longer than 366d`},
		{"9999h", 0, `duration "9999h" is longer than 366d`},
		{"10000m", 0, `bad duration "10000m"`},
		{"0m", 0, `bad duration "0m"`},
		{"00", 0, `bad duration "00"`},
		{"01h", 0, `bad duration "01h"`},
		{"", 0, `bad duration ""`},
		{"h", 0, `bad duration "h"`},
		{"5", 0, `bad duration "5"`},
		{"1h1h1h", 0, `bad duration "1h1h1h"`},
		{"1h30m", 0, `bad duration "1h30m"`},
		{"+8h", 0, `bad duration "+8h"`},
		{"-1h", 0, `bad duration "-1h"`},
		{" 1h", 0, `bad duration " 1h"`},
		{"1 h", 0, `bad duration "1 h"`},
		{"1.5h", 0, `bad duration "1.5h"`},
		{"1e3h", 0, `bad duration "1e3h"`},
		{"1H", 0, `bad duration "1H"`},
		{"1s", 0, `bad duration "1s"`},
		{"1w", 0, `bad duration "1w"`},
		{"9223372036s", 0, `bad duration "9223372036s"`},
		{"١h", 0, `bad duration "١h"`}, // an Arabic-Indic digit
		{"1ｈ", 0, `bad duration "1ｈ"`}, // a full-width h
	} {
		got, err := spec.ParseSpan(c.in)
		msg := ""
		if err != nil {
			msg = err.Error()
		}
		if got != c.want || msg != c.err {
			t.Errorf("ParseSpan(%q) = %d, %q, want %d, %q", c.in, got, msg, c.want, c.err)
		}
	}
	if n := fixtures(t, "duration-*"); n < 14 {
		t.Errorf("%d broken durations in files, want 14 at least", n)
	}
}

// FuzzSpan: what is accepted is of the grammar, positive, at most a leap year, and what time.ParseDuration makes of it.
func FuzzSpan(f *testing.F) {
	for _, s := range []string{"1m", "4h", "2d", "9999d", "1h1h", "+8h", "-1h", "9223372036s", "0h", "１h"} {
		f.Add(s)
	}
	grammar := regexp.MustCompile(`^[1-9][0-9]{0,3}[mhd]$`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := spec.ParseSpan(s)
		if err != nil {
			if got != 0 {
				t.Fatalf("ParseSpan(%q) = %d beside an error", s, got)
			}
			return
		}
		if !grammar.MatchString(s) || got <= 0 || got > 366*86400 {
			t.Fatalf("ParseSpan(%q) = %d", s, got)
		}
		if !strings.HasSuffix(s, "d") {
			if d, err := time.ParseDuration(s); err != nil || d != got.Duration() {
				t.Fatalf("ParseSpan(%q) = %v, time says %v %v", s, got.Duration(), d, err)
			}
		}
	})
}

func TestThreat_T61_ConfusableIDsAreRefused(t *testing.T) {
	if n := fixtures(t, "char-*"); n < 10 {
		t.Errorf("%d files with confusable characters, want 10 at least", n)
	}
	t.Run("any id is ASCII", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			r := rapid.Rune().Filter(func(r rune) bool { return r >= 0x80 }).Draw(rt, "letter")
			f := org(t)
			edit(t, f, "people.yaml", "name: on-call,", "name: on-c"+string(r)+"ll,")
			if problems(t, f) == "" {
				rt.Fatalf("an id with %U was accepted", r)
			}
		})
	})
	t.Run("names are in normal form C", func(t *testing.T) {
		for s, want := range map[string]string{
			"Frida Lünd":                     "",
			"Frida Lu\u0308nd":               "U+0308 (invisible)",
			"\u1112\u1161\u11ab":             "U+1161", // Hangul in parts
			"한글":                             "",
			"\u212bngström":                  "U+212B", // the unit, not the letter
			"q\u0323\u0307":                  "",
			"q\u0307\u0323":                  "U+0323", // marks out of order
			"\u1e88\u0327":                   "",       // the lower mark stays apart: nothing composes with it
			"\u015b\u0327":                   "U+0327", // here it would
			"\u0ccb\u0327":                   "",       // two vowel signs in one, which no mark gets between
			"ẹ\u0301":                        "",       // Yoruba: there is no one character for it
			"\u0301 alone":                   "",
			strings.Repeat("a\u0300", 2)[1:]: "U+0300",
		} {
			got := spec.NotNFC(s)
			if (got == "") != (want == "") || !strings.HasPrefix(got, strings.TrimSuffix(want, " (invisible)")) {
				t.Errorf("NotNFC(%+q) = %q, want %q", s, got, want)
			}
		}
	})
}

func TestThreat_T06_NamesDecideNothing(t *testing.T) {
	if n := fixtures(t, "display-name-*"); n < 5 {
		t.Errorf("%d files with display names, want 5 at least", n)
	}
	want := hashes(compiled(t, org(t)))
	names := []string{"Alice Ng", "Bob Okafor", "Chandra Rao", "Dai Tanaka", "Erin Walsh", "Frida Lund", "Alice (CISO)", "frida"}
	t.Run("renaming people changes no policy", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			f := org(t)
			for i, n := range rapid.Permutation(names).Draw(rt, "names")[:6] {
				edit(t, f, "people.yaml", "    name: "+names[i]+"\n", "    name: \x00"+n+"\n")
			}
			f["people.yaml"].Data = []byte(strings.ReplaceAll(string(f["people.yaml"].Data), "\x00", ""))
			if diff := cmp.Diff(want, hashes(compiled(t, f))); diff != "" {
				rt.Fatalf("policies changed:\n%s", diff)
			}
		})
	})
}

func TestReq_R1_TargetWithoutOwnerIsRefused(t *testing.T) {
	if n := fixtures(t, "target-no-*"); n < 2 {
		t.Errorf("%d targets without owner or entitlements, want 2", n)
	}
}

func TestReq_R74_InlineSecretsAreRefused(t *testing.T) {
	if n := fixtures(t, "secret-*"); n < 8 {
		t.Errorf("%d inline secrets, want 8 at least", n)
	}
	for setting, refused := range map[string]bool{
		"dsn_file: /run/secrets/x":                          false,
		"dsn_env: PG_DSN":                                   false,
		"password_env: PG_PASSWORD":                         false,
		"dsn_vault: secret/data/countersign/pg#dsn":         false,
		"dsn_vault: secret/data/countersign/pg":             true,
		"dsn_vault: ../sys/seal#x":                          true,
		"dsn_vault: hvs.0123456789abcdefghij":               true,
		"host: db.example.com":                              false,
		"host_key: SHA256:" + strings.Repeat("aB3", 14):     false,
		"public_key: " + strings.Repeat("aB3", 14):          true, // looks like a key of another kind: better asked than kept
		"region: eu-central-1":                              false,
		"ca: /etc/ssl/certs/internal-root-2026.pem":         false,
		"url: https://vault.example.com:8200/v1":            false,
		"url: https://bot@vault.example.com":                false,
		"url: https://bot:pw@vault.example.com":             true,
		"token: x":                                          true,
		"api_key: x":                                        true,
		"bind_password: x":                                  true,
		"passphrase: x":                                     true,
		"dsn_env: postgres://x":                             true,
		"dsn_env: pg_dsn":                                   true,
		"fingerprint: " + strings.Repeat("0123456789ab", 3): true,
		`pem: "-----BEGIN OPENSSH PRIVATE KEY-----"`:        true,
		"note: ghp_0123456789abcdefghij":                    true,
		"note: AKIA0123456789ABCDEF":                        true,
		"note: the password is kept elsewhere":              false,
	} {
		f := org(t)
		edit(t, f, "targets/pg-main.yaml", "dsn_file: /run/secrets/pg-main.dsn", setting)
		if got := problems(t, f); (got != "") != refused {
			t.Errorf("setting %q: problems %q, want refused: %v", setting, got, refused)
		}
	}
	if _, err := spec.Load(library.FS(), connectors()); err != nil {
		t.Errorf("the ready-made start: %v", err)
	}
}
