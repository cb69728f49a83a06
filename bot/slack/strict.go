package slack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A node is one JSON value with the bytes it was read from. Slack's payloads are read through it and not with encoding/json into
// structs, because that takes the last of two equal keys and matches keys without regard to case: {"user":"U1","USER":"U2"} would name
// somebody else than a reader of the raw bytes sees.
type node struct {
	raw  []byte
	kind byte // '{', '[', '"', '0' number, 't' 'f' 'n'
	str  string
	keys []string
	kids []*node
}

var (
	errTooDeep  = errors.New("nested too deep")
	errTooMany  = errors.New("too many values")
	errTooLarge = errors.New("too large")
	errNotJSON  = errors.New("not JSON")
	errNotUTF8  = errors.New("not valid UTF-8")
)

// parse reads one JSON value. Two equal keys in one object are refused everywhere.
func parse(raw []byte, limit int) (*node, error) {
	if len(raw) > limit {
		return nil, errTooLarge
	}
	if !utf8.Valid(raw) {
		return nil, errNotUTF8
	}
	if !json.Valid(raw) {
		return nil, errNotJSON
	}
	p := parser{data: raw}
	n, err := p.value(0)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// parser walks bytes that json.Valid accepted, so it checks only what that does not.
type parser struct {
	data  []byte
	pos   int
	nodes int
}

func (p *parser) space() {
	for p.pos < len(p.data) && strings.IndexByte(" \t\r\n", p.data[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *parser) value(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	if p.nodes++; p.nodes > maxNodes {
		return nil, errTooMany
	}
	p.space()
	start := p.pos
	n := &node{kind: p.data[p.pos]}
	var err error
	switch n.kind {
	case '{':
		err = p.object(n, depth)
	case '[':
		err = p.array(n, depth)
	case '"':
		n.str, err = p.text()
	default:
		if n.kind == '-' || n.kind >= '0' && n.kind <= '9' {
			n.kind = '0'
		}
		p.scalar()
	}
	if err != nil {
		return nil, err
	}
	n.raw = p.data[start:p.pos:p.pos]
	return n, nil
}

func (p *parser) scalar() {
	for p.pos < len(p.data) && strings.IndexByte(" \t\r\n,]}", p.data[p.pos]) < 0 {
		p.pos++
	}
}

func (p *parser) object(n *node, depth int) error {
	p.pos++
	var seen map[string]bool
	for {
		p.space()
		switch p.data[p.pos] {
		case '}':
			p.pos++
			return nil
		case ',':
			p.pos++
			continue
		}
		key, err := p.text()
		if err != nil {
			return err
		}
		if seen, err = once(seen, n.keys, key); err != nil {
			return err
		}
		p.space()
		p.pos++ // the colon
		kid, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		n.keys, n.kids = append(n.keys, key), append(n.kids, kid)
	}
}

// once refuses a key that is there already. Small objects are searched, large ones get a map so that time stays linear.
func once(seen map[string]bool, keys []string, key string) (map[string]bool, error) {
	const small = 16
	if len(keys) < small {
		for _, k := range keys {
			if k == key {
				return nil, fmt.Errorf("key %q stands twice", clip(key))
			}
		}
		return nil, nil
	}
	if seen == nil {
		seen = make(map[string]bool, 4*small)
		for _, k := range keys {
			seen[k] = true
		}
	}
	if seen[key] {
		return nil, fmt.Errorf("key %q stands twice", clip(key))
	}
	seen[key] = true
	return seen, nil
}

func (p *parser) array(n *node, depth int) error {
	p.pos++
	for {
		p.space()
		switch p.data[p.pos] {
		case ']':
			p.pos++
			return nil
		case ',':
			p.pos++
			continue
		}
		kid, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		n.kids = append(n.kids, kid)
	}
}

func (p *parser) text() (string, error) {
	start := p.pos
	p.pos++
	escaped := false
	for p.data[p.pos] != '"' {
		if p.data[p.pos] == '\\' {
			escaped = true
			p.pos++
		}
		p.pos++
	}
	p.pos++
	quoted := p.data[start:p.pos]
	if !escaped {
		return string(quoted[1 : len(quoted)-1]), nil
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return "", errNotJSON
	}
	return s, nil
}

func clip(s string) string {
	const most = 40
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// reader takes fields out of nodes and keeps the first thing that was wrong, so that decoding reads as a list of fields.
type reader struct{ err error }

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// get returns a field by its exact name; null counts as absent. A key that differs only in case is refused, by the same folding
// encoding/json uses, so that no reader of the same bytes can see another value.
func (r *reader) get(n *node, name string) *node {
	if n == nil || n.kind != '{' {
		return nil
	}
	var found *node
	for i, k := range n.keys {
		if k == name {
			found = n.kids[i]
		} else if len(k) >= len(name) && len(k) <= 3*len(name) && strings.EqualFold(k, name) {
			r.fail("key %q differs from %q only in case", clip(k), name)
		}
	}
	if found != nil && found.kind == 'n' {
		return nil
	}
	return found
}

func (r *reader) object(n *node, name string) *node { return r.typed(n, name, '{', "an object") }
func (r *reader) array(n *node, name string) *node  { return r.typed(n, name, '[', "a list") }

func (r *reader) typed(n *node, name string, kind byte, what string) *node {
	v := r.get(n, name)
	if v == nil {
		return nil
	}
	if v.kind != kind {
		r.fail("%q is not %s", name, what)
		return nil
	}
	return v
}

func (r *reader) text(n *node, name string, limit int) string {
	v := r.typed(n, name, '"', "a string")
	if v == nil {
		return ""
	}
	if len(v.str) > limit {
		r.fail("%q is longer than %d bytes", name, limit)
		return ""
	}
	return v.str
}

func (r *reader) flag(n *node, name string) bool {
	v := r.get(n, name)
	switch {
	case v == nil:
		return false
	case v.kind == 't', v.kind == '"' && v.str == "true": // slash commands carry flags as words
		return true
	case v.kind == 'f', v.kind == '"':
		return false
	}
	r.fail("%q is neither true nor false", name)
	return false
}

func (r *reader) number(n *node, name string) int64 {
	v := r.get(n, name)
	if v == nil {
		return 0
	}
	i, err := strconv.ParseInt(string(bytes.TrimSpace(v.raw)), 10, 64)
	if v.kind != '0' || err != nil {
		r.fail("%q is not a whole number", name)
		return 0
	}
	return i
}
