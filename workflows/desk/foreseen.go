package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Planner is an optional part of a Reader: it says what exactly will change, for those who decide.
type Planner interface {
	// Plan reads the target and changes nothing. known is false where the target cannot tell. fields are the form's.
	Plan(ctx context.Context, e workflows.Entitlement, o Order) (f workflows.Foreseen, known bool, err error)
}

// Order is what a plan is asked for.
type Order struct {
	Holder  workflows.IdentityID
	Name    string // the holder's, for the target's own logs
	Account string
	Fields  map[string]string
	Seconds workflows.Span
}

// Cataloguer is an optional part of a Reader: it lists what can stand for a form field of type offer.
type Cataloguer interface {
	// Offered lists what a field may be within an entitlement, as its target tells; the answer is at most a minute old. An error
	// means that the target cannot tell now.
	Offered(ctx context.Context, e workflows.Entitlement, field string) ([]Offered, error)
}

// Offered is one thing that a target can grant.
type Offered struct {
	Value string `json:"value"`
	Text  string `json:"text,omitempty"` // the target's own words for it
}

// maxPicked is the longest value that a menu of the chat carries.
const maxPicked = 75

// Key is the value as a menu carries it: itself, or a name for it where it is too long for that.
func (o Offered) Key() string {
	if len(o.Value) <= maxPicked {
		return o.Value
	}
	sum := sha256.Sum256([]byte(o.Value))
	return "~" + hex.EncodeToString(sum[:16])
}

// offersTimeout bounds how long a target is asked for its catalogue while somebody waits for a form.
const offersTimeout = 2 * time.Second

// Offers lists what a field of type offer may be within one entitlement of a workflow, as far as the field's pattern lets it.
func (d *Desk) Offers(ctx context.Context, w *workflows.Workflow, e workflows.Entitlement, field workflows.Field) ([]Offered, error) {
	c, ok := d.reader.(Cataloguer)
	if !ok || !takes(e, field.Name) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, offersTimeout)
	defer cancel()
	all, err := c.Offered(ctx, e, field.Name)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(o Offered) bool { return field.Pattern != "" && !workflows.MatchesWhole(field.Pattern, o.Value) }), nil
}

// takes tells whether a parameter of an entitlement is taken from a field.
func takes(e workflows.Entitlement, field string) bool {
	for _, values := range e.Params {
		if slices.Contains(values, "${fields."+field+"}") {
			return true
		}
	}
	return false
}

// Picked holds the form's fields of type offer against what the target has to give now. What it does not have cannot be asked for, and
// while it cannot be asked nothing new is.
func (d *Desk) Picked(ctx context.Context, w *workflows.Workflow, form workflows.Form) (workflows.Form, []workflows.FieldProblem) {
	var bad []workflows.FieldProblem
	e, ok := w.Entitlement(form.Target, form.Entitlement)
	for _, f := range w.Fields {
		typed := strings.TrimSpace(form.Values[f.Name])
		if f.Type != workflows.FieldOffer || typed == "" || !ok || !takes(e, f.Name) {
			continue
		}
		offers, err := d.Offers(ctx, w, e, f)
		if err != nil {
			d.log.WarnContext(ctx, "what a target can grant is not known", "target", e.Target, "err", err)
			bad = append(bad, workflows.FieldProblem{Field: f.Name, Text: "The target cannot say now what it has to grant. Ask again in a minute."})
			continue
		}
		i := slices.IndexFunc(offers, func(o Offered) bool { return o.Value == typed || o.Key() == typed })
		if i < 0 {
			bad = append(bad, workflows.FieldProblem{Field: f.Name, Text: "The target has nothing like that to grant. Pick one of the list."})
			continue
		}
		form.Values = cloneWith(form.Values, f.Name, offers[i].Value)
	}
	return form, bad
}

func cloneWith(m map[string]string, k, v string) map[string]string {
	out := map[string]string{}
	for name, value := range m {
		out[name] = value
	}
	out[k] = v
	return out
}

// foresee asks the target what exactly will change. It is shown and decides nothing: a target that cannot tell, or not in time, is told
// nothing of.
func (d *Desk) foresee(ctx context.Context, q *question) {
	p, ok := d.reader.(Planner)
	if !ok || q.ent.ID == "" || q.v.Workflow.Kind.Ahead() || len(q.ask.Problems) > 0 {
		return
	}
	clean, bad := q.v.Workflow.CheckForm(q.ask.Form)
	if len(bad) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	name := string(q.ask.Subject)
	if who := q.ask.Subject.Person(); who != "" {
		name = d.directory.Name(ctx, who)
	}
	f, known, err := p.Plan(ctx, q.ent, Order{Holder: q.ask.Subject, Name: name, Account: q.ask.Account, Fields: clean.Fields, Seconds: clean.Seconds})
	if err != nil {
		d.log.WarnContext(ctx, "what will change on a target is not known", "target", q.ent.Target, "err", err)
	}
	if known && err == nil {
		q.ask.Foreseen = f
	}
}

// filledIn is an entitlement with the form's words in the parameters that are taken from it.
func filledIn(e workflows.Entitlement, fields map[string]string) workflows.Entitlement {
	params := make(map[string][]string, len(e.Params))
	for name, values := range e.Params {
		values = slices.Clone(values)
		for i, v := range values {
			if field, ok := strings.CutPrefix(v, "${fields."); ok && fields[strings.TrimSuffix(field, "}")] != "" {
				values[i] = fields[strings.TrimSuffix(field, "}")]
			}
		}
		params[name] = values
	}
	e.Params = params
	return e
}
