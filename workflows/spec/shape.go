package spec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// A shape says what may stand at one place of a file. The tables made of shapes (schema.go) are the only list of keys:
// they check files, feed "did you mean" and print the reference.
type shape struct {
	want  string // in words, after "want"
	hint  string // when something of another kind stands there
	kind  kind
	check func(v *value) (text, hint string) // of a scalar of the right kind; empty text: fine
	of    *shape                             // of the items of a list, or of the values of a table
	keys  []key                              // of an object; nil for a table
	max   int                                // items of a list, keys of a table
	one   bool                               // a list that may be written as its only item
	names *shape                             // of the keys of a table
	alt   *shape                             // what may stand here instead, of another kind
	lang  grammar                            // what an editor can know about a scalar
}

// grammar is the part of a scalar's rules that JSON Schema can say.
type grammar struct {
	enum   []string
	regex  string // of the whole text
	length int    // longest, in characters
	lo, hi int    // of a number
}

// key is one key of an object.
type key struct {
	name string
	need bool
	is   shape
	what string // a sentence for the reference
}

// conform reports where v is not of its shape and marks refused values bad, so that later checks do not stumble over
// what has been told already.
func (r *report) conform(v *value, s shape) {
	switch {
	case v.bad:
	case v.kind == kindNull:
		r.bad(v, "", "%s has no value; want %s", name(v), s.want)
	case s.kind == kindList && s.one && v.kind == s.of.kind:
		r.conform(v, *s.of)
	case s.alt != nil && v.kind == s.alt.kind:
		r.conform(v, *s.alt)
	case v.kind != s.kind:
		text, hint := wrongKind(v, s)
		r.bad(v, hint, "%s", text)
	case s.kind == kindList:
		r.items(v, s)
	case s.kind == kindMap && s.keys == nil:
		r.table(v, s)
	case s.kind == kindMap:
		r.object(v, s)
	case s.check != nil:
		if text, hint := s.check(v); text != "" {
			r.bad(v, hint, "%s: %s", name(v), text)
		}
	}
}

func (r *report) bad(v *value, hint, format string, args ...any) {
	v.bad = true
	r.at(v, hint, format, args...)
}

// name is what to call a value in a sentence: its path, or the file when it is the whole of it.
func name(v *value) string {
	if v.path == "" {
		return "the file"
	}
	return v.path
}

func wrongKind(v *value, s shape) (text, hint string) {
	got := v.kind.say()
	if v.kind != kindList && v.kind != kindMap && v.kind != kindNull {
		got = strconv.Quote(v.text)
		if v.kind == kindText && v.plain && s.kind == kindBool {
			hint = "write true or false"
		}
		if s.kind == kindText {
			got = v.kind.say() + " " + v.text
			hint = orElse(s.hint, fmt.Sprintf("write it in quotes: %q", v.text))
		}
	}
	if s.kind == kindList && v.kind != kindMap && !strings.Contains(v.text, "\n") {
		hint = "write it in brackets: [" + v.text + "]"
	}
	return fmt.Sprintf("%s: want %s, got %s", name(v), s.want, got), hint
}

func (r *report) items(v *value, s shape) {
	if len(v.items) > s.max {
		r.bad(v, "", "%s: %d entries, at most %d are allowed", name(v), len(v.items), s.max)
		return
	}
	for _, i := range v.items {
		r.conform(i, *s.of)
	}
}

func (r *report) table(v *value, s shape) {
	if len(v.entries) > s.max {
		r.bad(v, "", "%s: %d entries, at most %d are allowed", name(v), len(v.entries), s.max)
		return
	}
	for _, e := range v.entries {
		k := &value{src: v.src, path: join(v.path, e.key), line: e.line, col: e.col, text: e.key}
		if s.names != nil {
			r.conform(k, *s.names)
		}
		r.conform(e.value, *s.of)
	}
}

