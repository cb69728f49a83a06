package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// describeFolder says what a good folder holds, so that a reader sees that it was understood.
func describeFolder(p proc, dir string, folder *spec.Folder) error {
	c, err := folder.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s is good: %s, %s, %s, %s, %s.\n\n", dir, quantity(len(c.People), "person", "people"), quantity(len(c.Targets), "target", "targets"),
		quantity(len(c.Workflows), "workflow", "workflows"), quantity(len(c.Runbooks), "runbook", "runbooks"),
		quantity(len(c.Identities), "non-human identity", "non-human identities"))
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "WORKFLOW\tGRANTS\tSTAGES\tLONGEST\tPOLICY")
	list := make([]spec.Policy, 0, len(c.Workflows))
	for _, x := range c.Workflows {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b spec.Policy) int { return cmp.Compare(a.Workflow.ID, b.Workflow.ID) })
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
	if w.Kind == workflows.KindPreapprove {
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
