package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// doctorCommand looks at everything that serve needs, before or while it runs, and says what to do about what is wrong.
func doctorCommand(ctx context.Context, p proc) error {
	if err := p.parse(p.flags("doctor", ""), 0, 0); err != nil {
		return err
	}
	c, err := loadConfig(p.env)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	d := &doctor{p: p, cfg: c}
	d.settings()
	compiled, ok := d.folder()
	d.feeds(workflows.StampOf(time.Now()))
	d.data()
	d.slack(ctx, compiled, ok)
	d.outflow(ctx)
	d.drills(ctx)
	d.held(ctx)
	d.mail()
	if ok {
		d.targets(ctx, compiled)
	}
	if d.bad > 0 {
		return fmt.Errorf("%d things need your attention", d.bad)
	}
	fmt.Fprintln(p.out, "\nEverything that could be looked at is in order.")
	return nil
}

type doctor struct {
	p   proc
	cfg Config
	bad int
}

// say prints one finding; do is what to do about it when it is not in order.
func (d *doctor) say(ok bool, what, do string) {
	mark := "ok    "
	if !ok {
		mark, d.bad = "NOT OK", d.bad+1
	}
	fmt.Fprintf(d.p.out, "%s  %s\n", mark, what)
	if !ok && do != "" {
		fmt.Fprintf(d.p.out, "        %s\n", do)
	}
}

func (d *doctor) settings() {
	err := d.cfg.checkServe()
	if err == nil {
		d.say(true, "settings: complete", "")
		return
	}
	for line := range strings.Lines(err.Error()) {
		d.say(false, "settings: "+strings.TrimSpace(line), "countersign config -example documents every setting")
	}
}

func (d *doctor) folder() (spec.Policies, bool) {
	if d.cfg.Config == "" {
		return spec.Policies{}, false
	}
	folder, err := readFolderFed(d.cfg.Config, d.cfg.feeds())
	if err != nil {
		d.say(false, "configuration: "+err.Error(), "")
		return spec.Policies{}, false
	}
	compiled, err := folder.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	d.say(err == nil, fmt.Sprintf("configuration: %d people, %d targets, %d workflows", len(compiled.People), len(compiled.Targets), len(compiled.Workflows)), "")
	return compiled, err == nil
}

func (d *doctor) data() {
	if d.cfg.Data == "" {
		return
	}
	for _, path := range []string{d.cfg.Data, d.cfg.keysDir()} {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			d.say(true, "data: "+path+" will be made at the first start", "")
			continue
		}
		err := private(path)
		d.say(err == nil, "data: "+path+" is yours alone", "chmod 700 "+path)
	}
	for _, k := range keyPlaces() {
		if wrong, do := keyTrouble(filepath.Join(d.cfg.keysDir(), k.name)); wrong != "" {
			d.say(false, "key "+k.name+": "+wrong, do)
		}
	}
}

func (d *doctor) slack(ctx context.Context, compiled spec.Policies, known bool) {
	if d.cfg.SlackBot == "" && d.cfg.SlackRefresh == "" || !d.rotation() {
		return
	}
	sender, err := readSlack(d.cfg)
	if err != nil {
		d.say(false, "Slack: "+err.Error(), "")
		return
	}
	before := time.Now()
	me, err := sender.AuthTest(ctx)
	if err != nil {
		d.say(false, "Slack: "+runbooks.Redact(err.Error(), 300), "check the bot token and the way to slack.com")
		return
	}
	d.say(true, fmt.Sprintf("Slack: the bot is %s in %s, answered in %v", me.UserID, me.Team, time.Since(before).Round(time.Millisecond)), "")
	d.scopes(me)
	d.skew(me)
	d.sockets(ctx, me)
	d.groups(ctx, sender, compiled, known)
	if known {
		d.channels(ctx, sender, compiled)
		d.people(ctx, sender, compiled)
	}
}

func (d *doctor) scopes(me slack.Identity) {
	if me.Scopes == "" {
		return // Slack did not say
	}
	have := strings.FieldsFunc(me.Scopes, func(r rune) bool { return r == ',' || r == ' ' })
	for _, s := range scopes() {
		if !slices.Contains(have, s.name) {
			d.say(s.optional, "Slack: scope "+s.name+" is missing: "+s.why, "add it under OAuth & Permissions and install the app again")
		}
	}
	for _, h := range have {
		if h != assistantScope && !slices.ContainsFunc(scopes(), func(s scope) bool { return s.name == h }) {
			d.say(false, "Slack: scope "+h+" is more than the bot needs", "remove it under OAuth & Permissions")
		}
	}
}

