package command_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/command"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

var start = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

func order(id string) runbooks.Grant {
	return runbooks.Grant{
		ID: workflows.GrantID(id), Request: "r_1", Identity: "p_1", Holder: "Maya Chen", Account: "maya", Target: "vpn", Entitlement: "office",
		Params: map[string][]string{"group": {"office"}}, Fields: map[string]string{"reason": "on call"}, Start: start, End: start.Add(time.Hour),
	}
}

func open(t testing.TB, cfg command.Config) *command.Connector {
	t.Helper()
	c, err := command.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// service is the connector with the helper behind it.
func service(t testing.TB, dir string) *command.Connector {
	t.Helper()
	rest := []string{"--", "${account}", "${param.group}", "${field.reason}", "${end}"}
	return open(t, command.Config{
		Grant: program(t, "grant", dir, rest...), Revoke: program(t, "revoke", dir), Check: program(t, "check", dir), Dir: dir, Timeout: time.Minute,
	})
}

func kept(t testing.TB, dir string, id workflows.GrantID) (record, bool) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, string(id)))
	if err != nil {
		return record{}, false
	}
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r, true
}

// script is a program of testdata. Go programs would do as well, but a thousand starts of one with the race detector take
// minutes.
func script(t *testing.T, name string) string {
	t.Helper()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skipf("no shell: %v", err)
	}
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestThreat_T44_CommandExercise holds the connector to the contract with a real little program. In its part "nasty
// strings" each string reaches the program byte for byte, as an argument and on stdin, or is refused.
func TestThreat_T44_CommandExercise(t *testing.T) {
	t.Parallel()
	path := script(t, "recorder.sh")
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		dir := t.TempDir()
		c := open(t, command.Config{
			Grant:  []string{path, "grant", dir, "${grant}", "--", "${account}", "${param.group}", "${field.reason}", "${end}"},
			Revoke: []string{path, "revoke", dir, "${grant}"}, Check: []string{path, "check", dir, "${grant}"}, Dir: dir, Timeout: time.Minute,
			Try: []string{path, "try", dir, "${grant}"},
			Env: []string{"TARGET_PASSWORD=canary-in-the-environment", "PATH=" + os.Getenv("PATH")},
		})
		return runbooktest.System{
			Connector: c,
			Secrets:   []string{"canary-in-the-environment"},
			Words:     filepath.Join("testdata", "words.txt"),
			Grant: func(n int) runbooks.Grant {
				g := order(fmt.Sprintf("g_%d", n))
				g.Account = fmt.Sprintf("maya%d", n)
				return g
			},
			Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
				args, _ := recorded(t, dir, g.ID)
				return len(args) == 4 && args[0] == g.Account
			},
			Arrived: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt, place runbooktest.Place) string {
				args, o := recorded(t, dir, g.ID)
				if len(args) != 4 {
					return fmt.Sprintf("%d arguments", len(args))
				}
				arg, told := args[0], o["account"]
				switch place.Kind {
				case "param":
					arg, told = args[1], o["params"].(map[string]any)["group"].([]any)[0]
				case "field":
					arg, told = args[2], o["fields"].(map[string]any)["reason"]
				}
				if told != arg {
					return fmt.Sprintf("the argument is %q and stdin says %q", arg, told)
				}
				return arg
			},
		}
	})
}

// recorded is what recorder.sh keeps of a grant: its arguments and the order of stdin.
func recorded(t *testing.T, dir string, id workflows.GrantID) ([]string, map[string]any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, string(id)))
	if err != nil {
		return nil, nil
	}
	parts := strings.Split(string(raw), "\x00")
	var o map[string]any
	if err := json.Unmarshal([]byte(parts[len(parts)-1]), &o); err != nil {
		t.Fatalf("stdin of %s: %v", id, err)
	}
	return parts[:len(parts)-1], o
}

// TestExampleExercise holds the shell script of the documentation to the contract.
func TestExampleExercise(t *testing.T) {
	t.Parallel()
	path := script(t, "members.sh")
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		dir := t.TempDir()
		argv := func(op string) []string { return []string{path, op, dir, "--", "${grant}", "${account}", "${end}"} }
		content := func(g runbooks.Grant) string {
			raw, _ := os.ReadFile(filepath.Join(dir, string(g.ID)))
			return string(raw)
		}
		return runbooktest.System{
			Connector: open(t, command.Config{Grant: argv("grant"), Revoke: argv("revoke"), Check: argv("check"), Timeout: time.Minute}),
			Grant: func(n int) runbooks.Grant {
				g := order(fmt.Sprintf("g_%d", n))
				g.Account, g.Params, g.Fields = fmt.Sprintf("maya%d", n), nil, nil
				return g
			},
			Works: func(_ *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
				return strings.HasPrefix(content(g), g.Account+"\n")
			},
			Arrived: func(_ *testing.T, g runbooks.Grant, _ runbooks.Receipt, _ runbooktest.Place) string {
				account, _, _ := strings.Cut(content(g), "\n")
				return account
			},
		}
	})
}

