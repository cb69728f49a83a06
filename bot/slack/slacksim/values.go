package slacksim

import (
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// values is state.values: block id, action id, value object.
type values map[string]map[string]Object

func (v values) set(block, action string, o Object) {
	if v[block] == nil {
		v[block] = map[string]Object{}
	}
	v[block][action] = o
}

func (v values) clone() values {
	out := values{}
	for b, actions := range v {
		for a, o := range actions {
			out.set(b, a, o)
		}
	}
	return out
}

// plainObject is the values as a JSON object.
func (v values) plainObject() Object {
	out := Object{}
	for b, actions := range v {
		o := Object{}
		for a, val := range actions {
			o[a] = val
		}
		out[b] = o
	}
	return out
}

// slot says where an element keeps its value, and where its initial value comes from. An element without slot (a button) has none.
type slot struct {
	key, initial string
	many         bool // a list
	option       bool // an option object rather than a string
}

func slotOf(kind string) (slot, bool) {
	many := strings.HasPrefix(kind, "multi_")
	plural := ""
	if many {
		plural = "s"
	}
	switch strings.TrimPrefix(kind, "multi_") {
	case "plain_text_input", "email_text_input", "url_text_input", "number_input":
		return slot{key: "value", initial: "initial_value"}, true
	case "rich_text_input":
		return slot{key: "rich_text_value", initial: "initial_value"}, true
	case "static_select", "external_select":
		return slot{key: "selected_option" + plural, initial: "initial_option" + plural, many: many, option: true}, true
	case "radio_buttons":
		return slot{key: "selected_option", initial: "initial_option", option: true}, true
	case "checkboxes":
		return slot{key: "selected_options", initial: "initial_options", many: true, option: true}, true
	case "users_select":
		return slot{key: "selected_user" + plural, initial: "initial_user" + plural, many: many}, true
	case "channels_select":
		return slot{key: "selected_channel" + plural, initial: "initial_channel" + plural, many: many}, true
	case "conversations_select":
		return slot{key: "selected_conversation" + plural, initial: "initial_conversation" + plural, many: many}, true
	case "datepicker":
		return slot{key: "selected_date", initial: "initial_date"}, true
	case "timepicker":
		return slot{key: "selected_time", initial: "initial_time"}, true
	case "datetimepicker":
		return slot{key: "selected_date_time", initial: "initial_date_time"}, true
	case "file_input":
		return slot{key: "files", many: true}, true
	}
	return slot{}, false
}

// initialValues is the state of freshly drawn blocks. What the user had already entered stays where block and action id are the same.
func initialValues(blocks []Object, before values) values {
	out := values{}
	for _, e := range elementsOf(blocks) {
		s, ok := slotOf(e.kind)
		if !ok {
			continue
		}
		v := Object{"type": e.kind, s.key: e.object[s.initial]}
		if s.many && v[s.key] == nil {
			v[s.key] = []any{}
		}
		if old, found := before[e.blockID][e.actionID]; found && old["type"] == e.kind {
			v = old
		}
		out.set(e.blockID, e.actionID, v)
	}
	return out
}

// suggestions are the options an app offered for external menus, by block and action id.
type suggestions map[string][]Object

func (e element) key() string { return e.blockID + "\x00" + e.actionID }

// choose turns what a person picked (a string, a list of strings, nil for "cleared") into the value object Slack would send, and
// refuses what its client would not let them pick.
func (w *Workspace) choose(e element, picked any, offered suggestions) (Object, error) {
	s, ok := slotOf(e.kind)
	if !ok {
		return nil, fmt.Errorf("element %q: a %s holds no value", e.actionID, e.kind)
	}
	list, err := pickedList(picked)
	if err != nil {
		return nil, fmt.Errorf("element %q: %w", e.actionID, err)
	}
	if !s.many && len(list) > 1 {
		return nil, fmt.Errorf("element %q: only one value can be picked", e.actionID)
	}
	if most, _ := e.object["max_selected_items"].(float64); most > 0 && len(list) > int(most) {
		return nil, fmt.Errorf("element %q: at most %v values can be picked", e.actionID, most)
	}
	var found []any
	for _, p := range list {
		v, err := w.chooseOne(e, s, p, offered)
		if err != nil {
			return nil, fmt.Errorf("element %q: %w", e.actionID, err)
		}
		found = append(found, v)
	}
	out := Object{"type": e.kind, s.key: any(nil)}
	switch {
	case s.many:
		out[s.key] = append([]any{}, found...)
	case len(found) == 1:
		out[s.key] = found[0]
	}
	return out, nil
}

func pickedList(picked any) ([]string, error) {
	switch p := picked.(type) {
	case nil:
		return nil, nil
	case string:
		if p == "" {
			return nil, nil
		}
		return []string{p}, nil
	case []string:
		return p, nil
	case int:
		return []string{strconv.Itoa(p)}, nil
	case float64:
		return []string{strconv.FormatFloat(p, 'f', -1, 64)}, nil
	case []any:
		var out []string
		for _, e := range p {
			s, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("value %v: want a string", e)
			}
			out = append(out, s)
		}
		return out, nil
	default:
		return nil, fmt.Errorf("value %v: want a string or a list of strings", picked)
	}
}

