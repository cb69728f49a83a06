package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
	"github.com/countersign-bot/countersign/workflows/spec"
)

//go:embed runbook_start.md
var runbookStart string

type runbookVerb struct {
	name, usage, short string
	run                func(context.Context, proc) error
}

// runbookVerbs are the words behind countersign runbook, in the order of a runbook's life.
func runbookVerbs() []runbookVerb {
	return []runbookVerb{
		{"new", "ID [-out FILE]", "write a commented runbook to start from", runbookNew},
		{"check", "[-json] [DIR]", "check the runbooks of a folder and say what each step would do", runbookCheck},
		{"list", "[-json]", "all runbooks and whether they are ready", runbookAsk(order{Do: doBookList})},
		{"show", "ID [-html] [-json]", "the exact text of a runbook that is in force", runbookShow},
		{"dry-run", "ID INCIDENT [NAME=VALUE …]", "what an invocation would come to now; nothing is recorded or changed", runbookInvoke(doBookDryRun)},
		{"drill", "ID INCIDENT [NAME=VALUE …]", "practise it: the whole way, marked as a drill", runbookInvoke(doBookDrill)},
		{"invoke", "ID INCIDENT [NAME=VALUE …] [-reason TEXT] [-tier break_glass|chain] [-yes]", "break the glass, after seeing what it comes to", runbookInvoke(doBookInvoke)},
		{"start", "ID [NAME=VALUE …] -reason TEXT [-for-time 2h] [-about WHOM]", "ask for a routine runbook to be carried out; its chain opens it", runbookStartRun},
		{"agree", "PROPOSAL", "be the second person for somebody else's use", runbookID(doBookAgree)},
		{"status", "[RUN] [-json]", "open runs, or the steps of one", runbookID(doBookStatus)},
		{"step", "RUN NUMBER run|done|skip [-reason TEXT]", "run, finish or leave out a step", runbookStep},
		{"note", "RUN [-step N] -text TEXT | -link URL | -file PATH", "attach what shows something", runbookNote},
		{"finish", "RUN [-reason TEXT]", "close a run; the access that it gave ends", runbookEnd(desk.DoClose)},
		{"rollback", "RUN -reason TEXT", "take back what connectors did", runbookEnd(desk.DoRollBack)},
		{"review", "[REVIEW emergency|drill|misuse -reason TEXT]", "reviews that wait for you, or your verdict on one", runbookReview},
		{"task", "REVIEW TASK -reason TEXT", "say that something was done that a review waits for", runbookTask},
		{"report", "INCIDENT|REVIEW|RUN [-out FILE.md|FILE.html|FILE.pdf] [-json]", "the post-incident report, out of the ledger", runbookReport},
		{"watch", "[-json]", "how the glass is used: budgets, generic reasons, the same people again", runbookAsk(order{Do: doBookWatch})},
	}
}

func runbookCommand(ctx context.Context, p proc) error {
	verb := ""
	if len(p.args) > 0 {
		verb = p.args[0]
	}
	var names []string
	for _, v := range runbookVerbs() {
		if v.name == verb {
			p.args = p.args[1:]
			return v.run(ctx, p)
		}
		names = append(names, v.name)
	}
	if verb == "-h" || verb == "-help" || verb == "--help" {
		fmt.Fprintln(p.out, "usage: countersign runbook VERB; each with -h says more")
		for _, v := range runbookVerbs() {
			fmt.Fprintf(p.out, "  %-9s %s\n            %s\n", v.name, v.usage, v.short)
		}
		return nil
	}
	if verb == "" {
		return usageError{"say what to do: " + strings.Join(names, ", ")}
	}
	return usageError{fmt.Sprintf("there is no runbook %s: %s", printable(verb), strings.Join(names, ", "))}
}

// newBookPerson is newPerson for a verb of runbook, which says which of its words is missing: it is typed at night.
func newBookPerson(p proc, name, usage string) *person {
	x := newPerson(p, name, usage)
	x.words = usage
	return x
}