func TestThreat_T44_DashesAndEmptyValues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rows := []struct {
		name  string
		words []string
		value string
		want  string // argument, or the refusal
	}{
		{"plain", []string{"${account}"}, "maya", "maya"},
		{"an option", []string{"${account}"}, "-rf", "refuse: the account starts with a dash"},
		{"after --", []string{"--", "${account}"}, "-rf", "-rf"},
		{"after -- and another value", []string{"--", "${grant}", "${account}"}, "-rf", "-rf"},
		{"after -- of another program", []string{"--", "/usr/bin/other", "${account}"}, "-rf", "refuse: the account starts with a dash"},
		{"a literal dash of the operator", []string{"-v", "${account}"}, "maya", "maya"},
		{"a value that is --", []string{"${account}", "${grant}"}, "--", "refuse: the account starts with a dash"},
		{"empty", []string{"${account}"}, "", "refuse: there is no account"},
		{"a placeholder as a value", []string{"${account}"}, "${grant}", "${grant}"},
		{"spaces and quotes", []string{"${account}"}, ` a "b" 'c' $(id) `, ` a "b" 'c' $(id) `},
	}
	for i, row := range rows {
		c := open(t, command.Config{Grant: program(t, "grant", dir, row.words...), Revoke: program(t, "revoke", dir), Check: program(t, "check", dir)})
		g := order(fmt.Sprintf("g_%d", i))
		g.Account = row.value
		got := ""
		if _, err := c.Grant(t.Context(), g); err != nil {
			got = runbooks.ClassOf(err).String() + ": " + err.Error()
		} else if r, ok := kept(t, dir, g.ID); ok {
			got = r.Args[slices.Index(row.words, "${account}")]
		}
		if got != row.want && (!strings.HasPrefix(row.want, "refuse") || !strings.HasPrefix(got, row.want)) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// TestThreat_T44_SeveralValues: a list has no place in one argument.
func TestThreat_T44_SeveralValues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := order("g_1")
	g.Params["group"] = []string{"office", "lab"}
	if _, err := service(t, dir).Grant(t.Context(), g); runbooks.ClassOf(err) != runbooks.Refuse || err == nil {
		t.Errorf("two values in one argument: %v", err)
	}
	c := open(t, command.Config{Grant: program(t, "grant", dir, "${account}"), Revoke: program(t, "revoke", dir), Check: program(t, "check", dir)})
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	r, _ := kept(t, dir, g.ID)
	if diff := cmp.Diff(map[string]any{"group": []any{"office", "lab"}}, r.Order["params"]); diff != "" {
		t.Errorf("stdin:\n%s", diff)
	}
}

// TestOrder: everything that the program is told, and everything that it sees around it.
func TestOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, command.Config{
		Grant:  program(t, "grant", dir, "${grant}", "${account}", "${entitlement}", "${end}", "${param.group}", "${field.reason}"),
		Revoke: program(t, "revoke", dir), Check: program(t, "check", dir), Env: []string{"LANG=C.UTF-8"}, Dir: dir,
	})
	g := order("g_1")
	g.End = g.End.Add(999 * time.Millisecond)
	receipt, err := c.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	want := runbooks.Receipt{
		Ref: "member g_1", Facts: map[string]string{"end": "2027-03-01T10:00:00Z"}, Use: runbooks.Use{Steps: []string{"Sign in as always."}},
	}
	if diff := cmp.Diff(want, receipt); diff != "" {
		t.Errorf("receipt:\n%s", diff)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := kept(t, dir, "g_1")
	if diff := cmp.Diff(record{
		Args: []string{"g_1", "maya", "office", "2027-03-01T10:00:00Z", "office", "on call"}, Env: []string{"LANG=C.UTF-8"}, Dir: real,
		Order: map[string]any{
			"v": 1.0, "op": "grant", "grant": "g_1", "request": "r_1", "identity": "p_1", "holder": "Maya Chen", "account": "maya", "target": "vpn",
			"entitlement": "office", "params": map[string]any{"group": []any{"office"}}, "fields": map[string]any{"reason": "on call"},
			"start": "2027-03-01T09:00:00Z", "end": "2027-03-01T10:00:00Z",
		},
	}, r); diff != "" {
		t.Errorf("what the program saw:\n%s", diff)
	}
}

