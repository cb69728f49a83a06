package command

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/orders"
)

// The exit codes that mean something. Every other one, and a death by signal, is an unknown outcome: reading back
// decides, and the call comes again.
const (
	exitDone   = 0
	exitRefuse = 3
	exitRetry  = 4
	exitBroken = 5
)

// Connector runs the operator's programs for one target. It is safe for concurrent use and holds nothing between calls.
type Connector struct {
	programs map[string][]argument
	env      []runbooks.Secret // NAME=value; who prints a connector prints none of them
	dir      string
	timeout  time.Duration
	leaves   string
	offers   []string // the program that lists what can be granted
	runs     chan struct{}
}

// Open reads the configuration. It does not look at the programs: one that is missing must not keep the bot from
// starting and revoking elsewhere; Probe and every call say so.
func Open(cfg Config) (*Connector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Connector{
		programs: map[string][]argument{}, env: hidden(cfg.Env), dir: cfg.Dir, timeout: cfg.Timeout,
		leaves: cfg.Leaves, offers: cfg.Offers, runs: make(chan struct{}, maxRuns),
	}
	for op, words := range map[string][]string{orders.Grant: cfg.Grant, orders.Revoke: cfg.Revoke, orders.Check: cfg.Check, orders.Try: cfg.Try} {
		if op == orders.Try && len(words) == 0 {
			continue
		}
		template, err := parseTemplate(words)
		if err != nil {
			return nil, fmt.Errorf("the program for %s: %w", op, err)
		}
		c.programs[op] = template
	}
	if c.dir == "" {
		c.dir = "/"
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.leaves == "" {
		c.leaves = "Whether open sessions end, and what else stays, is up to the program behind this target: it is not known here."
	}
	return c, nil
}

// Describe declares only what holds for any program: nothing ends by itself, and what ends with a revocation is not known.
func (c *Connector) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{Name: "command", RevokeLatency: time.Second, RevokeLeaves: c.leaves, Timeout: c.timeout}
}

// Grant runs the program for grant. An answer that cannot be read is an error even though the access is made: the
// holder could not be told how to use it, and the operator finds the mistake at the first try.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	res, err := c.call(ctx, orders.Grant, g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	a, err := parseAnswer(res.stdout)
	if err != nil {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Broken, res.said(), "the program says that it is done, but its answer cannot be read: %s", err)
	}
	return a.Receipt(g), nil
}

// Revoke runs the program for revoke. Here an answer that cannot be read is only noted: what counts is reading back.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	res, err := c.call(ctx, orders.Revoke, g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	a, err := parseAnswer(res.stdout)
	if err != nil {
		a.Facts = map[string]string{"answer": "could not be read: " + err.Error()}
	}
	return a.Receipt(g), nil
}

// Check runs the program for check.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	return c.read(ctx, orders.Check, g)
}

// CanTry tells whether there is a program that uses a canary's access.
func (c *Connector) CanTry() bool { return c.programs[orders.Try] != nil }

// Try runs it: present means that the canary is let in.
func (c *Connector) Try(ctx context.Context, g runbooks.Grant, _ runbooks.Receipt) (bool, error) {
	if !c.CanTry() {
		return false, runbooks.Errorf(runbooks.Broken, nil, "no program uses what was granted: the setting %s names none", SettingTry)
	}
	presence, err := c.read(ctx, orders.Try, g)
	return presence == runbooks.Present, err
}

// read runs a program that answers with a presence.
func (c *Connector) read(ctx context.Context, op string, g runbooks.Grant) (runbooks.Presence, error) {
	res, err := c.call(ctx, op, g)
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	presence, words, err := parsePresence(res.stdout)
	if err != nil {
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Broken, res.said(), "the program for %s answers what cannot be read: %s", op, err)
	}
	if presence == runbooks.Unconfirmed {
		if words == "" {
			words = "the program cannot tell yet"
		}
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, res.said(), "%s", words)
	}
	return presence, nil
}

