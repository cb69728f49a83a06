package command

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/orders"
)

// argument is one argument of a template: a literal, or a value of the grant.
type argument struct {
	literal string
	place   string // "account", "param", …; empty for a literal
	name    string // of the param or field
	free    bool   // stands after "--" with no literal between: a program takes nothing there for an option
}

// placeholder is a whole argument that stands for a value. There is no other syntax, no default and no nesting.
var placeholder = regexp.MustCompile(`^\$\{(account|grant|entitlement|end|param|field)(?:\.([a-z][a-z0-9_]{0,39}))?\}$`)

// parseTemplate reads the arguments of one program; its errors are for the operator.
func parseTemplate(words []string) ([]argument, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("there is no program")
	}
	if len(words) > maxArgs {
		return nil, fmt.Errorf("there are more than %d arguments", maxArgs)
	}
	if p := words[0]; !filepath.IsAbs(p) || filepath.Clean(p) != p {
		return nil, fmt.Errorf("%q is not the absolute, clean path of a program", p)
	}
	out := make([]argument, 0, len(words))
	free := false
	for i, w := range words {
		a, err := parseArgument(w)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i, err)
		}
		a.free = free
		// A literal after "--" may be another program (sudo -n -- PROGRAM …), to which that "--" means nothing.
		free = w == "--" || free && a.place != ""
		out = append(out, a)
	}
	return out, nil
}

func parseArgument(w string) (argument, error) {
	if strings.Contains(w, "\x00") {
		return argument{}, fmt.Errorf("it holds a NUL byte")
	}
	if !strings.Contains(w, "${") {
		return argument{literal: w}, nil
	}
	m := placeholder.FindStringSubmatch(w)
	if m == nil {
		return argument{}, fmt.Errorf("%q: a placeholder is a whole argument, one of ${account} ${grant} ${entitlement} ${end} ${param.NAME} ${field.NAME}", w)
	}
	named := m[1] == "param" || m[1] == "field"
	if named != (m[2] != "") {
		return argument{}, fmt.Errorf("%q: param and field take a name, and nothing else does", w)
	}
	return argument{place: m[1], name: m[2]}, nil
}

// fill makes the arguments for a grant. A value is one argument as it stands: nothing splits it, expands it or reads it
// as a template.
func fill(template []argument, g runbooks.Grant) ([]string, error) {
	argv, size := make([]string, 0, len(template)), 0
	for _, a := range template {
		value, err := a.value(g)
		if err != nil {
			return nil, err
		}
		if a.place != "" && !a.free && strings.HasPrefix(value, "-") {
			return nil, refuse("the %s starts with a dash, which the program could take for an option", a.say())
		}
		argv, size = append(argv, value), size+len(value)+1
	}
	if size > maxArgBytes {
		return nil, refuse("the arguments are longer than %d bytes", maxArgBytes)
	}
	return argv, nil
}

func (a argument) value(g runbooks.Grant) (string, error) {
	value := ""
	switch a.place {
	case "":
		return a.literal, nil
	case "account":
		value = g.Account
	case "grant":
		value = string(g.ID)
	case "entitlement":
		value = string(g.Entitlement)
	case "end":
		value = orders.Stamp(g.End)
	case "param":
		values := g.Params[a.name]
		if len(values) > 1 {
			return "", refuse("the %s has several values; the program's arguments take one (stdin has them all)", a.say())
		}
		value = strings.Join(values, "")
	case "field":
		value = g.Fields[a.name]
	default:
		return "", runbooks.Errorf(runbooks.Broken, nil, "the arguments name something unknown")
	}
	if value == "" {
		// An empty argument is "everything" to many programs.
		return "", refuse("there is no %s, and the program needs one", a.say())
	}
	return value, nil
}

// say names the value for people.
func (a argument) say() string {
	switch a.place {
	case "param":
		return "entitlement's " + a.name
	case "field":
		return "form's " + a.name
	default:
		return a.place
	}
}
