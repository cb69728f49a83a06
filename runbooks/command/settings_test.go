package command_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/runbooks/command"
)

func lookup(name string) (string, bool) {
	v, ok := map[string]string{"PATH": "/bin", "LANG": "C", "COUNTERSIGN_DATA": "/data"}[name]
	return v, ok
}

func TestSettings(t *testing.T) {
	t.Parallel()
	cfg, err := command.ReadSettings(map[string]string{
		"grant": "/bin/x\n  add  \n\n--\n${account}\n", "revoke": "/bin/x\ndel\nwith space", "check": "/bin/y",
		"env": "PATH, LANG", "dir": "/var", "timeout_seconds": "20", "revoke_leaves": "An open tunnel stays.",
	}, lookup)
	if err != nil {
		t.Fatal(err)
	}
	want := command.Config{
		Grant: []string{"/bin/x", "add", "--", "${account}"}, Revoke: []string{"/bin/x", "del", "with space"}, Check: []string{"/bin/y"},
		Env: []string{"PATH=/bin", "LANG=C"}, Dir: "/var", Timeout: 20 * time.Second, Leaves: "An open tunnel stays.",
	}
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Error(diff)
	}
	caps := open(t, cfg).Describe()
	if caps.RevokeLeaves != "An open tunnel stays." || caps.Timeout != 20*time.Second || caps.NativeExpiry || caps.EndsSessions {
		t.Errorf("%+v", caps)
	}
}

// TestBadSettings: every mistake is found at the start, in words that name it.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	good := map[string]string{"grant": "/bin/x", "revoke": "/bin/x", "check": "/bin/x"}
	rows := []struct{ name, value, want string }{
		{"grant", "", "the program for grant: there is no program"},
		{"grant", "bin/x", `the program for grant: "bin/x" is not the absolute, clean path of a program`},
		{"grant", "/bin/../x", `the program for grant: "/bin/../x" is not the absolute, clean path of a program`},
		{"grant", "${account}", `the program for grant: "${account}" is not the absolute, clean path of a program`},
		{"check", "/bin/x\n--user=${account}", `the program for check: argument 1: "--user=${account}": a placeholder is a whole argument, one of ${account} ${grant} ${entitlement} ${end} ${param.NAME} ${field.NAME}`},
		{"check", "/bin/x\n${holder}", `the program for check: argument 1: "${holder}": a placeholder is a whole argument, one of ${account} ${grant} ${entitlement} ${end} ${param.NAME} ${field.NAME}`},
		{"check", "/bin/x\n${param}", `the program for check: argument 1: "${param}": param and field take a name, and nothing else does`},
		{"check", "/bin/x\n${account.x}", `the program for check: argument 1: "${account.x}": param and field take a name, and nothing else does`},
		{"check", "/bin/x\na\x00b", "the program for check: argument 1: it holds a NUL byte"},
		{"revoke", "/bin/x\n" + strings.Repeat("a\n", 64), "the program for revoke: there are more than 64 arguments"},
		{"env", "PATH NOT_SET", `setting env: environment variable "NOT_SET" is not set`},
		{"env", "COUNTERSIGN_DATA", "environment variable COUNTERSIGN_DATA is the bot's own and is not handed on"},
		{"dir", "var", `the working directory "var" is not an absolute path`},
		{"timeout_seconds", "0", `setting timeout_seconds: "0" is not a number of seconds from 1 to 300`},
		{"timeout_seconds", "301", `setting timeout_seconds: "301" is not a number of seconds from 1 to 300`},
		{"timeout_seconds", "1m", `setting timeout_seconds: "1m" is not a number of seconds from 1 to 300`},
		{"shell", "yes", `setting "shell" is not one of grant, revoke, check, try, offers, env, dir, timeout_seconds, revoke_leaves`},
	}
	for _, row := range rows {
		settings := map[string]string{row.name: row.value}
		for k, v := range good {
			if _, ok := settings[k]; !ok {
				settings[k] = v
			}
		}
		cfg, err := command.ReadSettings(settings, lookup)
		if err == nil {
			_, err = command.Open(cfg)
		}
		if err == nil || err.Error() != row.want {
			t.Errorf("%s %q:\n%v, want\n%s", row.name, row.value, err, row.want)
		}
	}
}
