package spec

import "strings"

// A kind is what stands in the file, before anybody asks what should stand there.
type kind int

const (
	kindText kind = iota
	kindInt
	kindBool
	kindNull
	kindFloat
	kindList
	kindMap
)

// say is the kind in words for people.
func (k kind) say() string {
	return [...]string{"text", "a number", "true or false", "nothing", "a number", "a list", "keys and values"}[k]
}

// source is one file of the folder.
type source struct {
	name string
	raw  []byte   // the exact bytes
	text []string // lines, for excerpts
}

// value is one node of a file with its place. The zero of every accessor is also the answer for a nil value, so that
// checks read like sentences; a value that was refused by its shape is marked bad and answers nothing either.
type value struct {
	src       *source
	path      string
	line, col int
	kind      kind
	text      string // of a scalar: after unquoting
	plain     bool   // a scalar without quotes
	items     []*value
	entries   []entry
	bad       bool
}

// entry is one key of a mapping, in the order of the file.
type entry struct {
	key       string
	line, col int
	value     *value
}

func (v *value) problem(line, col int, hint, text string) Problem {
	p := Problem{File: v.src.name, Line: line, Col: col, Path: v.path, Text: text, Hint: hint}
	if line > 0 && line <= len(v.src.text) {
		p.excerpt = v.src.text[line-1]
	}
	return p
}

// get is the value under a key, nil when absent or refused.
func (v *value) get(key string) *value {
	if v == nil || v.bad {
		return nil
	}
	for _, e := range v.entries {
		if e.key == key && !e.value.bad {
			return e.value
		}
	}
	return nil
}

// has tells whether the key was written, also when its value was refused.
func (v *value) has(key string) bool {
	if v == nil {
		return false
	}
	for _, e := range v.entries {
		if e.key == key {
			return true
		}
	}
	return false
}

// or is the value under the key, or else v itself: where to point when something is missing.
func (v *value) or(key string) *value {
	if x := v.get(key); x != nil {
		return x
	}
	return v
}

// str is the text under a key, with surrounding blank space of block text removed.
func (v *value) str(key string) string { return v.get(key).scalar() }

func (v *value) scalar() string {
	if v == nil || v.bad || v.kind != kindText {
		return ""
	}
	return strings.TrimSpace(v.text)
}

// flag is the truth value under a key.
func (v *value) flag(key string) bool {
	x := v.get(key)
	return x != nil && x.kind == kindBool && x.text == "true"
}

// list is the good items under a key; a single text or mapping stands for a list of one where the shape allows it.
func (v *value) list(key string) []*value {
	x := v.get(key)
	if x == nil {
		return nil
	}
	if x.kind == kindText || x.kind == kindMap {
		return []*value{x}
	}
	good := make([]*value, 0, len(x.items))
	for _, i := range x.items {
		if !i.bad {
			good = append(good, i)
		}
	}
	return good
}

// strs is the texts of a list, nil when there are none.
func (v *value) strs(key string) (out []string) {
	for _, i := range v.list(key) {
		out = append(out, i.scalar())
	}
	return out
}
