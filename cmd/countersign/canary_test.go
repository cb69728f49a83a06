package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/store/ledger"
)

// notPlanted are the slots that cannot hold a canary in the one run below: they are planted in TestThreat_T35_RefusalsThatEchoTheSecret, and it holds
// itself to this list.
func notPlanted() map[string]string {
	return map[string]string{
		"DATABASE":             "the ledger lies in SQLite here",
		"SLACK_REFRESH_TOKEN":  "another way to have a bot token",
		"SLACK_CLIENT_SECRET":  "used with the refresh token only",
		"SLACK_SIGNING_SECRET": "HTTP mode instead of the socket's",
		"OIDC_CLIENT_SECRET":   "needs an identity provider",
	}
}

// TestThreat_T35_EverySlotHoldsACanary: every secret of the settings, every key of the data folder and the credentials of targets of seven kinds, from
// files, from the environment and from Vault, are recognisable, random, and looked for after the bot has worked with them, failed with them, and been
// asked for all it tells: in its log and errors, the database with its journal, exports, backups, metrics and all that Slack was sent. A slot that
// somebody adds fails here until it is planted.
func TestThreat_T35_EverySlotHoldsACanary(t *testing.T) {
	t.Parallel()
	canary := func(slot string) string {
		return "canary" + strings.ReplaceAll(slot, "_", "") + hex.EncodeToString(random(t, 8))
	}
	signing := func(string) string { return "whsec_" + base64.StdEncoding.EncodeToString(random(t, 24)) }
	origin := "demo.invalid/countersign/demo"
	key, err := ledger.GenerateKey(strings.NewReader(string(random(t, 64))), origin)
	mustSay(t, err)
	planted := map[string]string{
		"SLACK_BOT_TOKEN": "xoxb-77-88-" + canary("bot"), "SLACK_APP_TOKEN": "xapp-1-A77-88-" + canary("app"), "POSTURE_SECRET": signing(""),
		"LEDGER_KEY": strings.TrimSpace(string(key.KeyFile())), "VAULT_TOKEN": "hvs." + canary("vault"),
	}
	var env []string
	for f := range reflect.TypeFor[Config]().Fields() {
		slot := f.Tag.Get("envconfig")
		if f.Tag.Get("secret") == "" || notPlanted()[slot] != "" {
			continue
		}
		if planted[slot] == "" {
			planted[slot] = canary(slot) + hex.EncodeToString(random(t, 16))
		}
		env = append(env, prefix+"_"+slot+"="+planted[slot])
	}
	fromVault := canary("kv")
	vault := newKeeper(t, fromVault)
	planted["a target's, in Vault"] = fromVault
	env = append(env, prefix+"_VAULT_URL="+vault.URL, prefix+"_SMTP_URL=smtp://bot@127.0.0.1:1", prefix+"_SMTP_FROM=bot@example.com", "TASK_TOKEN="+canary("env"))
	env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, prefix+"_VAULT_TOKEN=") })
	env = append(env, prefix+"_VAULT_TOKEN=hvs.reader") // the token that the stand-in knows
	planted["VAULT_TOKEN"] = "hvs.reader"
	planted["a target's, in the environment"] = strings.TrimPrefix(env[slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, "TASK_TOKEN=") })], "TASK_TOKEN=")

	secrets := t.TempDir()
	file := func(slot, value string) string {
		planted["a target's: "+slot] = value
		path := filepath.Join(secrets, slot)
		mustSay(t, os.WriteFile(path, []byte(value+"\n"), 0o600))
		return path
	}
	const away = "http://127.0.0.1:1"
	head := func(id, connector, settings string) string {
		return fmt.Sprintf("id: %s\ntitle: %s\nconnector: %s\nowner: jonas\nenvironment: production\ndata_class: internal\nsettings:\n%s", id, id, connector, settings)
	}
	_, crm, _ := strings.Cut(ownTargets, "---\n")
	password := canary("dsn")
	targets := map[string]string{
		"pg-main":   strings.Replace(pgTarget, "DSNFILE", file("dsn", "postgres://robot:"+password+"@127.0.0.1:1/shop?connect_timeout=1"), 1),
		"crm":       strings.NewReplacer("URL", away, "SECRET", file("webhook", signing(""))).Replace(crm),
		"jira":      head("jira", "jira", "  url: "+away+"\n  projects: OPS\n  user: bot@example.com\n  token_file: "+file("jira", canary("jira"))+"\n  hook_secret_file: "+file("jirahook", canary("jirahook"))+"\n"),
		"linear":    head("linear", "linear", "  url: "+away+"\n  teams: ENG\n  token_vault: secret/data/linear#secret\n"),
		"pagerduty": head("pagerduty", "pagerduty", "  url: "+away+"\n  token_env: TASK_TOKEN\n"),
		"goalert":   head("goalert", "goalert", "  url: "+away+"\n  token_file: "+file("goalert", canary("goalert"))+"\n"),
		"changes":   head("changes", "tasks", "  url: "+away+"\n  pattern: 'CHG-[0-9]{1,6}'\n  secret_file: "+file("changes", signing(""))+"\n"),
	}
	planted["a target's: dsn"] = password
	w := newWorld(t, worldOptions{
		slack: func(c *slacksim.Config) {
			c.App.BotToken, c.App.AppToken = planted["SLACK_BOT_TOKEN"], planted["SLACK_APP_TOKEN"]
		},
		company: func(dir string) {
			for id, text := range targets {
				mustSay(t, os.WriteFile(filepath.Join(dir, "targets", id+".yaml"), []byte(text), 0o600))
			}
			mustSay(t, os.WriteFile(filepath.Join(dir, "workflows", "talk.yaml"), []byte(strings.Replace(talkChain, "OPS-[0-9]{1,6}", "CHG-[0-9]{1,6}", 1)), 0o600))
			mustSay(t, os.WriteFile(filepath.Join(dir, "workflows", "prod-db-read.yaml"), []byte(pgWorkflow), 0o600))
			people, err := os.ReadFile(filepath.Join(dir, "people.yaml"))
			mustSay(t, err)
			mustSay(t, os.WriteFile(filepath.Join(dir, "people.yaml"), []byte(strings.Replace(string(people), "    unix: maya\n", "    unix: maya\n    accounts: {pg-main: maya_pg}\n", 1)), 0o600))
		},
	})
	w.child.env = append(w.child.env, env...)
	w.start(prefix + "_LOG_LEVEL=debug")
	if vault.asked.Load() == 0 {
		t.Error("no credential was read from Vault")
	}
	cert := w.grant("maya", "1h", "So that the keys sign something.")
	w.check(w.story.command(t.Context(), "maya", "/access", "done"))
	w.shutOut("maya", cert)
	w.dbRequest("maya")
	_, err = until(t.Context(), "the database to be out of reach", func() (string, bool) { return "", len(w.entries("grant.attempt_failed")) > 0 })
	w.check(err)

	var said strings.Builder
	for _, args := range [][]string{
		{"config"},
		{"doctor"},
		{"keys", "list"},
		{"health", "-json"},
		{"drift", "-json"},
		{"identities", "discover"},
		{"ledger", "show", "-json", "-last", "0"},
		{"ledger", "verify", "-json"},
		{"backup", filepath.Join(w.dir, "backup")},
		{"status", "-json"},
	} {
		out, _ := w.run(args...) // much of it fails, and says so
		said.WriteString(out)
	}
	for _, name := range []string{keySSHCA, keyButtons, keySealing, keyFingerprint, keyFindings} {
		b, err := os.ReadFile(filepath.Join(w.data(), "keys", name))
		if err != nil {
			continue // not made in this run
		}
		planted["key "+name] = strings.TrimSpace(string(b))
	}
	if len(said.String()) < 2000 || !strings.Contains(w.log(), "the database could not be reached") {
		t.Errorf("the places hold nothing, so the search shows nothing: %d bytes", said.Len())
	}
	out := filepath.Join(w.dir, "export")
	if text, code := w.run("ledger", "export", "-out", out); code != exitDone {
		t.Errorf("exporting (exit %d): %s", code, text)
	}
	metrics, _ := w.get("/metrics")
	w.stopBot()
	places := map[string]string{"what commands say": said.String(), "/metrics": metrics, "Slack's traffic": traffic(w)}
	files := 0
	w.check(filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && path == filepath.Join(w.data(), "keys") {
			return filepath.SkipDir // the one place where keys stand
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		places[path], files = string(b), files+1
		return err
	}))
	if files < 20 {
		t.Errorf("only %d files were looked at", files)
	}
	for slot, text := range planted {
		if len(text) < 10 {
			t.Errorf("%s is too short to be recognised", slot)
		}
		for place, holds := range places {
			if strings.Contains(holds, text) {
				t.Errorf("%s stands in %s", slot, place)
			}
		}
	}
	for slot := range notPlanted() {
		if _, ok := planted[slot]; ok {
			t.Errorf("%s is planted and said not to be", slot)
		}
	}
}

func random(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, err := rand.Read(b)
	mustSay(t, err)
	return b
}
