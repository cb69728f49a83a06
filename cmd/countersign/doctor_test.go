package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// doctored runs countersign doctor with the settings of a demo's bot.
func doctored(t *testing.T, d *demo, change map[string]string) (string, error) {
	t.Helper()
	vars := d.childEnv()
	for k, v := range change {
		vars[k] = v
	}
	var env []string
	for k, v := range vars {
		env = append(env, prefix+"_"+k+"="+v)
	}
	var out bytes.Buffer
	err := doctorCommand(t.Context(), proc{env: env, in: strings.NewReader(""), out: &out, err: &out})
	return out.String(), err
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	d := quietDemo(t)
	out, err := doctored(t, d, nil)
	if err != nil {
		t.Fatalf("the demo's own installation is not in order: %v\n%s", err, out)
	}
	for _, want := range []string{"Slack: the bot is", "channel #access: the bot is a member", "people: 6 looked up", "certificates are signed here", "ok      clock: ", "a socket opens; the app has"} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, out)
		}
	}
}

func TestDoctor_FindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	d := quietDemo(t)
	mustSay(t, d.slack.SetUser("sofia", func(u *slacksim.User) { u.Restricted = true }))
	mustSay(t, d.slack.SetUser("priya", func(u *slacksim.User) { u.Deleted = true }))
	mustSay(t, d.slack.Leave("countersign", "incidents"))
	mustSay(t, d.slack.ShareChannel("security"))
	out, err := doctored(t, d, map[string]string{"LEDGER_ORIGIN": "no spaces allowed"})
	if err == nil {
		t.Fatalf("doctor found nothing:\n%s", out)
	}
	for _, want := range []string{
		"NOT OK  settings: ", "person sofia: a guest", "person priya: the Slack account is deactivated", "channel #incidents: the bot is a member",
		"channel #security: is shared with another organisation", "/invite @countersign",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, out)
		}
	}
}

// TestManifest holds that the app asks for nothing that the demo's workspace does not need, and subscribes to what the bot handles.
func TestManifest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	mustSay(t, manifestCommand(t.Context(), proc{out: &out, err: io.Discard}))
	var m struct {
		OAuth struct {
			Scopes struct{ Bot []string }
		} `json:"oauth_config"`
		Settings struct {
			Socket bool `json:"socket_mode_enabled"`
			Events struct {
				Bot []string `json:"bot_events"`
			} `json:"event_subscriptions"`
		}
	}
	mustSay(t, json.Unmarshal(out.Bytes(), &m))
	if len(m.OAuth.Scopes.Bot) != len(scopes()) || !m.Settings.Socket || len(m.Settings.Events.Bot) != len(slackEvents()) {
		t.Errorf("the manifest is not what the tables say: %+v", m)
	}
	cfg := (&demo{people: map[string]demoPerson{}, web: listenAnywhere(t)}).workspace()
	for _, s := range cfg.App.Scopes {
		found := false
		for _, want := range scopes() {
			found = found || want.name == s
		}
		if !found {
			t.Errorf("the demo grants %s, which the manifest does not ask for: its stories would prove nothing about it", s)
		}
	}
}

func listenAnywhere(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustSay(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// quietDemo is a running demo in a folder of its own.
func quietDemo(t *testing.T) *demo {
	t.Helper()
	exe, err := os.Executable()
	mustSay(t, err)
	d, err := newDemoOf(t.Context(), proc{out: io.Discard, err: io.Discard}, demoSetup{exe: exe, dir: t.TempDir(), listen: "127.0.0.1:0"})
	mustSay(t, err)
	t.Cleanup(d.close)
	return d
}
