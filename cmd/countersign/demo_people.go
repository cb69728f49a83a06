package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
)

// demoPerson is one of the six, with a laptop: a name, a Slack account and an SSH key.
type demoPerson struct {
	key   string
	name  string
	slack string
	email string
	zone  string
	ssh   ssh.Signer
}

// public is the line that the person pastes.
func (p demoPerson) public() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p.ssh.PublicKey()))) + " " + p.key + "@laptop"
}

// demoPeople reads the people of the demo's configuration and gives each an SSH key that outlives a restart.
func demoPeople(config, keys string) (map[string]demoPerson, error) {
	folder, err := readFolder(config)
	if err != nil {
		return nil, err
	}
	compiled, err := folder.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of keys: %w", err)
	}
	out := map[string]demoPerson{}
	for _, x := range compiled.People {
		signer, err := laptopKey(filepath.Join(keys, x.Key))
		if err != nil {
			return nil, err
		}
		out[x.Key] = demoPerson{key: x.Key, name: x.Name, slack: x.Slack, email: x.Email, zone: x.Zone, ssh: signer}
	}
	return out, nil
}

func laptopKey(file string) (ssh.Signer, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = newLaptopKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("making an SSH key: %w", err)
	}
	return ssh.ParsePrivateKey(b)
}

func newLaptopKey(file string) ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, filepath.Base(file))
	if err != nil {
		return nil, err
	}
	b := pem.EncodeToMemory(block)
	return b, os.WriteFile(file, b, 0o600)
}

// workspace is the Slack of the demo.
func (d *demo) workspace() slacksim.Config {
	cfg := slacksim.Config{
		Team:    slacksim.Team{ID: "T0NORTH01", Name: "Northwind Remote", Domain: "northwind"},
		BaseURL: strings.TrimSuffix(d.pageURL(), "/"), Clock: wall(d.clock), Seed: 1,
		Panel: d.panel(), PanelTitle: "Clock, bastion, ledger",
		App: slacksim.App{
			Name:   "Countersign",
			Scopes: scopeNames(), Events: slackEvents(),
			Commands: []slacksim.Command{
				{Name: "/access", Description: "Ask for access, see what you hold, give it back", Hint: "[help | request | list | status ID | done]"},
				{Name: "/breakglass", Description: "Invoke a pre-approved runbook in an incident", Hint: "[RUNBOOK INC-123]"},
				{Name: "/incident", Description: "Open, join, hand over and close an incident", Hint: "[list | open SEVERITY TITLE]"},
			},
			Shortcuts: []slacksim.Shortcut{{CallbackID: "request_access", Name: "Request access"}},
		},
		Banner: []slacksim.Link{{Text: "Countersign demo: nothing here leaves this machine"}},
	}
	var everybody []string
	for _, key := range demoOrder {
		p := d.people[key]
		cfg.Users = append(cfg.Users, slacksim.User{ID: p.slack, Name: p.key, RealName: p.name, Email: p.email, TZ: p.zone, Title: demoTitles[key]})
		everybody = append(everybody, p.slack)
	}
	for _, name := range []string{"access", "incidents", "security", "access-audit"} {
		cfg.Channels = append(cfg.Channels, slacksim.Channel{Name: name, Topic: demoTopics[name], Members: append([]string{"countersign"}, everybody...)})
	}
	return cfg
}

func scopeNames() []string {
	var out []string
	for _, s := range scopes() {
		out = append(out, s.name)
	}
	return out
}

var (
	demoOrder  = []string{"maya", "jonas", "sofia", "priya", "kenji", "frida"}
	demoTitles = map[string]string{
		"maya": "Engineer, on call", "jonas": "Platform lead, owns the bastion", "sofia": "Security, Berlin",
		"priya": "Security, Bengaluru", "kenji": "Engineer, on call", "frida": "Head of engineering",
	}
	demoTopics = map[string]string{
		"access": "Requests for access", "incidents": "Open incidents", "security": "Alarms", "access-audit": "Signed heads of the ledger",
	}
)

// certLine finds the certificate in what the bot sent to somebody: a person copies it from there.
var certLine = regexp.MustCompile(`ssh-[a-z0-9-]+-cert-v01@openssh\.com [A-Za-z0-9+/=]+`)

// certificate is the newest one in a person's messages from the bot.
func (d *demo) certificate(person string) (string, bool) {
	messages := d.slack.DM(d.people[person].slack)
	for i := len(messages) - 1; i >= 0; i-- {
		if line := certLine.FindString(messages[i].Visible()); line != "" {
			return line, true
		}
	}
	return "", false
}