func (r *report) object(v *value, s shape) {
	known := make([]string, len(s.keys))
	for i, k := range s.keys {
		known[i] = k.name
	}
	for _, e := range v.entries {
		k, ok := s.key(e.key)
		if !ok {
			p := v.problem(e.line, e.col, meantOr(e.key, known), fmt.Sprintf("unknown key %q", e.key))
			p.Path = join(v.path, e.key)
			r.add(p)
			e.value.bad = true
			continue
		}
		if e.value.kind == kindNull {
			e.value.line, e.value.col = e.line, e.col
		}
		r.conform(e.value, k.is)
	}
	for _, k := range s.keys {
		if k.need && !v.has(k.name) {
			r.at(v, strings.TrimSuffix(k.name+": "+k.what, ": "), "%s is missing", join(v.path, k.name))
		}
	}
}

func (s shape) key(name string) (key, bool) {
	for _, k := range s.keys {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

func object(keys ...key) shape {
	return shape{kind: kindMap, keys: keys, want: "keys and values"}
}

func listOf(maxItems int, s shape) shape {
	return shape{kind: kindList, of: &s, max: maxItems, want: "a list"}
}

func tableOf(maxKeys int, names, s shape) shape {
	return shape{kind: kindMap, of: &s, names: &names, max: maxKeys, want: "keys and values"}
}

// text is a scalar whose content is judged by check.
func text(want string, check func(s string) (text, hint string)) shape {
	return shape{kind: kindText, want: want, check: func(v *value) (string, string) {
		if c := firstBad(v.text); c != "" {
			return "character " + c + " is not allowed", ""
		}
		if leak := looksSecret(v.text); leak != "" {
			return "looks like " + leak + "; secrets do not stand in this folder", "remove it, and replace the secret: it has been in a file"
		}
		return check(strings.TrimSpace(v.text))
	}}
}

func firstBad(s string) string {
	for _, c := range s {
		if badRune(c) {
			return sayRune(c)
		}
	}
	return ""
}

func flag() shape {
	return shape{kind: kindBool, want: "true or false", check: func(v *value) (string, string) {
		if v.text != "true" && v.text != "false" {
			return fmt.Sprintf("want true or false, got %q", v.text), "write " + strings.ToLower(v.text)
		}
		return "", ""
	}}
}

func number(lo, hi int) shape {
	want := fmt.Sprintf("a whole number from %d to %d", lo, hi)
	return shape{kind: kindInt, want: want, lang: grammar{lo: lo, hi: hi}, check: func(v *value) (string, string) {
		n, err := strconv.Atoi(v.text)
		if err != nil || strconv.Itoa(n) != v.text || n < lo || n > hi {
			return fmt.Sprintf("want %s, got %s", want, v.text), ""
		}
		return "", ""
	}}
}

// span is a duration; hi is the longest that makes sense at this place.
func span(hi workflows.Span) shape {
	const how = "one whole number and one unit: 30m, 4h or 2d"
	out := text("a duration such as 30m, 4h or 2d", func(s string) (string, string) {
		got, err := ParseSpan(s)
		switch {
		case err != nil && strings.HasPrefix(err.Error(), "bad"):
			return err.Error(), how
		case err != nil:
			return err.Error(), ""
		case got > hi:
			return fmt.Sprintf("%s is longer than %s, the most that is allowed here", s, hi), ""
		}
		return "", ""
	})
	out.hint = how
	out.lang.regex = `[1-9][0-9]{0,3}(m|h|d)`
	return out
}

// num is the number under a key, or def.
func (v *value) num(key string, def int) int {
	x := v.get(key)
	if x == nil || x.kind != kindInt {
		return def
	}
	n, err := strconv.Atoi(x.text)
	if err != nil {
		return def
	}
	return n
}

// span is the duration under a key, or def.
func (v *value) span(key string, def workflows.Span) workflows.Span {
	s, err := ParseSpan(v.str(key))
	if err != nil {
		return def
	}
	return s
}
