// Package orders is what we say to programs and services that operators write themselves, and what they may answer: one JSON object each way,
// bounded, clean text only. Connectors command and webhook carry them.
package orders

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/runbooks"
)

// order is one call. Keys are only ever added; v changes when one changes its meaning.
type order struct {
	V           int                 `json:"v"`
	Op          string              `json:"op"` // grant, revoke, check or try
	Grant       string              `json:"grant"`
	Request     string              `json:"request,omitempty"`
	Identity    string              `json:"identity"`
	Holder      string              `json:"holder,omitempty"`
	Account     string              `json:"account,omitempty"`
	Target      string              `json:"target"`
	Entitlement string              `json:"entitlement"`
	Params      map[string][]string `json:"params,omitempty"`
	Fields      map[string]string   `json:"fields,omitempty"`
	Start       string              `json:"start"` // RFC 3339, UTC, to the second
	End         string              `json:"end"`
	Secret      map[string]string   `json:"secret,omitempty"` // to grant and to try: what opens the access; the same each time
}

// The operations.
const (
	Grant  = "grant"
	Revoke = "revoke"
	Check  = "check"
	Try    = "try" // use it as its holder would: drills, with a canary's access
)

// Version of the order and of the answer.
const Version = 1

// Stamp writes a time to the second, cut and not rounded: an end never moves away.
func Stamp(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

var grantGrammar = regexp.MustCompile(`^g_[0-9A-Za-z_-]{1,120}$`)

// Encode checks a grant and writes the order to carry out op, which is Grant, Revoke, Check or Try; its errors are refusals (runbooks.Refuse).
func Encode(op string, g runbooks.Grant) ([]byte, error) {
	if err := checkGrant(g); err != nil {
		return nil, err
	}
	var secret map[string]string
	if op == Grant || op == Try {
		for _, p := range g.Secret.Parts {
			if secret == nil {
				secret = map[string]string{}
			}
			secret[strings.ToLower(p.Name)] = p.Value.Reveal()
		}
	}
	raw, err := json.Marshal(order{
		V: Version, Op: op, Grant: string(g.ID), Request: string(g.Request), Identity: string(g.Identity), Holder: g.Holder,
		Account: g.Account, Target: string(g.Target), Entitlement: string(g.Entitlement), Params: g.Params, Fields: g.Fields,
		Start: Stamp(g.Start), End: Stamp(g.End), Secret: secret,
	})
	if err != nil {
		return nil, runbooks.Errorf(runbooks.Broken, err, "the order could not be written")
	}
	if len(raw) > maxOrder {
		return nil, refuse("the order is longer than %d bytes", maxOrder)
	}
	return raw, nil
}

// checkGrant takes clean text only: JSON would replace what is not UTF-8, and an argument ends at a NUL byte.
func checkGrant(g runbooks.Grant) error {
	if !grantGrammar.MatchString(string(g.ID)) {
		return refuse("the grant's id is not one that we make")
	}
	if g.Start.IsZero() || !g.End.After(g.Start) || g.End.Year() > 9000 {
		return refuse("the grant has no time span")
	}
	for what, s := range map[string]string{
		"request": string(g.Request), "identity": string(g.Identity), "holder": g.Holder, "account": g.Account,
		"target": string(g.Target), "entitlement": string(g.Entitlement),
	} {
		if err := checkText(what, s, maxName, ""); err != nil {
			return err
		}
	}
	return checkWords(g)
}

func checkWords(g runbooks.Grant) error {
	words := len(g.Fields)
	for name, values := range g.Params {
		words += len(values)
		if err := checkText("name of a param", name, maxName, ""); err != nil {
			return err
		}
		for _, v := range values {
			if err := checkText("value of a param", v, maxValue, ""); err != nil {
				return err
			}
		}
	}
	for name, v := range g.Fields {
		if err := checkText("name of a field", name, maxName, ""); err != nil {
			return err
		}
		if err := checkText("value of a field", v, maxField, "\n\r\t"); err != nil {
			return err
		}
	}
	if words > maxWords {
		return refuse("there are more than %d values", maxWords)
	}
	return nil
}

func checkText(what, s string, limit int, allowed string) error {
	switch {
	case len(s) > limit:
		return refuse("the %s is longer than %d bytes", what, limit)
	case !utf8.ValidString(s):
		return refuse("the %s is not UTF-8", what)
	case strings.ContainsFunc(s, func(r rune) bool { return isControl(r) && !strings.ContainsRune(allowed, r) }):
		return refuse("the %s holds a control character", what)
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}
