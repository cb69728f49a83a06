package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// checkCommand says everything that is wrong with a folder, or what it holds and what is probably not meant.
func checkCommand(ctx context.Context, p proc) error {
	flags := p.flags("check", "[-strict] [--json] [-no-tests] [DIR]; or -against OLDDIR [-markdown] [-fail-loosening] [DIR]")
	strict := flags.Bool("strict", false, "warnings fail the check, as errors do; gaps of the coming year do not")
	asJSON := flags.Bool("json", false, "print errors, warnings, gaps and who is there in the coming year as JSON")
	noTests := flags.Bool("no-tests", false, "leave out the folder's policy tests and stories")
	var c comparing
	flags.StringVar(&c.old, "against", "", "say in words what is looser or tighter than in this folder")
	flags.BoolVar(&c.markdown, "markdown", false, "with -against: as Markdown, for a pull request")
	flags.BoolVar(&c.failing, "fail-loosening", false, "with -against: fail when anything is looser")
	words, err := p.parseMixed(flags, 0, 1)
	if err != nil {
		return err
	}
	dir, err := checkedFolder(p, strings.Join(words, ""))
	if err != nil {
		return err
	}
	if c.asJSON = *asJSON; c.old != "" {
		return checkAgainst(p, dir, c)
	}
	folder, err := readFolderFed(dir, p.copies(""))
	if broken := (*spec.Problems)(nil); *asJSON && errors.As(err, &broken) {
		return errors.Join(printFindings(p, findings{List: lintFindings("error", broken.List)}), codeError{exitFailed, errors.New("the folder is not good")})
	}
	if err != nil {
		return err
	}
	if c, err := loadConfig(p.env); err != nil {
		return err
	} else if err := checkHandover(c, folder); err != nil {
		return err
	}
	today := calendar.DateAt(workflows.StampOf(time.Now()), time.UTC)
	warnings := folder.Lint(today)
	err = describeFolder(p, dir, folder, warnings, today, *asJSON)
	if err == nil && !*noTests {
		err = playedInCheck(ctx, p, folder, *asJSON)
	}
	if err == nil && *strict && len(warnings) > 0 {
		return hint(fmt.Errorf("%s of %s, and -strict lets none pass", quantity(len(warnings), "warning", "warnings"), dir), "change what they name")
	}
	return err
}

// checkedFolder is the folder on the command line, or that of the environment.
func checkedFolder(p proc, dir string) (string, error) {
	if dir == "" {
		c, err := loadConfig(p.env)
		if err != nil {
			return "", err
		}
		dir = c.Config
	}
	if dir == "" {
		return "", hint(errors.New("no folder is named"), "countersign check DIR, or set %s_CONFIG", prefix)
	}
	return dir, nil
}

// printProblems says what is allowed and probably not meant.
func printProblems(p proc, list []spec.Problem, one, many string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(p.err, "\n%s:\n", quantity(len(list), one, many))
	for _, w := range list {
		fmt.Fprint(p.err, w.String())
	}
}

// findings are what check says to programs.
type findings struct {
	List     []lintFinding   `json:"findings"`
	Coverage []stageCoverage `json:"coverage,omitempty"` // who is there in the coming year, of each stage
}

// lintFinding is a problem, a warning or a gap, for programs.
type lintFinding struct {
	Severity string `json:"severity"` // "error", "warning", "gap"
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Path     string `json:"path,omitempty"`
	Text     string `json:"text"`
	Hint     string `json:"hint,omitempty"`
}

func lintFindings(severity string, list []spec.Problem) []lintFinding {
	out := []lintFinding{}
	for _, x := range list {
		out = append(out, lintFinding{severity, x.File, x.Line, x.Col, x.Path, x.Text, x.Hint})
	}
	return out
}

// printFindings writes one JSON object.
func printFindings(p proc, x findings) error {
	enc := json.NewEncoder(p.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(x)
}

// describeFolder says what a good folder holds, so that a reader sees that it was understood, what is probably not meant, and who is missing when.
func describeFolder(p proc, dir string, folder *spec.Folder, warnings []spec.Problem, today calendar.Date, asJSON bool) error {
	c, err := folder.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	if err := errors.Join(err, checkWatch(c.Targets)); err != nil {
		return err
	}
	list, err := coverageOf(c, today)
	if err != nil {
		return err
	}
	gaps := gapsOf(folder, list, usualGap)
	if asJSON {
		return printFindings(p, findings{append(lintFindings("warning", warnings), lintFindings("gap", gaps)...), list})
	}
	if err := describeWorkflows(p, dir, c); err != nil {
		return err
	}
	if err := printCoverage(p.out, list); err != nil {
		return err
	}
	printProblems(p, gaps, "gap in which a request times out before enough people are there", "gaps in which a request times out before enough people are there")
	printProblems(p, warnings, "warning", "warnings")
	return nil
}

func describeWorkflows(p proc, dir string, c spec.Policies) error {
	fmt.Fprintf(p.out, "%s is good: %s, %s, %s, %s, %s.\n\n", dir, quantity(len(c.People), "person", "people"), quantity(len(c.Targets), "target", "targets"),
		quantity(len(c.Workflows), "workflow", "workflows"), quantity(len(c.Runbooks), "runbook", "runbooks"),
		quantity(len(c.Identities), "non-human identity", "non-human identities"))
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "WORKFLOW\tGRANTS\tSTAGES\tLONGEST\tPOLICY")
	list := make([]spec.Policy, 0, len(c.Workflows))
	for _, x := range c.Workflows {
		list = append(list, x)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Workflow.ID < list[j].Workflow.ID })
	for _, x := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.Workflow.ID, grantsWords(x.Workflow), stagesWords(x.Workflow), x.Workflow.Longest, shortHash(x.Hash))
	}
	return w.Flush()
}

func quantity(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func grantsWords(w workflows.Workflow) string {
	switch w.Kind {
	case workflows.KindRoutine:
		return "runs of routine runbooks"
	case workflows.KindPreapprove:
		return "approval of runbooks"
	}
	var out []string
	for _, e := range w.Entitlements {
		out = append(out, e.Name())
	}
	return strings.Join(out, ", ")
}

func stagesWords(w workflows.Workflow) string {
	var out []string
	for _, s := range w.Stages {
		out = append(out, fmt.Sprintf("%s (%d)", s.Name, s.Quorum))
	}
	return strings.Join(out, " > ")
}

// shortHash cuts a document's hash to twelve digits.
func shortHash(h workflows.DocHash) string {
	hex, ok := strings.CutPrefix(string(h), "sha256:")
	if !ok || len(hex) < 12 {
		return "of no hash"
	}
	return hex[:12]
}
