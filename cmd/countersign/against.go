package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// comparing are the flags of a check against another folder.
type comparing struct {
	old      string // the folder before
	markdown bool
	asJSON   bool
	failing  bool // what loosens anything fails
}

// checkAgainst says in words what a changed folder loosens and tightens, for whoever reviews the change. It says what the bot would say and
// hold back: the comparison is the same.
func checkAgainst(p proc, dir string, c comparing) error {
	before, err := readPolicies(c.old, p.copies(""))
	if err != nil {
		return err
	}
	after, err := readPolicies(dir, p.copies(""))
	if err != nil {
		return err
	}
	changes, err := changesBetween(before, after)
	if err != nil {
		return err
	}
	switch {
	case c.asJSON:
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if changes == nil {
			changes = []workflows.PolicyChange{}
		}
		err = enc.Encode(map[string]any{"changes": changes, "loosens": workflows.Loosens(changes)})
	case c.markdown:
		printChangesMarkdown(p.out, changes)
	default:
		printChanges(p.out, changes)
	}
	if err == nil && c.failing && workflows.Loosens(changes) {
		return errors.New("the change loosens something")
	}
	return err
}

// changesBetween compares two folders by the keys of their people, and names them.
func changesBetween(before, after spec.Policies) ([]workflows.PolicyChange, error) {
	a, err := policyOf(before)
	if err != nil {
		return nil, err
	}
	b, err := policyOf(after)
	if err != nil {
		return nil, err
	}
	inTheOpen(a)
	inTheOpen(b)
	names := map[string]string{}
	for _, list := range [][]spec.Person{before.People, after.People} {
		for _, x := range list {
			names[string(x.ID)] = x.Name
		}
	}
	changes := desk.Compare(a, b)
	for i, c := range changes {
		changes[i].Unit, changes[i].Text = withNames(c.Unit, names), withNames(c.Text, names)
	}
	return changes, nil
}

// inTheOpen marks accounts by themselves: two folders are compared where both lie, and no ledger has pseudonyms for what they say.
func inTheOpen(p *desk.Policy) {
	for id, x := range p.People {
		x.Marks = accountMarks(x.Accounts)
		for what, account := range map[string]string{"slack": x.Slack, "unix": x.Unix, "email": strings.ToLower(x.Email)} {
			if account != "" {
				x.Marks[what] = account
			}
		}
		p.People[id] = x
	}
	for id, i := range p.Identities {
		i.Marks = accountMarks(i.Accounts)
		p.Identities[id] = i
	}
}

func accountMarks(accounts map[workflows.TargetID]string) map[string]string {
	out := map[string]string{}
	for target, account := range accounts {
		out["account/"+string(target)] = account
	}
	return out
}

// withNames puts names in the place of what stands for people.
func withNames(text string, names map[string]string) string {
	return regexp.MustCompile(`\bp_[a-z0-9-]+`).ReplaceAllStringFunc(text, func(id string) string {
		for end := len(id); end > len("p_"); end-- { // an id may be followed by a hyphen that is not its own
			if n, ok := names[id[:end]]; ok {
				return n + id[end:]
			}
		}
		return id
	})
}

// sides parts the changes into those that loosen and the others.
func sides(changes []workflows.PolicyChange) (loosens, others []workflows.PolicyChange) {
	for _, c := range changes {
		if c.Loosens {
			loosens = append(loosens, c)
		} else {
			others = append(others, c)
		}
	}
	return loosens, others
}

const (
	nothingChanges = "Nothing changes in what anybody may do, or in who has to agree."
	loosenWords    = "This lets somebody do more, or lets fewer people agree. It waits until people under the old rules have approved it"
	othersWords    = "This takes effect at once"
)

func printChanges(w io.Writer, changes []workflows.PolicyChange) {
	if len(changes) == 0 {
		fmt.Fprintln(w, nothingChanges)
		return
	}
	loosens, others := sides(changes)
	for _, side := range []struct {
		words string
		list  []workflows.PolicyChange
	}{{loosenWords, loosens}, {othersWords, others}} {
		if len(side.list) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s:\n", side.words)
		for _, c := range side.list {
			fmt.Fprintf(w, "  %s: %s\n", unitWords(c.Unit), printable(c.Text))
		}
	}
}

// printChangesMarkdown is for a comment on a pull request.
func printChangesMarkdown(w io.Writer, changes []workflows.PolicyChange) {
	fmt.Fprintln(w, "### What this changes for people")
	if len(changes) == 0 {
		fmt.Fprintf(w, "\n%s\n", nothingChanges)
		return
	}
	loosens, others := sides(changes)
	for _, side := range []struct {
		head, words string
		list        []workflows.PolicyChange
	}{{"Loosens", loosenWords, loosens}, {"Tightens, or neither", othersWords, others}} {
		if len(side.list) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n**%s (%d).** %s:\n\n", side.head, len(side.list), side.words)
		for _, c := range side.list {
			fmt.Fprintf(w, "- **%s**: %s\n", markdownText(unitWords(c.Unit)), markdownText(c.Text))
		}
	}
}

// unitWords is the part of the documents that changes: "workflow prod-db", "people Alice Ng".
func unitWords(unit string) string {
	kind, name, ok := strings.Cut(unit, "/")
	if !ok {
		return kind
	}
	return kind + " " + printable(name)
}

// markdownText takes from words what Markdown or HTML would read as markup.
func markdownText(s string) string {
	return strings.NewReplacer("\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "<", "&lt;", ">", "&gt;", "|", "\\|", "\n", " ", "\r", " ").Replace(s)
}
