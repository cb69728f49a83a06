package slacksim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// A rule says what Slack accepts at one place of a payload. Rules are plain tables (blockrules.go); this file walks them.
type rule interface {
	check(c *checker, at string, v any)
}

// checker collects the messages Slack puts into response_metadata.messages.
type checker struct {
	rules    *rules
	messages []string
	blockIDs map[string]bool
	actions  map[string]bool // of the current block
	focused  int
	markdown int
	inputs   int
}

func (c *checker) fail(at, format string, args ...any) {
	c.messages = append(c.messages, "[ERROR] "+fmt.Sprintf(format, args...)+" [json-pointer:"+at+"]")
}

type strRule struct {
	min, max int
	oneOf    []string
}

func (r strRule) check(c *checker, at string, v any) {
	s, ok := v.(string)
	if !ok {
		c.fail(at, "must provide a string")
		return
	}
	n := utf8.RuneCountInString(s)
	switch {
	case n < r.min:
		c.fail(at, "must be more than %d characters", r.min-1)
	case r.max > 0 && n > r.max:
		c.fail(at, "must be less than %d characters", r.max+1)
	case len(r.oneOf) > 0 && !slices.Contains(r.oneOf, s):
		c.fail(at, "must be a valid enum value")
	}
}

type boolRule struct{}

func (boolRule) check(c *checker, at string, v any) {
	if _, ok := v.(bool); !ok {
		c.fail(at, "must provide a boolean")
	}
}

type numRule struct {
	min, max float64
}

func (r numRule) check(c *checker, at string, v any) {
	n, ok := v.(float64)
	switch {
	case !ok:
		c.fail(at, "must provide a number")
	case n < r.min || (r.max > 0 && n > r.max):
		c.fail(at, "must be between %v and %v", r.min, r.max)
	}
}

type anyRule struct{}

func (anyRule) check(*checker, string, any) {}

type listRule struct {
	of       rule
	min, max int
}

func (r listRule) check(c *checker, at string, v any) {
	list, ok := v.([]any)
	switch {
	case !ok:
		c.fail(at, "must provide an array")
		return
	case len(list) < r.min:
		c.fail(at, "no less than %d items allowed", r.min)
	case r.max > 0 && len(list) > r.max:
		c.fail(at, "no more than %d items allowed", r.max)
	}
	for i, e := range list {
		r.of.check(c, fmt.Sprintf("%s/%d", at, i), e)
	}
}

// objRule checks fields by name and refuses the ones it does not know, as Slack does.
type objRule struct {
	fields   map[string]rule
	required []string
	also     func(c *checker, at string, m Object)
}

func (r objRule) check(c *checker, at string, v any) {
	m, ok := v.(Object)
	if !ok {
		c.fail(at, "must provide an object")
		return
	}
	for _, name := range r.required {
		if _, found := m[name]; !found {
			c.fail(at, "missing required field: %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if f, known := r.fields[name]; known {
			f.check(c, at+"/"+name, m[name])
		} else {
			c.fail(at, "invalid additional property: %s", name)
		}
	}
	if r.also != nil {
		r.also(c, at, m)
	}
}

// typeRule chooses a table by the object's "type".
type typeRule struct {
	of func(*rules) map[string]objRule
	// only, when set, narrows the types allowed here.
	only []string
}

func (r typeRule) check(c *checker, at string, v any) {
	m, ok := v.(Object)
	if !ok {
		c.fail(at, "must provide an object")
		return
	}
	kind, _ := m["type"].(string)
	table, known := r.of(c.rules)[kind]
	if !known || (r.only != nil && !slices.Contains(r.only, kind)) {
		c.fail(at+"/type", "unsupported type: %s", kind)
		return
	}
	table.check(c, at, m)
}

// checkBlocks validates the blocks of a message, modal or Home tab and answers Slack's messages, none when they are good.
func (r *rules) checkBlocks(blocks []any, most int, at string, only []string) *checker {
	c := &checker{rules: r, blockIDs: map[string]bool{}}
	if len(blocks) > most {
		c.fail(at, "no more than %d items allowed", most)
	}
	for i, b := range blocks {
		c.actions = map[string]bool{}
		typeRule{of: (*rules).blockTable, only: only}.check(c, fmt.Sprintf("%s/%d", at, i), b)
	}
	if c.focused > 1 {
		c.fail(at, "only one element can have focus_on_load set")
	}
	if c.markdown > maxMarkdownText {
		c.fail(at, "markdown blocks must be less than %d characters altogether", maxMarkdownText+1)
	}
	return c
}

// asList reads blocks that came as JSON; anything but an array of objects is Slack's invalid_blocks_format.
func asList(v any) ([]any, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, v == nil
	}
	for _, e := range list {
		if _, isObject := e.(Object); !isObject {
			return nil, false
		}
	}
	return list, true
}

