package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// The commands of people: what Slack does, on the bot's host, when Slack is away or nobody wants it. Who acts is who the kernel says.

// send gives one order to the running bot.
func send(ctx context.Context, c Config, o order) (reply, error) {
	var out reply
	if o.Cause == "" {
		var b [16]byte
		rand.Read(b[:])
		o.Cause = hex.EncodeToString(b[:])
	}
	body, err := json.Marshal(o)
	if err != nil {
		return out, err
	}
	client := http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", c.peopleSocket())
		}},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://people/do", bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	res, err := client.Do(req)
	if err != nil {
		return out, hint(fmt.Errorf("no bot answers on %s", c.peopleSocket()), "is countersign serve running here, and is %s_SOCKET (or %s_DATA) the one it uses?", prefix, prefix)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return out, fmt.Errorf("reading the bot's answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return out, errors.New(strings.TrimSpace(string(raw)))
	}
	return out, json.Unmarshal(raw, &out)
}

// person is what the commands of people have in common.
type person struct {
	p      proc
	cfg    Config
	flags  *flag.FlagSet
	asJSON *bool
	remote func() bool // the bot is on another host; nil: never
	words  string      // of the usage, for who leaves one out; empty: parse says only that something is missing
}

func newPerson(p proc, name, usage string) *person {
	fs := p.flags(name, usage)
	return &person{p: p, flags: fs, asJSON: fs.Bool("json", false, "print the answer as JSON")}
}

// parse reads flags before and after the words: people type them in any order.
func (x *person) parse(least, most int) ([]string, error) {
	var words []string
	args := x.p.args
	for {
		if err := parseFlags(x.flags, args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError{err.Error()}
		}
		if x.flags.NArg() == 0 {
			break
		}
		words = append(words, x.flags.Arg(0))
		args = x.flags.Args()[1:]
	}
	switch {
	case len(words) < least:
		return nil, usageError{"something is missing" + x.lacking(len(words), least)}
	case len(words) > most:
		return nil, usageError{fmt.Sprintf("%q is too much", words[most])}
	}
	if x.remote != nil && x.remote() {
		return words, nil
	}
	var err error
	if x.cfg, err = loadConfig(x.p.env); err != nil {
		return nil, err
	}
	if x.cfg.Data == "" && x.cfg.Socket == "" {
		return nil, hint(errors.New("nobody said where the bot's socket is"), "set %s_SOCKET, or %s_DATA to the bot's data folder", prefix, prefix)
	}
	return words, nil
}

// do sends an order and prints what comes back.
func (x *person) do(ctx context.Context, o order) error {
	r, err := send(ctx, x.cfg, o)
	if err != nil {
		return err
	}
	return x.print(r)
}

func (x *person) print(r reply) error {
	if *x.asJSON {
		enc := json.NewEncoder(x.p.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return err
		}
	} else {
		x.printText(r)
	}
	if !r.OK {
		return errors.New(r.Refused)
	}
	return nil
}

func (x *person) printText(r reply) {
	if r.ID != "" {
		fmt.Fprintf(x.p.out, "%s  %s\n", r.ID, r.Status)
	}
	for _, l := range r.Lines {
		fmt.Fprintln(x.p.out, printable(l))
	}
	if r.Text != "" {
		fmt.Fprintln(x.p.out, printable(r.Text))
	}
	if r.Explain != nil {
		for _, n := range r.Explain.Notes {
			fmt.Fprintf(x.p.out, "  - %s\n", printable(n.Sentence))
		}
		for _, c := range r.Explain.Children {
			x.printExplanation(c, 1)
		}
	}
	var use runbooks.Use
	if len(r.Use) > 0 && json.Unmarshal(r.Use, &use) == nil {
		x.printUse(use)
	}
}

func (x *person) printExplanation(e workflows.Explanation, depth int) {
	fmt.Fprintf(x.p.out, "%s%-8s %s: %s\n", strings.Repeat("  ", depth), e.Status, printable(e.Name), printable(e.Sentence))
	for _, n := range e.Notes {
		fmt.Fprintf(x.p.out, "%s- %s\n", strings.Repeat("  ", depth+1), printable(n.Sentence))
	}
	for _, c := range e.Children {
		x.printExplanation(c, depth+1)
	}
}

