package sshca

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// sudoRule is what a holder may run as another user: a line of sudoers(5) with NOTAFTER, which sudo itself ends.
type sudoRule struct {
	User     string   `json:"user"`
	As       string   `json:"as"`
	Commands []string `json:"commands"`
}

// The grammar is narrower than sudo's: nothing in it needs a backslash, names an alias, or negates.
var (
	commandGrammar = regexp.MustCompile(`^/[A-Za-z0-9_./+-]+( [A-Za-z0-9_./@+-]+)*$`)
	loginGrammar   = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
)

const anyCommand = "ALL"

// readSudo reads what a grant lets its holder run. It belongs to the holder's own account: on a shared one, everybody who logs in
// to it would have it.
func readSudo(g runbooks.Grant, user string) (*sudoRule, error) {
	commands, asked := g.Params[ParamSudo]
	as := one(g.Params, ParamSudoAs)
	switch {
	case !asked && as == "":
		return nil, nil
	case len(commands) == 0 || len(commands) > maxCommands:
		return nil, fmt.Errorf("sudo needs 1 to %d commands", maxCommands)
	case as == "":
		as = "root"
	}
	if !loginGrammar.MatchString(as) {
		return nil, fmt.Errorf("%.64q cannot be a login name", as)
	}
	if g.Account == "" || user != g.Account || !loginGrammar.MatchString(user) {
		return nil, errors.New("sudo is given to the holder's own account only: the entitlement needs user: ${account}, and an account of small letters and digits")
	}
	for _, c := range commands {
		if c != anyCommand && (len(c) > maxCommand || !commandGrammar.MatchString(c)) {
			return nil, fmt.Errorf("%.200q cannot be a command of sudo: a whole path and plain words, or ALL", c)
		}
	}
	return &sudoRule{User: user, As: as, Commands: slices.Clone(commands)}, nil
}

func (r sudoRule) words() string { return strings.Join(r.Commands, ", ") + " as " + r.As }

// SudoRule is a rule as a host gets it.
type SudoRule struct {
	Grant    workflows.GrantID `json:"grant"`
	Holder   string            `json:"holder"` // for a comment, clean text
	User     string            `json:"user"`
	As       string            `json:"as"`
	Commands []string          `json:"commands"`
	Ends     time.Time         `json:"ends"`
}

// check refuses a rule that does not have the grammar: a host believes nobody.
func (r SudoRule) check() error {
	for _, c := range r.Commands {
		if c != anyCommand && (len(c) > maxCommand || !commandGrammar.MatchString(c)) {
			return fmt.Errorf("%.200q cannot be a command of sudo", c)
		}
	}
	if !grantGrammar.MatchString(string(r.Grant)) || !loginGrammar.MatchString(r.User) || !loginGrammar.MatchString(r.As) ||
		len(r.Commands) == 0 || len(r.Commands) > maxCommands || r.Ends.IsZero() || holderUnsafe.MatchString(r.Holder) {
		return errors.New("a rule of sudo that the bot gives is not one")
	}
	return nil
}

// Text is the content of its file in sudoers.d. NOTAFTER is sudo's own end, whole seconds in UTC (sudoers(5), Option_Spec).
func (r SudoRule) Text() string {
	return fmt.Sprintf("# countersign grant=%s holder=%s\n%s ALL=(%s) NOTAFTER=%s NOPASSWD: %s\n",
		r.Grant, r.Holder, r.User, r.As, r.Ends.UTC().Format("20060102150405Z"), strings.Join(r.Commands, ", "))
}

// sudoPrefix begins the names of our files in sudoers.d; nothing else there is ours.
const sudoPrefix = "countersign-"

// File is its name in sudoers.d: sudo passes over names with a dot.
func (r SudoRule) File() string { return sudoPrefix + strconv.FormatUint(Serial(r.Grant), 10) }

// sudoRules are the rules that hold on a host now.
func (c *Connector) sudoRules(host string) []SudoRule {
	var out []SudoRule
	for serial, x := range c.reg.Issued {
		if _, gone := c.reg.find(serial); gone || x.Sudo == nil || !c.now().Before(time.Unix(x.Until, 0)) {
			continue
		}
		if x.Group != "" && !slices.Contains(c.groups[x.Group], host) {
			continue
		}
		out = append(out, SudoRule{
			Grant: x.Grant, Holder: holderUnsafe.ReplaceAllString(x.Account, "_"), User: x.Sudo.User, As: x.Sudo.As, Commands: x.Sudo.Commands,
			Ends: time.Unix(x.Until, 0).UTC(),
		})
	}
	sort.Slice(out, func(i, j int) bool { return string(out[i].Grant) < string(out[j].Grant) })
	return out
}
