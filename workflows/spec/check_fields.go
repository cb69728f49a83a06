package spec

import (
	"regexp"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

func (c *checker) checkFields(fields []*value) {
	seen := map[string]bool{}
	for _, f := range fields {
		n, typ := f.str("name"), f.str("type")
		if n != "" && seen[n] {
			c.at(f.get("name"), "", "field %q is in this form already", n)
		}
		seen[n] = true
		choices := f.list("choices")
		switch {
		case typ == workflows.FieldChoice && len(choices) == 0 && !hasBad(f):
			c.at(f, "choices: [one, another]", "field %q is a choice without choices", n)
		case typ != "" && typ != workflows.FieldChoice && f.has("choices"):
			c.at(f.or("choices"), "type: choice", "field %q has choices, but is of type %s", n, typ)
		}
		c.unique(choices)
		for _, k := range []string{"pattern", "max_length"} {
			if f.has(k) && typ != "" && typ != workflows.FieldText && typ != workflows.FieldTicket && (typ != workflows.FieldOffer || k != "pattern") {
				c.at(f.or(k), "", "field %q: %s belongs to text and ticket, not to %s", n, k, typ)
			}
		}
		if typ == workflows.FieldOffer && !f.has("pattern") {
			c.at(f.or("type"), "pattern: 'reader_[a-z_]+', say", "field %q takes whatever the target has to grant: pattern must say how far that goes", n)
		}
		c.bounds(f)
	}
}

// bounds checks least and most of a field by its type.
func (c *checker) bounds(f *value) {
	n, typ := f.str("name"), f.str("type")
	least, most := f.get("least"), f.get("most")
	for _, b := range []*value{least, most} {
		switch isNumber := b != nil && b.kind == kindInt; {
		case b == nil, typ == "":
		case typ != workflows.FieldNumber && typ != workflows.FieldDuration && typ != workflows.FieldDateTime:
			c.at(b, "", "field %q: least and most belong to number, duration and date_time, not to %s", n, typ)
			return
		case typ == workflows.FieldNumber && !isNumber:
			c.at(b, "write a whole number", "field %q is a number, so %s cannot be %q", n, b.path[strings.LastIndexByte(b.path, '.')+1:], b.text)
			return
		case typ != workflows.FieldNumber && isNumber:
			c.at(b, "write a duration such as 4h", "field %q is a %s, so %s cannot be %s", n, typ, b.path[strings.LastIndexByte(b.path, '.')+1:], b.text)
			return
		}
	}
	if least == nil || most == nil {
		return
	}
	lo, hi := amount(least), amount(most)
	if lo > hi {
		c.at(most, "", "field %q: most, %s, is below least, %s", n, most.text, least.text)
	}
}

// amount is a checked bound as a number: seconds of a duration.
func amount(v *value) int64 {
	if v.kind == kindInt {
		return int64(whole(v.text))
	}
	s, err := ParseSpan(v.scalar())
	if err != nil {
		return 0
	}
	return int64(s)
}

// fieldReference finds the field that a parameter of an entitlement stands for.
var fieldReference = regexp.MustCompile(`^\$\{fields\.([a-z][a-z0-9_]{0,39})\}$`)

// checkReferences holds the parameters of what a workflow grants to the fields of its form: whoever gets access must have said for what.
func (c *checker) checkReferences(w *workflow) {
	for _, g := range w.list("grants") {
		if e, ok := c.ix.entitlements[g.scalar()]; ok {
			c.references(w.value, "workflow", w.id, g, e.value)
		}
	}
}

func (c *checker) references(form *value, what, id string, at, e *value) {
	p := e.get("params")
	if p == nil {
		return
	}
	for _, x := range p.entries {
		for _, v := range p.list(x.key) {
			m := fieldReference.FindStringSubmatch(v.scalar())
			if m == nil {
				continue
			}
			c.reference(form, what, id, at, x.key, m[1])
			c.offered(form, at, x.key, m[1])
		}
	}
}

func (c *checker) reference(form *value, what, id string, at *value, param, field string) {
	var names []string
	for _, f := range form.list("fields") {
		names = append(names, f.str("name"))
		if f.str("name") != field {
			continue
		}
		switch typ := f.str("type"); {
		case typ == "":
		case typ != workflows.FieldChoice && typ != workflows.FieldNumber && typ != workflows.FieldTarget && typ != workflows.FieldOffer:
			c.at(f.get("type"), "a choice, a number, a target or an offer", "the parameter %q of %q takes the field %q, and what anybody types does not go to a target", param, at.scalar(), field)
		case f.flag("optional"):
			c.at(f.get("optional"), "leave optional out", "the parameter %q of %q takes the field %q, so it cannot be empty", param, at.scalar(), field)
		}
		return
	}
	if !hasBad(form) {
		c.at(at, orElse(didYouMean(field, names), "fields: [{name: "+field+", label: …, type: choice, choices: [...]}]"),
			"the parameter %q of %q takes the field %q, and %s %q has none of that name", param, at.scalar(), field, what, id)
	}
}

// offered holds a field that is picked from a target's catalogue to what the connector can list of itself.
func (c *checker) offered(form, at *value, param, field string) {
	for _, f := range form.list("fields") {
		if f.str("name") != field || f.str("type") != workflows.FieldOffer {
			continue
		}
		target, _, _ := strings.Cut(at.scalar(), "/")
		t, ok := c.ix.targets[target]
		if !ok {
			return
		}
		connector := t.get("connector").scalar()
		if words, listed := c.params[connector]; listed && !slices.Contains(words.Lists, param) {
			c.at(f.get("type"), orElse(strings.Join(words.Lists, ", "), "type: choice"), "%s does not list what its parameter %q can be, so the field %q cannot be an offer", connector, param, field)
		}
	}
}