// TestThreat_T44_EnvironmentIsAList: no variable of the bot reaches a program unless it is named.
func TestThreat_T44_EnvironmentIsAList(t *testing.T) {
	t.Setenv("COMMAND_TEST_CANARY", "canary")
	dir := t.TempDir()
	if _, err := service(t, dir).Grant(t.Context(), order("g_1")); err != nil {
		t.Fatal(err)
	}
	if r, _ := kept(t, dir, "g_1"); len(r.Env) != 0 {
		t.Errorf("the program sees %q", r.Env)
	}
}

// TestAnswers: exit code, stdout and stderr, and what becomes of them.
func TestAnswers(t *testing.T) {
	t.Parallel()
	rows := []struct {
		code, out, err string
		want           string // class: words, or the ref
	}{
		{"0", "", "", "ref g_1"},
		{"0", `{"ref":"x"}`, "", "ref x"},
		{"0", "  \n", "", "ref g_1"},
		{"0", `{"ref":"x"} {"ref":"y"}`, "", "broken: the program says that it is done, but its answer cannot be read: something follows its JSON object"},
		{"0", `{"reff":"x"}`, "", "broken: the program says that it is done, but its answer cannot be read: it is not a JSON object of the keys ref, facts, personal, use and text"},
		{"0", "done", "", "broken: the program says that it is done, but its answer cannot be read: it is not a JSON object"},
		{"3", `{"text":"the group is frozen"}`, "", "refuse: the program refuses: the group is frozen"},
		{"3", "no JSON", "", "refuse: the program refuses"},
		{"4", `{"text":"busy"}`, "", "retry: the program asks to come again: busy"},
		{"5", "", "", "broken: the program lacks a right or is set up wrongly"},
		{"1", "", "", "retry: the program ended with code 1"},
		{"77", `{"text":"a\nb\u001b[2J"}`, "", "retry: the program ended with code 77: a b [2J"},
		{"3", `{"text":"password=hunter2hunter2"}`, "", "refuse: the program refuses: password=[redacted]"},
	}
	for _, row := range rows {
		argv := program(t, "say", "-", row.code, row.out, row.err)
		c := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv})
		receipt, err := c.Grant(t.Context(), order("g_1"))
		got := "ref " + receipt.Ref
		if err != nil {
			got = runbooks.ClassOf(err).String() + ": " + err.Error()
		}
		if got != row.want {
			t.Errorf("code %s, stdout %q: %q, want %q", row.code, row.out, got, row.want)
		}
	}
}

// TestRevokeAnswers: taking access back does not fail for its answer.
func TestRevokeAnswers(t *testing.T) {
	t.Parallel()
	argv := program(t, "say", "-", "0", "gone!", "")
	r, err := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv}).Revoke(t.Context(), order("g_1"))
	if err != nil || r.Facts["answer"] != "could not be read: it is not a JSON object" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestCheckAnswers(t *testing.T) {
	t.Parallel()
	rows := []struct{ code, out, want string }{
		{"0", "present", "present"},
		{"0", " absent \n", "absent"},
		{"0", "unconfirmed\n2 of 3 gateways\nhave it", "unconfirmed, retry: 2 of 3 gateways have it"},
		{"0", "unconfirmed", "unconfirmed, retry: the program cannot tell yet"},
		{"0", "", "unconfirmed, broken: the program for check answers what cannot be read: the first line is none of present, absent and unconfirmed"},
		{"0", "PRESENT", "unconfirmed, broken: the program for check answers what cannot be read: the first line is none of present, absent and unconfirmed"},
		{"1", "absent", "unconfirmed, retry: the program ended with code 1"},
	}
	for _, row := range rows {
		argv := program(t, "say", "-", row.code, row.out, "")
		p, err := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv}).Check(t.Context(), order("g_1"))
		got := string(p)
		if err != nil {
			got += ", " + runbooks.ClassOf(err).String() + ": " + err.Error()
		}
		if got != row.want {
			t.Errorf("code %s, stdout %q: %q, want %q", row.code, row.out, got, row.want)
		}
	}
}

// TestOutputLimits: a program that talks without end neither fills the memory nor blocks.
func TestOutputLimits(t *testing.T) {
	t.Parallel()
	argv := program(t, "flood", "-")
	c := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv, Timeout: time.Minute})
	_, err := c.Grant(t.Context(), order("g_1"))
	if runbooks.ClassOf(err) != runbooks.Broken || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%v", err)
	}
}

// TestStdinIsNotForced: a program that does not read an order of more than a pipe holds is not waited for.
func TestStdinIsNotForced(t *testing.T) {
	t.Parallel()
	argv := program(t, "say", "-", "0", `{"ref":"x"}`, "")
	g := order("g_1")
	for i := range 20 {
		g.Fields[fmt.Sprintf("f%d", i)] = strings.Repeat("a", 16<<10)
	}
	r, err := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv, Timeout: time.Minute}).Grant(t.Context(), g)
	if err != nil || r.Ref != "x" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestThreat_T35_CommandsWordsAreRedacted: a program that prints its environment does not put it into the ledger.
