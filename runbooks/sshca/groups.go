package sshca

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
)

// groupGrammar is the name of a group of hosts: it becomes a part of principals.
var groupGrammar = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// ParseGroups reads a target's groups of hosts: "web=web-1,web-2 db=db-1".
func ParseGroups(s string) (map[string][]string, error) {
	out := map[string][]string{}
	for _, part := range strings.Fields(s) {
		name, hosts, ok := strings.Cut(part, "=")
		if !ok || !groupGrammar.MatchString(name) {
			return nil, fmt.Errorf("reading the groups of hosts: %q is not NAME=HOST,HOST", part)
		}
		for h := range strings.SplitSeq(hosts, ",") {
			if !isHostName(h) {
				return nil, fmt.Errorf("reading the groups of hosts: %q in group %q cannot be a host's name", h, name)
			}
			out[name] = append(out[name], h)
		}
	}
	return out, nil
}

// allHosts are the hosts that must have pulled.
func allHosts(hosts []string, groups map[string][]string) ([]string, error) {
	out := slices.Clone(hosts)
	for name, list := range groups {
		if !groupGrammar.MatchString(name) || len(list) == 0 {
			return nil, fmt.Errorf("the group of hosts %q has no hosts, or no good name", name)
		}
		out = append(out, list...)
	}
	return out, nil
}

// readGroup makes the principals hold on the hosts of one group alone: those list "deploy@web" where others list "deploy".
func (t *terms) readGroup(g runbooks.Grant) error {
	values, ok := g.Params[ParamHostGroup]
	if !ok {
		return nil
	}
	t.group = strings.Join(values, "")
	if !groupGrammar.MatchString(t.group) {
		return fmt.Errorf("%.64q cannot be a group of hosts", t.group)
	}
	for i, p := range t.principals {
		if t.principals[i] = p + "@" + t.group; !principalGrammar.MatchString(t.principals[i]) {
			return fmt.Errorf("the principal %q is too long with its group of hosts", p)
		}
	}
	return nil
}

// ListOffers gives the groups of hosts. What else an entitlement needs (its principals) is for the files to say.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(c.groups)) {
			if ctx.Err() != nil {
				break
			}
			o := runbooks.Offer{
				Name: name, Params: map[string][]string{ParamHostGroup: {name}}, Description: hostsText(c.groups[name]), Account: true,
			}
			if !yield(o, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(runbooks.Offer{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short"))
		}
	}
}

func hostsText(names []string) string {
	const shown = 10
	text := "hosts " + strings.Join(names[:min(len(names), shown)], ", ")
	if n := len(names) - shown; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}
