package runbooks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Word is one parameter that a connector understands in an entitlement.
type Word struct {
	Name   string
	Needed bool
	Many   bool                // several values; otherwise one
	Match  func(s string) bool // nil: any clean text
	Is     string              // what a value is, for the refusal: "the name of a repository"
}

// ReadWords holds a grant to what a connector understands: an id that we make, an account that is clean text, every
// parameter known, those needed there, and every value of its form. Errors are refusals that name the parameter. What a parameter holds is text for the
// connector and never a template.
func (g Grant) ReadWords(words ...Word) (map[string][]string, error) {
	if !isSafeID(string(g.ID)) || len(g.ID) > maxName {
		return nil, Errorf(Refuse, nil, "the grant's id is not one that we make")
	}
	if err := g.checkSpan(); err != nil {
		return nil, Errorf(Refuse, nil, "%s", err)
	}
	if err := checkText("account", g.Account, maxName, ""); err != nil || strings.HasPrefix(g.Account, "-") {
		return nil, Errorf(Refuse, nil, "the account is too long, no clean text, or starts with a dash")
	}
	for name := range g.Params {
		if !slices.ContainsFunc(words, func(w Word) bool { return w.Name == name }) {
			return nil, Errorf(Refuse, nil, "the entitlement has a parameter %.64q, which is not one of %s", name, wordNames(words))
		}
	}
	out := map[string][]string{}
	for _, w := range words {
		if err := w.check(g.Params[w.Name]); err != nil {
			return nil, Errorf(Refuse, nil, "%s", err)
		}
		out[w.Name] = slices.Clone(g.Params[w.Name])
	}
	return out, nil
}

func (w Word) check(values []string) error {
	switch {
	case len(values) == 0 && w.Needed:
		return fmt.Errorf("the entitlement lacks the parameter %q (%s)", w.Name, w.Is)
	case len(values) > 1 && !w.Many:
		return fmt.Errorf("the entitlement's parameter %q takes one value", w.Name)
	case len(values) > maxValues:
		return fmt.Errorf("the entitlement's parameter %q has more than %d values", w.Name, maxValues)
	}
	for _, v := range values {
		if err := checkText("entitlement's parameter "+w.Name, v, maxValue, ""); err != nil {
			return err
		}
		if v == "" || w.Match != nil && !w.Match(v) {
			return fmt.Errorf("the entitlement's parameter %q is not %s", w.Name, w.Is)
		}
	}
	return nil
}

func wordNames(words []Word) string {
	names := make([]string, 0, len(words))
	for _, w := range words {
		names = append(names, w.Name)
	}
	return strings.Join(names, ", ")
}

// Pattern makes the Match of a Word out of an expression that the whole value must fit. It is for package-level
// constants: a bad expression panics.
func Pattern(expr string) func(string) bool {
	return regexp.MustCompile(`\A(?:` + expr + `)\z`).MatchString
}

// OneOf makes the Match of a Word out of its values.
func OneOf(values ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(values, s) }
}