func TestThreat_T35_CommandsWordsAreRedacted(t *testing.T) {
	t.Parallel()
	out := `{"ref":"token=canary-canary","facts":{"dsn":"postgres://u:canary-pw@h/db"},"personal":{"x":"Authorization: Bearer canary-bearer"},` +
		`"use":{"steps":["PGPASSWORD=canary-pg"],"command":"x password=canary-cmd","files":{"id":"-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----"}}}`
	argv := program(t, "say", "-", "0", out, "secret=canary-stderr")
	r, err := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv}).Grant(t.Context(), order("g_1"))
	if err != nil || strings.Contains(fmt.Sprintf("%+v", r), "canary") {
		t.Errorf("%+v, %v", r, err)
	}
	argv = program(t, "say", "-", "1", "", "secret=canary-stderr and why")
	_, err = open(t, command.Config{Grant: argv, Revoke: argv, Check: argv}).Grant(t.Context(), order("g_1"))
	cause := errors.Unwrap(err)
	if cause == nil || strings.Contains(cause.Error(), "canary") || !strings.Contains(cause.Error(), "and why") {
		t.Errorf("the log gets %v", cause)
	}
}

// TestProgramsThatCannotRun tell the operator, not the requester, and keep nobody from starting.
func TestProgramsThatCannotRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		return runbooktest.Program(t, filepath.Join(dir, name), content, mode)
	}
	for _, path := range []string{
		filepath.Join(dir, "absent"), dir, write("plain", "x", 0o644), write("open", "#!/bin/sh\n", 0o757), write("garbage", "\x00\x01", 0o755),
	} {
		c := open(t, command.Config{Grant: []string{path}, Revoke: []string{path}, Check: []string{path}})
		if _, err := c.Grant(t.Context(), order("g_1")); runbooks.ClassOf(err) != runbooks.Broken {
			t.Errorf("%s: %v", path, err)
		}
		if findings := c.Probe(t.Context()); filepath.Base(path) != "garbage" && findings[0].OK {
			t.Errorf("%s: %+v", path, findings)
		}
	}
	gone := open(t, command.Config{Grant: program(t, "grant", dir), Revoke: program(t, "revoke", dir), Check: program(t, "check", dir), Dir: filepath.Join(dir, "gone")})
	if _, err := gone.Grant(t.Context(), order("g_1")); runbooks.ClassOf(err) != runbooks.Broken {
		t.Errorf("no working directory: %v", err)
	}
	if findings := gone.Probe(t.Context()); findings[len(findings)-1].OK {
		t.Errorf("no working directory: %+v", findings)
	}
}

func BenchmarkGrant(b *testing.B) {
	dir := b.TempDir()
	c := service(b, dir)
	for b.Loop() {
		if _, err := c.Grant(b.Context(), order("g_1")); err != nil {
			b.Fatal(err)
		}
	}
}

// TestOffers: a program lists what can be granted; what it prints wrongly is the operator's to mend, and no program lists nothing.
func TestOffers(t *testing.T) {
	t.Parallel()
	path := script(t, "recorder.sh")
	for text, want := range map[string]int{
		"": 0, `{"offers":[{"name":"office","params":{"group":["office"]},"account":true}]}`: 1, `{"offers":[{"name":"office"}]}`: -1, `{"offers"`: -1,
	} {
		cfg := command.Config{Grant: []string{path, "grant"}, Revoke: []string{path, "revoke"}, Check: []string{path, "check"}, Timeout: time.Minute}
		if text != "" {
			list := runbooktest.Program(t, filepath.Join(t.TempDir(), "list.sh"), "#!/bin/sh\nprintf %s \"$1\"\n", 0o755)
			cfg.Offers = []string{list, text}
		}
		n := 0
		for o, err := range open(t, cfg).ListOffers(t.Context()) {
			switch {
			case err != nil && runbooks.ClassOf(err) == runbooks.Broken:
				n = -1
			case err != nil || o.Params["group"][0] != "office":
				t.Errorf("%s: %+v (%v)", text, o, err)
			default:
				n++
			}
		}
		if n != want {
			t.Errorf("%s: %d, want %d", text, n, want)
		}
	}
	if _, err := command.Open(command.Config{Grant: []string{path}, Revoke: []string{path}, Check: []string{path}, Offers: []string{"list.sh"}}); err == nil {
		t.Error("a program without a path was taken")
	}
}