func (x *person) printUse(u runbooks.Use) {
	for i, s := range u.Steps {
		fmt.Fprintf(x.p.out, "%d. %s\n", i+1, printable(s))
	}
	if u.Command != "" {
		fmt.Fprintf(x.p.out, "\n  %s\n\n", printable(u.Command))
	}
	for name, content := range u.Files {
		fmt.Fprintf(x.p.out, "%s:\n%s\n", printable(name), content)
	}
}

// pairs collects name=value flags.
type pairs map[string]string

// String implements flag.Value.
func (p pairs) String() string { return "" }

// Set implements flag.Value; a value that begins with @ is the content of a file, such as a public key.
func (p pairs) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q: want name=value", s)
	}
	if file, isFile := strings.CutPrefix(value, "@"); isFile {
		b, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			return err
		}
		value = strings.TrimSpace(string(b))
	}
	p[name] = value
	return nil
}

func requestCommand(ctx context.Context, p proc) error {
	var command []string
	if i := slices.Index(p.args, "--"); i >= 0 {
		p.args, command = p.args[:i], p.args[i+1:]
	}
	x := newPerson(p, "request", "WORKFLOW -reason TEXT [flags] [-- COMMAND]")
	reason := x.flags.String("reason", "", "why; those who decide read it")
	what := x.flags.String("what", "", "target/entitlement, where the chain grants more than one")
	long := x.flags.String("for-time", "", "how long, such as 30m or 2h; default: the usual time of the chain")
	subject := x.flags.String("for", "", "a non-human identity that you own; default: yourself")
	start := x.flags.String("start", "", `when it should start, where the chain allows it: "2026-12-01 14:00" on your own clock, or RFC 3339`)
	confirm := x.flags.String("confirm", "", "name of the target once more, where the risk of what is asked for wants it typed")
	book := x.flags.String("runbook", "", "for a chain that approves runbooks: which")
	wait := x.flags.Bool("wait", false, "wait until it is decided; with -api, until there is access; with -- COMMAND: then run it and give the access back")
	address := x.flags.String("api", p.getenv(prefix+"_API"), "address of the bot, for pipelines: ask as the identity that this pipeline's own token proves")
	token := x.flags.String("token-file", "", "with -api: file that holds the platform's ID token; default: what the platform offers")
	audience := x.flags.String("audience", "", "with -api on GitHub Actions: audience that the token is made for; default: the bot's host name")
	cert := x.flags.String("cert", "", "with -api: file of a client certificate in PEM, which proves who asks instead of a token, such as an X.509-SVID")
	certKey := x.flags.String("cert-key", "", "with -cert: file of its private key")
	roots := x.flags.String("ca", "", "with -api: file of the authorities that may have signed the bot's certificate; default: the system's")
	fields := pairs{}
	x.flags.Var(fields, "field", "name=value of a form field; name=@FILE reads a file; may be given more than once")
	x.remote = func() bool { return *address != "" }
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	if *address != "" {
		return x.overAPI(ctx, front{*address, *token, *audience, *cert, *certKey, *roots}, *wait, command, asked{words[0], *what, *reason, *long, *confirm, fields})
	}
	if len(command) > 0 {
		return usageError{"-- COMMAND needs -api and -wait: on the bot's host, access is used by people"}
	}
	o := order{Do: "request", Workflow: words[0], What: *what, For: *subject, Reason: *reason, Fields: fields, Runbook: *book, Start: *start, Confirm: *confirm}
	if *long != "" {
		if o.Long, err = spec.ParseSpan(*long); err != nil {
			return usageError{"-for-time: " + err.Error()}
		}
	}
	if !*wait {
		return x.do(ctx, o)
	}
	return x.doAndWait(ctx, o)
}

