// Command countersign runs documented approval chains in Slack and keeps what was decided in a ledger that anybody can
// verify. This package wires the rooms together: it reads the environment, joins interfaces to what implements them, and
// holds no rule of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	_ "time/tzdata" // zones on hosts and in images that have none
)

// Exit codes. Anything but exitDone means that the command did not do what it was asked.
const (
	exitDone    = 0
	exitFailed  = 1  // refused or failed
	exitUsage   = 2  // the words of the command are off
	exitLedger  = 3  // the ledger fails a check
	exitUnknown = 70 // a commit failed: whether it was recorded is unknown; start again and look
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, proc{args: os.Args[1:], env: os.Environ(), in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// proc is what a command gets of the process it runs in.
type proc struct {
	args []string
	env  []string
	in   io.Reader
	out  io.Writer
	err  io.Writer
}

// command is one subcommand.
type command struct {
	name  string
	usage string // after the name
	short string // one line for help
	run   func(ctx context.Context, p proc) error
}

// commands are all of them; help shows them below the headings of helpGroups.
func commands() []command {
	return slices.Concat([]command{
		{"demo", "[-dir DIR] [-fresh] [-play] [-listen ADDR]", "run the whole product on an embedded Slack workspace and target", demoCommand},
		{"init", "[-example] DIR", "write a commented configuration folder to start from", initCommand},
		{"check", "[-strict] [--json] [-against OLDDIR] [DIR]", "check a configuration folder and say what is wrong, or what a change loosens", checkCommand},
		{"schema", "[-out DIR] [KIND]", "print the JSON Schema of a kind of file, for editors", schemaCommand},
		{"calendar", calendarUsage, "feeds of shifts and holidays: how old they are, read them now, or keep a file like one", calendarCommand},
		{"simulate", "FILE|DIR, or -history 90d [-against NEWDIR]", "play policy tests and stories against a folder, or past requests against a new one", simulateCommand},
		{"explain", "REQUEST [-at TIME] [-without A,B], or -workflow W -as PERSON", "why a request is where it is, who could decide it when, what would become of one", explainCommand},
		{"docs", "[DIR] [-out FILE|DIR]", "write the manual of all chains, for people who never saw the files", docsCommand},
		{"manifest", "[-no-groups] [-steps] [-assistant] [-http URL]", "print the manifest of the Slack app, with the reason for each scope", manifestCommand},
		{"config", "[-example]", "print the settings in force, or a documented example", configCommand},
		{"doctor", "", "look at everything that serve needs and say what to do about what is wrong", doctorCommand},
		{"serve", "", "run the bot", serveCommand},
		{"reload", "", "make the running bot read its configuration folder again", reloadCommand},
		{"clock", clockUsage, "whether new access is held because the machine's clock is behind the ledger, and your word that it is right", clockCommand},
		{"policy", "pending|show|approve|deny", "what a changed folder loosens, until people approve it; and any version that ever governed", policyCommand},
		{"health", "", "ask the running bot how it is; for health checks", healthCommand},
		{"ledger", "verify|show|head|anchor|history|search|export|prove|check-proof|page|sample|card|sql|retention|erase|disclose|accept-rollback", "read and verify the ledger, export it, prove what is in it", ledgerCommand},
		{"backup", "OUT [-data DIR] [-json]", "copy the ledger while the bot runs, and verify the copy", backupCommand},
		{"restore", "BACKUP -data NEWDIR [-anchor FILE] [-json]", "make a data folder out of a backup, if it verifies", restoreCommand},
		{"runbook", "new|check|list|show|status|dry-run|drill|invoke|agree|step|note|finish|rollback|review|task|report|watch", "runbooks: write, check, invoke in an incident, carry out, review, report", runbookCommand},
		{"incident", incidentUsage, "incidents: open, join, severity, hand over, close, timeline", incidentCommand},
		{"escalations", escalationsUsage, "who was told of what cannot wait: acknowledge it, practise a path, print whom to call", escalationsCommand},
		{"keys", "list | rotate KEY -reason TEXT | rotate confirm ID", "list the keys of the data folder, or replace one", keysCommand},
		{"streams", "status | check FILE…", "say how far the streams of entries are, or find what is missing in what was received", streamsCommand},
		{"witness", "serve | key", "on another host: sign the heads of ledgers that continue what was signed before", witnessCommand},
		{"sshca", "pull | tell | principals", "on a host: fetch the list of revoked certificates, tell who is logged in, keep rules of sudo", sshcaCommand},
	}, peopleCommands(), secretCommands(), killCommands(), []command{
		{"bench", benchUsage, "measure the ledger on this machine, beside what it is compared with", benchCommand},
		{"version", "", "print the version", versionCommand},
	})
}

// Errors that choose the exit code.
type (
	usageError  struct{ text string }
	brokenError struct{ err error } // the ledger fails a check
	codeError   struct {
		code int
		err  error
	}
)

func (e usageError) Error() string  { return e.text }
func (e brokenError) Error() string { return e.err.Error() }
func (e brokenError) Unwrap() error { return e.err }
func (e codeError) Error() string   { return e.err.Error() }
func (e codeError) Unwrap() error   { return e.err }

// hinted is an error with what to do about it.
type hinted struct {
	err  error
	hint string
}

func (e hinted) Error() string { return e.err.Error() }
func (e hinted) Unwrap() error { return e.err }

func hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return hinted{err, fmt.Sprintf(format, args...)}
}

func run(ctx context.Context, p proc) int {
	if len(p.args) == 0 {
		help(p.err)
		return exitUsage
	}
	name := p.args[0]
	if name == "help" || name == "-h" || name == "--help" || name == "-help" {
		help(p.out)
		return exitDone
	}
	for _, c := range commands() {
		if c.name == name {
			p.args = p.args[1:]
			return report(p, c, c.run(ctx, p))
		}
	}
	fmt.Fprintf(p.err, "countersign: there is no command %q\n", name)
	if near := nearest(name, commandNames()); near != "" {
		fmt.Fprintf(p.err, "hint: did you mean %q?\n", near)
	} else {
		fmt.Fprintln(p.err, "hint: countersign help lists them")
	}
	return exitUsage
}

func commandNames() []string {
	var out []string
	for _, c := range commands() {
		out = append(out, c.name)
	}
	return out
}

// report prints an error as people read it and gives the exit code.
func report(p proc, c command, err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(p.err, "countersign %s: %s\nusage: countersign %s %s\n", c.name, usage.text, c.name, c.usage)
		return exitUsage
	}
	fmt.Fprintf(p.err, "countersign %s: %v\n", c.name, err)
	var h hinted
	if errors.As(err, &h) {
		fmt.Fprintf(p.err, "hint: %s\n", h.hint)
	}
	var code codeError
	var broken brokenError
	switch {
	case errors.As(err, &code):
		return code.code
	case errors.As(err, &broken):
		return exitLedger
	}
	return exitFailed
}

// flags makes a flag set that reports through usageError instead of ending the process.
func (p proc) flags(name, usage string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {
		fmt.Fprintf(p.out, "usage: countersign %s %s\n", name, usage)
		fs.SetOutput(p.out)
		fs.PrintDefaults()
		fs.SetOutput(io.Discard)
	}
	return fs
}

// parseFlags prints the usage for -h only: the flag package would print it for every error, into what a script reads.
func parseFlags(fs *flag.FlagSet, args []string) error {
	show := fs.Usage
	defer func() { fs.Usage = show }()
	fs.Usage = func() {}
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		show()
	}
	return err
}

// parse parses flags and checks how many words are left.
func (p proc) parse(fs *flag.FlagSet, least, most int) error {
	err := parseFlags(fs, p.args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usageError{err.Error()}
	case fs.NArg() < least:
		return usageError{"something is missing"}
	case fs.NArg() > most:
		return usageError{fmt.Sprintf("%q is too much", fs.Arg(most))}
	}
	return nil
}