// normalise adds what Slack adds to accepted blocks: block ids, action ids, emoji and verbatim. It returns new objects and never
// writes to its input. The lock is held because ids are drawn.
func (w *Workspace) normalise(blocks []any) []Object {
	out := make([]Object, 0, len(blocks))
	for _, b := range blocks {
		nb, _ := w.normal(b).(Object)
		if _, ok := nb["block_id"].(string); !ok {
			nb["block_id"] = w.freshHex(5)
		}
		if nb["type"] == "input" {
			setDefault(nb, "optional", false)
			setDefault(nb, "dispatch_action", false)
		}
		out = append(out, nb)
	}
	return out
}

func (w *Workspace) normal(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = w.normal(e)
		}
		return out
	case Object:
		out := make(Object, len(v)+1)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out[k] = w.normal(v[k])
		}
		kind, _ := v["type"].(string)
		switch {
		case kind == "plain_text":
			setDefault(out, "emoji", true)
		case kind == "mrkdwn":
			setDefault(out, "verbatim", false)
		case isInteractive(kind):
			if s, _ := out["action_id"].(string); s == "" {
				out["action_id"] = w.freshHex(5)
			}
		}
		return out
	default:
		return v
	}
}

func setDefault(m Object, key string, v any) {
	if _, found := m[key]; !found {
		m[key] = v
	}
}

// element is an interactive element and where it stands.
type element struct {
	blockID, actionID, kind string
	object                  Object
	input                   Object // the input block around it, nil elsewhere
}

func elementsOf(blocks []Object) []element {
	var out []element
	for _, b := range blocks {
		id, _ := b["block_id"].(string)
		add := func(v any, input Object) {
			e, _ := v.(Object)
			kind, _ := e["type"].(string)
			action, _ := e["action_id"].(string)
			if isInteractive(kind) {
				out = append(out, element{blockID: id, actionID: action, kind: kind, object: e, input: input})
			}
		}
		if list, ok := b["elements"].([]any); ok && (b["type"] == "actions" || b["type"] == "context_actions") {
			for _, e := range list {
				add(e, nil)
			}
		}
		if list, ok := b["actions"].([]any); ok {
			for _, e := range list {
				add(e, nil)
			}
		}
		add(b["accessory"], nil)
		if b["type"] == "input" {
			add(b["element"], b)
		}
		if kids, ok := b["child_blocks"].([]any); ok {
			out = append(out, elementsOf(objects(kids))...)
		}
	}
	return out
}

func isInteractive(kind string) bool {
	switch kind {
	case "button", "workflow_button", "overflow", "checkboxes", "radio_buttons", "datepicker", "timepicker", "datetimepicker",
		"plain_text_input", "email_text_input", "url_text_input", "number_input", "rich_text_input", "file_input",
		"icon_button", "feedback_buttons":
		return true
	}
	return strings.HasSuffix(kind, "_select")
}

func objects(list []any) []Object {
	out := make([]Object, 0, len(list))
	for _, e := range list {
		if m, ok := e.(Object); ok {
			out = append(out, m)
		}
	}
	return out
}