// lacking names the words that were left out, and how all of it is typed.
func (x *person) lacking(have, least int) string {
	all := strings.Fields(x.words)
	if len(all) < least {
		return ""
	}
	return ": " + strings.Join(all[have:least], " and ") + ", of countersign " + x.flags.Name() + " " + x.words
}

// runbookAsk sends an order that takes no words.
func runbookAsk(o order) func(context.Context, proc) error {
	return func(ctx context.Context, p proc) error {
		x := newBookPerson(p, strings.Replace(o.Do, "-", " ", 1), "[--json]")
		if _, err := x.parse(0, 0); err != nil {
			return err
		}
		return x.doData(ctx, o)
	}
}

// doData sends an order; with -json it prints what a script wants, and nothing around it.
func (x *person) doData(ctx context.Context, o order) error {
	r, err := send(ctx, x.cfg, o)
	if err != nil {
		return err
	}
	if !*x.asJSON || !r.OK || len(r.Data) == 0 {
		return x.print(r)
	}
	var v any
	if err := json.Unmarshal(r.Data, &v); err != nil {
		return err
	}
	enc := json.NewEncoder(x.p.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// runbookID sends an order about one id.
func runbookID(do string) func(context.Context, proc) error {
	return func(ctx context.Context, p proc) error {
		x := newBookPerson(p, strings.Replace(do, "-", " ", 1), "ID [--json]")
		least := 1
		if do == doBookStatus {
			least = 0
		}
		words, err := x.parse(least, 1)
		if err != nil {
			return err
		}
		return x.doData(ctx, order{Do: do, ID: strings.Join(words, "")})
	}
}

func runbookNew(_ context.Context, p proc) error {
	flags := p.flags("runbook new", "ID [-out FILE]")
	out := flags.String("out", "", "the file to write; default: standard output")
	id := ""
	if len(p.args) > 0 && !strings.HasPrefix(p.args[0], "-") {
		id, p.args = p.args[0], p.args[1:]
	}
	if err := p.parse(flags, 0, 1); err != nil {
		return err
	}
	if id == "" {
		id = flags.Arg(0)
	}
	if id == "" || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(id) > 40 || id[0] == '-' {
		return usageError{"name it in a-z, 0-9 and -: countersign runbook new db-failover"}
	}
	text := strings.ReplaceAll(runbookStart, "RUNBOOK-ID", id)
	if *out == "" {
		_, err := io.WriteString(p.out, text)
		return err
	}
	f, err := os.OpenFile(filepath.Clean(*out), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("writing a runbook to start from: %w", err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// checkedBook is a runbook of a folder as a script reads it.
type checkedBook struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Document string   `json:"document"`
	Steps    []string `json:"steps"`
}

// runbookCheck checks a folder, and that the Markdown reader and the reader of steps see the same steps in every document.
func runbookCheck(_ context.Context, p proc) error {
	flags := p.flags("runbook check", "[-json] [DIR]")
	asJSON := flags.Bool("json", false, "print what was found as JSON")
	if err := p.parse(flags, 0, 1); err != nil {
		return err
	}
	dir, err := p.folderNamed(flags.Args())
	if err != nil {
		return err
	}
	policies, err := readPolicies(dir, p.copies(""))
	if err != nil {
		return err
	}
	list := []checkedBook{}
	for _, id := range sortedBooks(policies) {
		b := policies.Runbooks[id]
		if err := sameSteps(string(id), b.Raw); err != nil {
			return err
		}
		c := checkedBook{ID: string(id), Title: b.Runbook.Title, Document: string(b.Hash)}
		for _, st := range b.Runbook.Plan(b.Raw) {
			c.Steps = append(c.Steps, stepWords(st, incidents.Invocation{}))
		}
		list = append(list, c)
	}
	if *asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	}
	for _, c := range list {
		fmt.Fprintf(p.out, "%s  %s\n  %s\n", c.ID, c.Title, c.Document)
		for i, st := range c.Steps {
			fmt.Fprintf(p.out, "  %2d. %s\n", i+1, printable(st))
		}
	}
	fmt.Fprintf(p.err, "%s good.\n", howMany(len(list), "runbook"))
	return nil
}

// sameSteps holds a document to one meaning: what a Markdown reader takes for its steps is what is compiled.
func sameSteps(name string, raw []byte) error {
	d, err := runbooks.ParseDocument(name, raw)
	if err != nil {
		return err
	}
	list := incidents.ReadOutline(raw)
	if len(list) != len(d.Steps) {
		return fmt.Errorf("%s: a reader of Markdown finds %d steps and ours %d: number the items of one list, or write headings that begin with Step", name, len(d.Steps), len(list))
	}
	for i, o := range list {
		if o.Line != d.Steps[i].Line {
			return fmt.Errorf("%s:%d: step %d begins elsewhere for a reader of Markdown (line %d)", name, o.Line, i+1, d.Steps[i].Line)
		}
	}
	return nil
}

// oneMeaning refuses documents whose blocks would do something else than what a person reads in them.
func oneMeaning(p spec.Policies) error {
	var errs []error
	for _, id := range sortedBooks(p) {
		if b := p.Runbooks[id]; len(b.Runbook.Steps) > 0 {
			errs = append(errs, sameSteps("runbooks/"+string(id)+".md", b.Raw))
		}
	}
	return errors.Join(errs...)
}

func sortedBooks(p spec.Policies) []workflows.RunbookID {
	return slices.Sorted(maps.Keys(p.Runbooks))
}

func runbookShow(ctx context.Context, p proc) error {
	x := newBookPerson(p, "runbook show", "ID [-html] [--json]")
	asHTML := x.flags.Bool("html", false, "print a page for a browser or a printer")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	r, err := send(ctx, x.cfg, order{Do: doBookShow, Runbook: words[0]})
	if err != nil || !r.OK || *x.asJSON {
		return errors.Join(err, x.print(r))
	}
	var shown struct {
		Text    string
		Runbook incidents.Runbook
	}
	if err := json.Unmarshal(r.Data, &shown); err != nil {
		return err
	}
	if !*asHTML {
		_, err = io.WriteString(p.out, shown.Text)
		return err
	}
	page, err := runbooks.RenderPage(shown.Runbook.Title, string(shown.Runbook.Document), []byte(shown.Text))
	if err != nil {
		return err
	}
	_, err = p.out.Write(page)
	return err
}

// runbookInvoke breaks the glass, practises it, or says what it would come to.
func runbookInvoke(do string) func(context.Context, proc) error {
	return func(ctx context.Context, p proc) error {
		x := newBookPerson(p, strings.Replace(do, "-", " ", 1), "ID INCIDENT [NAME=VALUE …]")
		reason := x.flags.String("reason", "", "what is happening")
		tier := x.flags.String("tier", "", "break_glass: go around a condition that fails, if you are on the short list; chain: ask its chain instead")
		executor := x.flags.String("executor", "", "key of who holds the access and carries it out; default: you")
		yes := x.flags.Bool("yes", false, "do not ask after showing what it comes to")
		words, err := x.parse(2, 40)
		if err != nil {
			return err
		}
		fields := pairs{}
		for _, w := range words[2:] {
			if err := fields.Set(w); err != nil {
				return usageError{err.Error()}
			}
		}
		if *tier != "" && *tier != incidents.TierBreakGlass && *tier != incidents.TierChain {
			return usageError{"-tier is break_glass or chain"}
		}
		o := order{Do: do, Runbook: words[0], Reason: *reason, Fields: fields, Glass: &glassOrder{Incident: words[1], Tier: *tier, Executor: *executor}}
		if do == doBookInvoke && !*yes {
			look := o
			look.Do = doBookDryRun
			seen, err := send(ctx, x.cfg, look)
			if err != nil {
				return err
			}
			x.printText(seen)
			if seen.OK && !x.agrees("invoke") {
				return errors.New("nothing was done")
			}
		}
		return x.doData(ctx, o)
	}
}

func runbookStep(ctx context.Context, p proc) error {
	x := newBookPerson(p, "runbook step", "RUN NUMBER run|done|skip [-reason TEXT]")
	reason := x.flags.String("reason", "", "what was seen, or why it is left out")
	words, err := x.parse(3, 3)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(words[1])
	if err != nil || n < 1 {
		return usageError{fmt.Sprintf("%q is no number of a step", words[1])}
	}
	if words[2] != desk.DoBegin && words[2] != desk.DoFinish && words[2] != desk.DoSkip {
		return usageError{"a step is run, done or skip"}
	}
	return x.do(ctx, order{Do: doBookStep, ID: words[0], Reason: *reason, Glass: &glassOrder{Act: words[2], Step: n}})
}

func runbookNote(ctx context.Context, p proc) error {
	x := newBookPerson(p, "runbook note", "RUN [-step N] -text TEXT | -link URL | -file PATH")
	step := x.flags.Int("step", 0, "the step that it is about; 0: the whole run")
	text := x.flags.String("text", "", "in words")
	link := x.flags.String("link", "", "where it can be read")
	file := x.flags.String("file", "", "a file that is kept elsewhere: its hash is recorded, not its content")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	e := runs.EvidenceAdded{Step: *step, What: runs.EvidenceText, Text: *text}
	switch {
	case *link != "":
		e.What, e.Text = runs.EvidenceLink, *link
	case *file != "":
		e.What, e.Text = runs.EvidenceFile, filepath.Base(*file)
		if e.Hash, e.Size, err = hashFile(*file); err != nil {
			return err
		}
	case *text == "":
		return usageError{"say -text, -link or -file"}
	}
	return x.do(ctx, order{Do: doBookStep, ID: words[0], Glass: &glassOrder{Act: desk.DoAttach, Evidence: &e}})
}

func hashFile(path string) (string, int64, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return "", 0, fmt.Errorf("working out the hash of a file: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	n, err := io.Copy(h, f)
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), n, err
}

func runbookEnd(act string) func(context.Context, proc) error {
	return func(ctx context.Context, p proc) error {
		x := newBookPerson(p, "runbook "+act, "RUN [-reason TEXT]")
		reason := x.flags.String("reason", "", "why")
		words, err := x.parse(1, 1)
		if err != nil {
			return err
		}
		return x.do(ctx, order{Do: doBookStep, ID: words[0], Reason: *reason, Glass: &glassOrder{Act: act}})
	}
}

func runbookReview(ctx context.Context, p proc) error {
	x := newBookPerson(p, "runbook review", "[REVIEW emergency|drill|misuse -reason TEXT]")
	reason := x.flags.String("reason", "", "what you found, in at least 10 characters")
	words, err := x.parse(0, 2)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return x.doData(ctx, order{Do: doBookReview})
	}
	if len(words) == 1 {
		return usageError{"say what you found: emergency, drill or misuse"}
	}
	return x.do(ctx, order{Do: doBookReview, ID: words[0], Reason: *reason, Glass: &glassOrder{Verdict: words[1]}})
}

func runbookTask(ctx context.Context, p proc) error {
	x := newBookPerson(p, "runbook task", "REVIEW TASK -reason TEXT")
	reason := x.flags.String("reason", "", "what was done and what shows it")
	words, err := x.parse(2, 2)
	if err != nil {
		return err
	}
	return x.do(ctx, order{Do: doBookTask, ID: words[0], Reason: *reason, Glass: &glassOrder{Task: words[1]}})
}