// call runs one program for a grant and judges its exit code; the result is that of a program that said "done".
func (c *Connector) call(ctx context.Context, op string, g runbooks.Grant) (result, error) {
	g.Secret = runbooks.Handover{} // none is made for programs
	stdin, err := orders.Encode(op, g)
	if err != nil {
		return result{}, err
	}
	stdin = append(stdin, '\n')
	argv, err := fill(c.programs[op], g)
	if err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.turn(ctx); err != nil {
		return result{}, err
	}
	defer func() { <-c.runs }()
	if err := checkProgram(argv[0]); err != nil {
		return result{}, err
	}
	res, err := c.run(ctx, argv, stdin)
	if err != nil {
		return result{}, err
	}
	return res, res.judge()
}

// turn waits until fewer than maxRuns programs of this target run.
func (c *Connector) turn(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case c.runs <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return runbooks.Errorf(runbooks.Retry, ctx.Err(), "the call was cut short before the program was started")
}

// judge makes an exit code an error, in the program's own words where it has some.
func (r result) judge() error {
	if r.code == exitDone {
		return nil
	}
	words := ""
	if a, err := parseAnswer(r.stdout); err == nil && a.Text != "" {
		words = ": " + a.Text
	}
	switch r.code {
	case exitRefuse:
		return runbooks.Errorf(runbooks.Refuse, r.said(), "the program refuses%s", words)
	case exitRetry:
		return runbooks.Errorf(runbooks.Retry, r.said(), "the program asks to come again%s", words)
	case exitBroken:
		return runbooks.Errorf(runbooks.Broken, r.said(), "the program lacks a right or is set up wrongly%s", words)
	case -1:
		return runbooks.Errorf(runbooks.Retry, r.said(), "the program was ended by a signal")
	default:
		return runbooks.Errorf(runbooks.Retry, r.said(), "the program ended with code %d%s", r.code, words)
	}
}

// checkProgram refuses a program that anybody on the machine could replace.
func checkProgram(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return runbooks.Errorf(runbooks.Broken, err, "the program %q cannot be found", path)
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return runbooks.Errorf(runbooks.Broken, nil, "the program %q is not an executable file", path)
	case info.Mode().Perm()&0o002 != 0:
		return runbooks.Errorf(runbooks.Broken, nil, "the program %q can be written by everybody on this machine", path)
	}
	return nil
}

// Probe looks at the programs without running them: only a real order shows what they do.
func (c *Connector) Probe(context.Context) []runbooks.Finding {
	var out []runbooks.Finding
	for _, op := range []string{orders.Grant, orders.Revoke, orders.Check, orders.Try} {
		if c.programs[op] == nil {
			continue
		}
		path := c.programs[op][0].literal
		if err := checkProgram(path); err != nil {
			out = append(out, runbooks.Finding{What: op + ": " + err.Error(), Do: "put the program there, mode 0755, owned by root"})
			continue
		}
		out = append(out, runbooks.Finding{OK: true, What: fmt.Sprintf("%s: the program %q is there and not everybody can change it; what it may do is not seen from here", op, path)})
	}
	if info, err := os.Stat(c.dir); err != nil || !info.IsDir() {
		out = append(out, runbooks.Finding{What: fmt.Sprintf("the working directory %q is not there", c.dir), Do: "make it, or change the setting " + SettingDir})
	}
	return slices.Clip(out)
}

// Close has nothing to let go of; it is there so that every connector ends the same way.
func (c *Connector) Close() error { return nil }

// hidden keeps the environment where nobody prints it by accident: its values may be passwords.
func hidden(env []string) []runbooks.Secret {
	out := make([]runbooks.Secret, len(env))
	for i, pair := range env {
		out[i] = runbooks.NewSecret(pair)
	}
	return out
}

// shown is the environment for a program. It is never nil, which would mean the bot's own.
func shown(env []runbooks.Secret) []string {
	out := make([]string, len(env))
	for i, pair := range env {
		out[i] = pair.Reveal()
	}
	return out
}
