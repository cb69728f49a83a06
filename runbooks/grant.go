package runbooks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Clone copies the grant with everything in it, so that who keeps the original cannot change the copy.
func (g Grant) Clone() Grant {
	params := make(map[string][]string, len(g.Params))
	for k, v := range g.Params {
		params[k] = slices.Clone(v)
	}
	if g.Params == nil {
		params = nil
	}
	g.Params, g.Fields, g.Secret = params, maps.Clone(g.Fields), g.Secret.clone()
	return g
}

// Digest is "sha256:" and the hash of everything that a connector is told. The Runner computes it when it takes the
// grant and again right before every call: what was handed over is what runs, or nothing.
func (g Grant) Digest() string {
	g.Start, g.End = g.Start.UTC(), g.End.UTC()
	raw, err := json.Marshal(g) // map keys are sorted by encoding/json
	if err != nil {
		return "sha256:unencodable" // times beyond the year 9999; check refuses them first
	}
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// check refuses what no connector should have to think about. Its errors are sentences.
func (g Grant) check() error {
	for what, s := range map[string]string{
		"grant's id": string(g.ID), "identity": string(g.Identity),
		"target": string(g.Target), "entitlement": string(g.Entitlement),
	} {
		if err := checkName(what, s); err != nil {
			return err
		}
	}
	if !isSafeID(string(g.ID)) {
		return fmt.Errorf("the grant's id %q is not one that we make", g.ID)
	}
	for what, s := range map[string]string{"holder's name": g.Holder, "account": g.Account, "request's id": string(g.Request)} {
		if s == "" {
			continue
		}
		if err := checkName(what, s); err != nil {
			return err
		}
	}
	if strings.HasPrefix(g.Account, "-") {
		return fmt.Errorf("the account starts with a dash, which a target could take for an option")
	}
	if err := g.checkSpan(); err != nil {
		return err
	}
	return g.checkWords()
}

func (g Grant) checkSpan() error {
	switch {
	case g.Start.IsZero() || g.End.IsZero():
		return fmt.Errorf("the grant has no start or no end")
	case !g.End.After(g.Start):
		return fmt.Errorf("the grant ends before it starts")
	case g.End.Sub(g.Start) > maxSpan:
		return fmt.Errorf("the grant lasts longer than %d days", int(maxSpan.Hours()/24))
	case g.Start.Year() < 2000 || g.End.Year() > 9000:
		return fmt.Errorf("the grant's years are out of range")
	}
	return nil
}

func (g Grant) checkWords() error {
	if len(g.Params) > maxParams || len(g.Fields) > maxFields {
		return fmt.Errorf("there are more than %d parameters or %d fields", maxParams, maxFields)
	}
	for name, values := range g.Params {
		if err := checkName("name of a parameter", name); err != nil {
			return err
		}
		if len(values) > maxValues {
			return fmt.Errorf("the parameter %q has more than %d values", name, maxValues)
		}
		for _, v := range values {
			if err := checkText("parameter "+name, v, maxValue, ""); err != nil {
				return err
			}
		}
	}
	for name, v := range g.Fields {
		if err := checkName("name of a field", name); err != nil {
			return err
		}
		if err := checkText("field "+name, v, maxField, "\n\r\t"); err != nil {
			return err
		}
	}
	return nil
}

func checkName(what, s string) error {
	if s == "" {
		return fmt.Errorf("the %s is empty", what)
	}
	return checkText(what, s, maxName, "")
}

// checkText refuses what is not clean text: too long, not UTF-8, or with control characters that are not allowed.
func checkText(what, s string, limit int, allowed string) error {
	switch {
	case len(s) > limit:
		return fmt.Errorf("the %s is longer than %d bytes", what, limit)
	case !utf8.ValidString(s):
		return fmt.Errorf("the %s is not UTF-8", what)
	}
	for _, r := range s {
		if (r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0) && !strings.ContainsRune(allowed, r) {
			return fmt.Errorf("the %s holds a control character", what)
		}
	}
	return nil
}

// isSafeID tells whether an id can stand in a file name, a comment of SQL or a log line as it is.
func isSafeID(id string) bool {
	rest, ok := strings.CutPrefix(id, "g_")
	return ok && rest != "" && !strings.ContainsFunc(rest, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-')
	})
}
