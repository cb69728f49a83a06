package runbooks

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ReadTerms reads a grant for a connector whose entitlements have one value for each word: it refuses what the Runner would
// refuse, words that are not in known, and words with no value or several. The errors are refusals that name the word.
func ReadTerms(g Grant, known ...string) (map[string]string, error) {
	if err := g.check(); err != nil {
		return nil, Errorf(Refuse, nil, "%s", cut(err.Error(), maxErrorText))
	}
	if _, err := g.Tag(); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(g.Params)) {
		switch values := g.Params[name]; {
		case !slices.Contains(known, name):
			return nil, Errorf(Refuse, nil, "the entitlement's params: %.63q is none of %s", name, strings.Join(known, ", "))
		case len(values) != 1 || values[0] == "":
			return nil, Errorf(Refuse, nil, "the entitlement's params: %q takes one value", name)
		default:
			out[name] = values[0]
		}
	}
	return out, nil
}

// Tag names the grant where a target keeps or logs a text of ours: "countersign grant=g_… request=r_…". It holds nothing that
// needs quoting; an invocation of a runbook has no request. The error is a refusal.
func (g Grant) Tag() (string, error) {
	request, isRequest := strings.CutPrefix(string(g.Request), "r_")
	if !isSafeID(string(g.ID)) || g.Request != "" && !(isRequest && isSafeID("g_"+request)) {
		return "", Errorf(Refuse, nil, "the id of the grant or of its request is not one that we make")
	}
	if g.Request == "" {
		return "countersign grant=" + string(g.ID), nil
	}
	return fmt.Sprintf("countersign grant=%s request=%s", g.ID, g.Request), nil
}

// KnownSettings refuses a target's setting that its connector does not know, by its name. What may lie in a file or in the environment may lie in
// Vault: NAME_vault is known where both others are.
func KnownSettings(settings map[string]string, known ...string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		secret, inVault := strings.CutSuffix(name, "_vault")
		if inVault && slices.Contains(known, secret+"_file") && slices.Contains(known, secret+"_env") {
			continue
		}
		if !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("setting %q is not one of %s", name, strings.Join(known, ", ")))
		}
	}
	return errors.Join(errs...)
}

// FindingOf makes a line of a probe out of what was found: good when ok, else bad and what to do about it.
func FindingOf(ok bool, good, bad, do string) Finding {
	if ok {
		return Finding{OK: true, What: good}
	}
	return Finding{What: bad, Do: do}
}

// Words is what can be shown of an error: a classed one's own text, and nothing of any other.
func Words(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Text
	}
	return "the target did not answer as expected"
}
