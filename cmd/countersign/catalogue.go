package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

const (
	catalogueAge  = time.Minute      // how old what a target has to grant may be: a form shows it, and a submission is held against it
	catalogueRead = 30 * time.Second // for reading it; who waits for a form waits less, and finds it at the next keystroke
)

// catalogue remembers for a minute what targets have to grant, so that typing in a form does not read a whole directory per letter.
type catalogue struct {
	runner *runbooks.Runner

	mu   sync.Mutex
	kept map[string]*catalogueListing
}

// catalogueListing is one target's offers, being read until done is closed.
type catalogueListing struct {
	done   chan struct{}
	at     time.Time
	offers []runbooks.Offer
	err    error
}

func newCatalogue(r *runbooks.Runner) *catalogue {
	return &catalogue{runner: r, kept: map[string]*catalogueListing{}}
}

// offers gives what a target has to grant, at most a minute old. Many callers read it once.
func (c *catalogue) offers(ctx context.Context, target string) ([]runbooks.Offer, error) {
	c.mu.Lock()
	l := c.kept[target]
	if l == nil || l.isOld() {
		l = &catalogueListing{done: make(chan struct{})}
		c.kept[target] = l
		go c.read(context.WithoutCancel(ctx), target, l)
	}
	c.mu.Unlock()
	select {
	case <-l.done:
		return l.offers, l.err
	case <-ctx.Done():
		return nil, fmt.Errorf("reading what target %q can grant: %w", target, ctx.Err())
	}
}

// isOld tells whether a catalogueListing that was read is to be read again: at once where that failed.
func (l *catalogueListing) isOld() bool {
	select {
	case <-l.done:
		return l.err != nil || time.Since(l.at) > catalogueAge
	default:
		return false
	}
}

func (c *catalogue) read(ctx context.Context, target string, l *catalogueListing) {
	defer close(l.done)
	ctx, cancel := context.WithTimeout(ctx, catalogueRead)
	defer cancel()
	l.at = time.Now()
	list, ok, err := c.runner.Offers(ctx, target)
	if !ok {
		err = fmt.Errorf("the connector of target %q does not list what it can grant", target)
	}
	l.offers, l.err = list, err
}

// Offered implements desk.Cataloguer.
func (x standingReader) Offered(ctx context.Context, e workflows.Entitlement, field string) ([]desk.Offered, error) {
	offers, err := x.catalogue.offers(ctx, string(e.Target))
	if err != nil {
		return nil, err
	}
	var out []desk.Offered
	for _, o := range offers {
		if value, ok := standsFor(e.Params, o.Params, field); ok && !slices.ContainsFunc(out, func(x desk.Offered) bool { return x.Value == value }) {
			text := o.Description
			if picks(e.Params) > 1 { // it is about all the words together
				text = ""
			}
			out = append(out, desk.Offered{Value: value, Text: text})
		}
	}
	return out, nil
}

// picks counts the words of an entitlement that come from a form.
func picks(params map[string][]string) (n int) {
	for _, words := range params {
		if len(words) == 1 && strings.HasPrefix(words[0], "${fields.") {
			n++
		}
	}
	return n
}

// standsFor gives the word of an offer that the field stands for, where the offer agrees with the entitlement in all its other words but those
// that other fields stand for.
func standsFor(asked, offer map[string][]string, field string) (value string, ok bool) {
	for name, words := range offer {
		switch taken := asked[name]; {
		case slices.Equal(taken, []string{"${fields." + field + "}"}) && len(words) == 1:
			value, ok = words[0], true
		case len(taken) == 1 && strings.HasPrefix(taken[0], "${fields.") && len(words) == 1: // another field's to say
		case !slices.Equal(taken, words):
			return "", false
		}
	}
	return value, ok
}

// Plan implements desk.Planner. The order that is planned is made up and never made.
func (x standingReader) Plan(ctx context.Context, e workflows.Entitlement, o desk.Order) (workflows.Foreseen, bool, error) {
	now := x.clock.Now().Wall
	plan, ok, err := x.runner.Plan(ctx, string(e.Target), runbooks.Grant{
		ID: "g_planned", Identity: o.Holder, Holder: o.Name, Account: o.Account, Target: e.Target, Entitlement: e.ID,
		Params: withFields(e.Params, o.Fields), Fields: o.Fields, Start: now, End: now.Add(o.Seconds.Duration()),
	})
	f := workflows.Foreseen{Changes: plan.Changes, Notes: plan.Notes, Standing: plan.Standing}
	switch {
	case err != nil && runbooks.ClassOf(err) == runbooks.Refuse:
		f = workflows.Foreseen{Notes: []string{"The target would refuse this: " + unread(err)}}
		return f, ok, nil
	case err == nil && ok && len(f.Changes) == 0:
		f.Changes = []string{"nothing: the holder has this already"}
	}
	return f, ok, err
}

// offersCommand lists what can be picked in the fields of a chain's form that a target's catalogue fills.
func offersCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "offers", "WORKFLOW")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	return x.do(ctx, order{Do: doOffers, Workflow: words[0]})
}

const doOffers = "offers"

// offersOf is what one field may be within one entitlement, for -json.
type offersOf struct {
	Field       string         `json:"field"`
	Entitlement string         `json:"entitlement"` // target/entitlement
	Offers      []desk.Offered `json:"offers"`
	Error       string         `json:"error,omitempty"`
}

func (s *serving) cliOffers(ctx context.Context, by workflows.Acting, o order) (reply, error) {
	chains, err := s.desk.Catalogue(ctx, by.Person)
	if err != nil {
		return reply{}, err
	}
	i := slices.IndexFunc(chains, func(c desk.Offer) bool { return string(c.Version.Workflow.ID) == o.Workflow })
	if i < 0 {
		return refusedReply(workflows.Refuse(workflows.CodeNotEligible, "There is no such chain, or you may not ask for it.", "countersign list shows what you can ask for.")), nil
	}
	out, found := reply{OK: true}, []offersOf{}
	w := chains[i].Version.Workflow
	for _, e := range w.Entitlements {
		for _, f := range w.Fields {
			if f.Type != workflows.FieldOffer {
				continue
			}
			list, err := s.desk.Offers(ctx, w, e, f)
			x := offersOf{Field: f.Name, Entitlement: e.Name(), Offers: list}
			out.Lines = append(out.Lines, fmt.Sprintf("%s, field %s: %s", x.Entitlement, f.Name, howMany(len(list), "offer")))
			if err != nil {
				x.Error = "the target does not answer"
				out.Lines = append(out.Lines, "  "+x.Error)
			}
			for _, y := range list {
				out.Lines = append(out.Lines, "  "+y.Value+orEmpty("  ", y.Text))
			}
			found = append(found, x)
		}
	}
	if len(found) == 0 {
		out.Lines = []string{"No field of this chain is filled from a target: its form says what can be asked for."}
	}
	out.Data, err = json.Marshal(found)
	return out, err
}

func orEmpty(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}
