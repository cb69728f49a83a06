package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows/spec"
)

// drills asks the running bot which drills are overdue. Without one there is nobody who knows.
func (d *doctor) drills(ctx context.Context) {
	if d.cfg.Data == "" {
		return
	}
	say, err := callControl(ctx, d.cfg.socketPath(), "/drills")
	if err != nil {
		d.say(true, "drills: no bot runs here, so nobody can tell which are overdue", "")
		return
	}
	d.say(!strings.Contains(say, "OVERDUE"), "drills: "+strings.TrimSpace(say), "practise them: countersign runbook drill, countersign escalations drill")
}

// drilled says what a revocation drill on the target shows, where there are any.
func (d *doctor) drilled(t spec.Target, can bool) {
	set, err := watchOf(t.Settings)
	switch {
	case err != nil || set.drill == nil:
		return // said with the settings, or there are none
	case can:
		d.say(true, "target "+string(t.ID)+": drills log in as the canary where its grant comes with a secret of its own, and must be refused afterwards", "")
	default:
		d.say(true, "target "+string(t.ID)+": drills make access, take it back and read back both; they do not log in"+howToTry(t.Connector), "")
	}
}

// howToTry says which settings let drills on a target log in; of the other kinds no credential of a canary can be had.
func howToTry(connector string) string {
	words, ok := map[string]string{
		"command": "name a program in the setting try", "webhook": "the setting tries: true asks the receiver to", "sshca": "set canary_address and canary_host_key",
		"ldap": "set canary_password_file and canary_reads", "etcd": "set canary_password_file and canary_reads", "x509": "set canary_address",
	}[connector]
	if !ok {
		return ", which this connector cannot"
	}
	return " (for that, " + words + ")"
}

// held asks the running bot whether its clock keeps new access from beginning.
func (d *doctor) held(ctx context.Context) {
	if d.cfg.Data == "" {
		return
	}
	if say, err := callControl(ctx, d.cfg.socketPath(), "/clock-health"); err == nil {
		d.say(!strings.Contains(say, "HELD"), "clock: "+strings.TrimSpace(say), "")
	}
}

// mail looks whether the steps by e-mail have a relay, and the settings of one make sense. It sends nothing.
func (d *doctor) mail() {
	m, err := openMail(d.cfg)
	switch {
	case err != nil:
		return // said with the settings
	case m == nil && d.mails():
		d.say(false, "e-mail: escalations.yaml has steps by email, and no relay is set up: they go on to the next at once", "set "+prefix+"_SMTP_URL and "+prefix+"_SMTP_FROM")
	case m != nil:
		d.say(true, fmt.Sprintf("e-mail: escalations are sent through %s as %s", m.host, m.from.Address), "")
	}
}

// mails tells whether a path of the folder has a step by e-mail.
func (d *doctor) mails() bool {
	if d.cfg.Config == "" {
		return false
	}
	t, err := treeOfFolder(d.cfg)
	if err != nil {
		return false
	}
	for _, p := range t.Paths {
		for _, s := range p.Steps {
			if strings.Contains(strings.Join(s.By, " "), "email") {
				return true
			}
		}
	}
	return false
}