// channels asks for every channel that a file names: does it exist, is the bot in it, is it shared.
func (d *doctor) channels(ctx context.Context, sender *slack.Sender, c spec.Policies) {
	wanted := map[string]bool{c.Settings.SecurityChannel: true, c.Settings.Checkpoint.Channel: true}
	for _, w := range c.Workflows {
		wanted[w.Workflow.Channel] = true
	}
	for _, r := range c.Runbooks {
		wanted[r.Runbook.Notify] = true
	}
	names := slack.NewNames(sender)
	for _, name := range slices.Sorted(keysOf(wanted)) {
		if name == "" {
			continue
		}
		id, err := names.ChannelID(ctx, name)
		if err != nil {
			d.say(false, "channel "+name+": not found", "make it, and invite the bot: /invite @countersign")
			continue
		}
		info, err := sender.ConversationInfo(ctx, id)
		switch {
		case err != nil:
			d.say(false, "channel "+name+": "+err.Error(), "")
		case info.ExtShared || info.PendingExtShared:
			d.say(false, "channel "+name+": is shared with another organisation, so no card is posted there", "name another channel in your files")
		default:
			d.say(info.Member, "channel "+name+": the bot is a member", "type /invite @countersign there")
		}
	}
}

// people asks for every account that the people file names.
func (d *doctor) people(ctx context.Context, sender *slack.Sender, c spec.Policies) {
	for _, x := range c.People {
		if x.Slack == "" {
			d.say(c.Settings.LinkByEmail, "person "+x.Key+": no Slack account is named", "add slack: U… to people.yaml")
			continue
		}
		_, id, found := strings.Cut(x.Slack, "/")
		if !found {
			id = x.Slack
		}
		u, err := sender.UserInfo(ctx, id)
		switch {
		case err != nil:
			d.say(false, "person "+x.Key+": Slack does not know "+id, "correct slack: in people.yaml")
		case u.Flags.Deleted:
			d.say(false, "person "+x.Key+": the Slack account is deactivated, so they cannot decide", "take them out of the chains")
		case u.Flags.Restricted || u.Flags.UltraRestricted || u.Flags.Stranger:
			d.say(false, "person "+x.Key+": a guest or from another organisation, so they cannot decide", "take them out of the chains")
		case u.Flags.Bot:
			d.say(false, "person "+x.Key+": a bot", "people.yaml lists people")
		}
	}
	d.say(true, fmt.Sprintf("people: %d looked up", len(c.People)), "")
}

// targets lets every connector prove that it can do what it must, and no more.
func (d *doctor) targets(ctx context.Context, c spec.Policies) {
	for _, t := range c.Targets {
		if t.Connector == "sshca" {
			d.say(d.cfg.SSHToken != "" || loopbackURL("http://"+d.cfg.Listen),
				"target "+string(t.ID)+": hosts prove who they are when they report which list they have",
				"set "+prefix+"_SSHCA_TOKEN here and --token-file on the hosts: without it anybody who reaches "+d.cfg.Listen+" can confirm a revocation for a host")
			d.say(true, "target "+string(t.ID)+": certificates are signed here; hosts pull the list from "+d.cfg.publicURL(), "")
			d.drilled(t, t.Settings[settingCanaryAt] != "")
			continue
		}
		if t.Connector == "x509" {
			d.x509(t)
			d.drilled(t, false)
			continue
		}
		conns, err := openConnectors(d.cfg, nil, jobs.NewSystem(), []spec.Target{t})
		if err != nil {
			d.say(false, err.Error(), "")
			continue
		}
		prober, ok := conns.byTarget[string(t.ID)].(runbooks.Prober)
		if !ok {
			d.say(true, "target "+string(t.ID)+": nothing to look at", "")
		} else {
			for _, f := range prober.Probe(ctx) {
				d.say(f.OK, "target "+string(t.ID)+": "+f.What, f.Do)
			}
		}
		d.drilled(t, runbooks.CanTry(conns.byTarget[string(t.ID)]))
		d.entitlements(ctx, t, conns.byTarget[string(t.ID)], c)
		if err := conns.Close(); err != nil {
			d.say(false, "target "+string(t.ID)+": "+err.Error(), "")
		}
	}
}