// doAndWait asks and looks again until the request is decided.
func (x *person) doAndWait(ctx context.Context, o order) error {
	r, err := send(ctx, x.cfg, o)
	if err != nil {
		return err
	}
	said := ""
	for r.OK && r.Status == workflows.StatusOpen.Words() {
		if r.Text != said {
			said = r.Text
			fmt.Fprintln(x.p.err, said)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if r, err = send(ctx, x.cfg, order{Do: "status", ID: r.ID}); err != nil {
			return err
		}
	}
	return x.print(r)
}

// decideCommand approves or denies: it shows the request first, and the decision is bound to what was shown.
func decideCommand(verb string) func(context.Context, proc) error {
	return func(ctx context.Context, p proc) error {
		x := newPerson(p, verb, "ID [-reason TEXT] [-yes]")
		reason := x.flags.String("reason", "", "why; a denial needs it")
		yes := x.flags.Bool("yes", false, "do not ask again after showing the request")
		words, err := x.parse(1, 1)
		if err != nil {
			return err
		}
		seen, err := send(ctx, x.cfg, order{Do: "status", ID: words[0], Unread: *yes})
		if err != nil {
			return err
		}
		if !seen.OK {
			return x.print(seen)
		}
		if !*yes {
			x.printText(seen)
			if !x.agrees(verb) {
				return errors.New("nothing was decided")
			}
		}
		return x.do(ctx, order{Do: verb, ID: seen.ID, Shown: seen.Shown, Stage: seen.Stage, Reason: *reason})
	}
}

func (x *person) agrees(verb string) bool {
	fmt.Fprintf(x.p.err, "\nType %s to %s this: ", verb, verb)
	line, err := bufio.NewReader(io.LimitReader(x.p.in, 100)).ReadString('\n')
	return (err == nil || errors.Is(err, io.EOF)) && strings.TrimSpace(line) == verb
}

// idCommand is a command on one id.
func idCommand(verb string, least int) func(context.Context, proc) error {
	return func(ctx context.Context, p proc) error {
		x := newPerson(p, verb, "ID [-reason TEXT]")
		reason := x.flags.String("reason", "", "why")
		words, err := x.parse(least, 1)
		if err != nil {
			return err
		}
		return x.do(ctx, order{Do: verb, ID: strings.Join(words, ""), Reason: *reason})
	}
}

func listCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "list", "")
	if _, err := x.parse(0, 0); err != nil {
		return err
	}
	return x.do(ctx, order{Do: "list"})
}

// peopleCommands are the commands that act as somebody.
func peopleCommands() []command {
	return slices.Clone([]command{
		{"request", "WORKFLOW -reason TEXT [-field NAME=VALUE] [-wait] [-api URL -- COMMAND]", "ask for access: on the bot's host, or as a pipeline", requestCommand},
		{"list", "", "what waits for you, what you hold, what you can ask for", listCommand},
		{"offers", "WORKFLOW", "what can be picked in its form, where a target says that itself", offersCommand},
		{"status", "ID", "where a request stands, and how to use what was granted", idCommand("status", 1)},
		{"approve", "ID", "decide in favour, after seeing the request", decideCommand("approve")},
		{"deny", "ID -reason TEXT", "decide against", decideCommand("deny")},
		{"take-back", "ID", "take your approval back before the access starts", idCommand("take-back", 1)},
		{"withdraw", "ID", "withdraw your own request", idCommand("withdraw", 1)},
		{"done", "[ID]", "give access back early", idCommand("done", 0)},
		{"revoke", "ID", "take access away from somebody", idCommand("revoke", 1)},
		{"extend", "[ID] -for-time 1h -reason TEXT", "ask for more time with what you hold", extendCommand},
		{"offer", "ID -for-time 30m", "say what you would approve instead", offerCommand},
		{"accept", "ID", "accept a counter-offer to your request", offerAnswerCommand("accept")},
		{"decline", "ID", "keep your request as it is", offerAnswerCommand("decline")},
		{"comment", "ID TEXT", "add a note to a request; it decides nothing", commentCommand},
		{"away", "-until DATE [-delegate KEY]", "say that you are away, and who decides for you", awayCommand},
		{"back", "", "end your time off", backCommand},
		{"drift", "[TARGET] | accept TARGET FINDING -reason TEXT", "compare targets with the ledger: access that no grant explains, or that vanished", driftCommand},
		{"drill", "TARGET", "make access for nobody and take it back, to see that this works", drillCommand},
		{"ticket-closed", "TICKET", "end all access that was to last no longer than a ticket", ticketCommand},
	})
}