func (w *Workspace) chooseOne(e element, s slot, p string, offered suggestions) (any, error) {
	switch {
	case s.option:
		for _, o := range append(optionsOf(e.object), offered[e.key()]...) {
			if o["value"] == p {
				return o, nil
			}
		}
		return nil, fmt.Errorf("option %q: %w", p, errNoSuchOption)
	case strings.Contains(e.kind, "users_select"):
		if u := w.findUser(p); u != nil {
			return u.ID, nil
		}
		return nil, fmt.Errorf("user %q: %w", p, errNoSuchOption)
	case strings.Contains(e.kind, "channels_select"), strings.Contains(e.kind, "conversations_select"):
		if c := w.findChannel(p); c != nil {
			return c.ID, nil
		}
		return nil, fmt.Errorf("channel %q: %w", p, errNoSuchOption)
	case e.kind == "datetimepicker":
		n, err := strconv.ParseInt(p, 10, 64)
		return float64(n), err
	case e.kind == "rich_text_input":
		return w.richTyped(p), nil
	}
	return p, nil
}

func optionsOf(o Object) []Object {
	list, _ := o["options"].([]any)
	out := objects(list)
	groups, _ := o["option_groups"].([]any)
	for _, g := range objects(groups) {
		inner, _ := g["options"].([]any)
		out = append(out, objects(inner)...)
	}
	return out
}

// complaints are the messages Slack's client shows under fields before it sends a submission, by block id.
func complaints(blocks []Object, state values) map[string]string {
	out := map[string]string{}
	for _, e := range elementsOf(blocks) {
		if e.input == nil {
			continue
		}
		s, ok := slotOf(e.kind)
		if !ok {
			continue
		}
		v := state[e.blockID][e.actionID][s.key]
		if isEmpty(v) {
			if e.input["optional"] != true {
				out[e.blockID] = "Please complete this required field."
			}
			continue
		}
		if text, isText := v.(string); isText {
			if problem := textComplaint(e, text); problem != "" {
				out[e.blockID] = problem
			}
		}
	}
	return out
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(v) == ""
	case []any:
		return len(v) == 0
	}
	return false
}

func textComplaint(e element, s string) string {
	n := utf8.RuneCountInString(s)
	least, _ := e.object["min_length"].(float64)
	most, hasMost := e.object["max_length"].(float64)
	if !hasMost {
		most = maxInputLength
	}
	switch e.kind {
	case "plain_text_input":
		switch {
		case n < int(least):
			return fmt.Sprintf("Must be at least %v characters.", least)
		case n > int(most):
			return fmt.Sprintf("Must be at most %v characters.", most)
		}
	case "email_text_input":
		if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
			return "This isn't a valid email address."
		}
	case "url_text_input":
		if u, err := url.Parse(s); err != nil || u.Host == "" {
			return "This isn't a valid URL."
		}
	case "number_input":
		return numberComplaint(e.object, s)
	case "datepicker":
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return "This isn't a valid date."
		}
	case "timepicker":
		if !regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d$`).MatchString(s) {
			return "This isn't a valid time."
		}
	}
	return ""
}

func numberComplaint(o Object, s string) string {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return "This isn't a valid number."
	}
	if o["is_decimal_allowed"] != true && strings.ContainsAny(s, ".eE") {
		return "Must be a whole number."
	}
	for _, bound := range []string{"min_value", "max_value"} {
		limit, isSet := o[bound].(string)
		if !isSet {
			continue
		}
		b, err := strconv.ParseFloat(limit, 64)
		if err != nil {
			continue
		}
		if bound == "min_value" && n < b {
			return "Must be at least " + limit + "."
		}
		if bound == "max_value" && n > b {
			return "Must be at most " + limit + "."
		}
	}
	return ""
}

func inputBlockIDs(blocks []Object) []string {
	var ids []string
	for _, e := range elementsOf(blocks) {
		if e.input != nil && !slices.Contains(ids, e.blockID) {
			ids = append(ids, e.blockID)
		}
	}
	return ids
}
