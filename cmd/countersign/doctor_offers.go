package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// maxOffersNamed bounds what of a target's offers is printed; a database may have thousands of roles.
const maxOffersNamed = 20

// entitlements holds what the files promise on a target against what the target really has to give, where its connector can list that: a role
// that was renamed on the server is found here, and not when somebody waits for access.
func (d *doctor) entitlements(ctx context.Context, t spec.Target, con runbooks.Connector, c spec.Policies) {
	catalog, ok := con.(runbooks.Catalog)
	if !ok {
		return
	}
	offers := map[string]bool{}
	listed := map[string]bool{} // names of the words that the catalogue tells of
	var free []string
	for o, err := range catalog.ListOffers(ctx) {
		if err != nil {
			d.say(false, "target "+string(t.ID)+": what it can grant cannot be listed: "+unread(err), "let the bot's account read that")
			return
		}
		offers[offerKey(o.Params)] = true
		for name := range o.Params {
			listed[name] = true
		}
		free = append(free, o.Name)
	}
	wanted := map[string]map[string][]string{}
	for _, w := range c.Workflows {
		for _, e := range w.Workflow.Entitlements {
			if e.Target == t.ID {
				wanted[string(e.ID)] = e.Params
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		params := wanted[id]
		if len(offers) == 0 || !slices.ContainsFunc(slices.Collect(maps.Keys(params)), func(name string) bool { return listed[name] }) {
			continue // the catalogue says nothing of such words
		}
		if strings.Contains(fmt.Sprint(params), "${") {
			continue // a part of it comes from a form
		}
		if open, ok := con.(runbooks.OpenCatalog); ok && open.IsUnlisted(ctx, params) {
			continue
		}
		there := slices.ContainsFunc(slices.Collect(maps.Keys(offers)), func(o string) bool { return covers(o, params) })
		d.say(there, fmt.Sprintf("target %s: entitlement %s is there on the target", t.ID, id), "the target has nothing like it: correct its params, or make it there")
	}
	if len(free) > 0 {
		d.say(true, fmt.Sprintf("target %s: %s can be granted: %s", t.ID, howMany(len(free), "thing"), strings.Join(free[:min(len(free), maxOffersNamed)], ", ")), "")
	}
}

// offerKey is the words of an offer as one text.
func offerKey(params map[string][]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(params)) {
		fmt.Fprintf(&b, "%q=%q;", k, params[k])
	}
	return b.String()
}

// covers tells whether an entitlement asks for an offer: it has all of its words, and may have more (a host to show, a way to log in).
func covers(offer string, params map[string][]string) bool {
	for _, k := range slices.Sorted(maps.Keys(params)) {
		offer = strings.Replace(offer, fmt.Sprintf("%q=%q;", k, params[k]), "", 1)
	}
	return offer == ""
}
