package web

import (
	"errors"
	"fmt"
	"html"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// The pages are written in a small part of the language of html/template, and drawn here. That package finds methods by name, and a program that
// links it keeps every exported method of everything it links: a tenth of the binary, for ten pages. What is left of the language cannot call
// anything, and is stricter about where a value may stand.
//
//	{{.A.B}}  {{.}}  {{$.A}}     a text, a number; escaped for the place it stands in
//	{{if .A}} … {{else}} … {{end}}, {{if not .A}}, {{range .A}} … {{else}} … {{end}}, {{with .A}} … {{else}} … {{end}}
//	{{template "name" .}}        another page, or a piece between {{define "name"}} and {{end}}
//
// A value stands in text or in a quoted attribute, in an attribute with an address only behind a path of our own, and nowhere else: the pages
// are refused when they are read, not when somebody sees them.
type markup struct{ pieces map[string][]node }

// node is one piece of a page.
type node struct {
	kind nodeKind
	text string // as it is written; the name of another piece
	path path
	yes  []node
	no   []node
}

type nodeKind int

const (
	nodeText nodeKind = iota
	nodeValue
	nodePath // a value in the path of an address
	nodeIf
	nodeRange
	nodeWith
	nodePiece
)

// path is where a value lies: from what is at hand, or from what the page was given.
type path struct {
	root  bool
	steps []string
}

// newMarkup reads pages by their names, refusing what it cannot draw safely.
func newMarkup(pages map[string]string) (*markup, error) {
	m := &markup{pieces: make(map[string][]node)}
	for name, text := range pages {
		p := &parser{m: m, rest: text}
		body, end, err := p.list(false)
		if err == nil && end != "" {
			err = fmt.Errorf("{{%s}} ends nothing", end)
		}
		if err == nil && p.place != (place{}) {
			err = errors.New("it ends within a tag")
		}
		if err != nil {
			return nil, fmt.Errorf("reading the page %q: line %d: %w", name, 1+strings.Count(text[:len(text)-len(p.rest)], "\n"), err)
		}
		m.pieces[name] = body
	}
	for name, body := range m.pieces {
		if err := m.check(body, 0); err != nil {
			return nil, fmt.Errorf("reading the page %q: %w", name, err)
		}
	}
	return m, nil
}

// maxNested is how deep pieces may stand in pieces.
const maxNested = 8

var errNested = errors.New("pieces stand in pieces without end")

func (m *markup) check(list []node, depth int) error {
	for _, n := range list {
		if err := errors.Join(m.check(n.yes, depth), m.check(n.no, depth)); err != nil {
			return err
		}
		if n.kind != nodePiece {
			continue
		}
		body, ok := m.pieces[n.text]
		if !ok {
			return fmt.Errorf("there is no piece %q", n.text)
		}
		if depth == maxNested {
			return errNested
		}
		if err := m.check(body, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// draw gives a page with the values of data, which is a struct.
func (m *markup) draw(name string, data any) ([]byte, error) {
	body, ok := m.pieces[name]
	if !ok {
		return nil, fmt.Errorf("there is no page %q", name)
	}
	d := drawing{m: m, root: reflect.ValueOf(data)}
	if err := d.list(body, d.root); err != nil {
		return nil, fmt.Errorf("drawing the page %q: %w", name, err)
	}
	return []byte(d.out.String()), nil
}

type drawing struct {
	m    *markup
	root reflect.Value
	out  strings.Builder
}

func (d *drawing) list(list []node, at reflect.Value) error {
	for i := range list {
		if err := d.one(&list[i], at); err != nil {
			return err
		}
	}
	return nil
}

func (d *drawing) one(n *node, at reflect.Value) error {
	switch n.kind {
	case nodeText:
		d.out.WriteString(n.text)
		return nil
	case nodePiece:
		return d.list(d.m.pieces[n.text], at)
	}
	v, err := d.find(n.path, at)
	if err != nil {
		return err
	}
	switch n.kind {
	case nodeValue, nodePath:
		text, err := plain(v)
		if err != nil {
			return fmt.Errorf("%q: %w", strings.Join(n.path.steps, "."), err)
		}
		if n.kind == nodePath {
			text = url.PathEscape(text)
		}
		d.out.WriteString(html.EscapeString(strings.ReplaceAll(text, "\x00", "\uFFFD")))
		return nil
	case nodeRange:
		return d.each(n, v, at)
	case nodeWith:
		if isSet(v) {
			return d.list(n.yes, v)
		}
	default:
		if isSet(v) {
			return d.list(n.yes, at)
		}
	}
	return d.list(n.no, at)
}

func (d *drawing) each(n *node, v, at reflect.Value) error {
	if v.Kind() != reflect.Slice {
		return fmt.Errorf("%q is a %s, not a list", strings.Join(n.path.steps, "."), v.Kind())
	}
	if v.Len() == 0 {
		return d.list(n.no, at)
	}
	for i := range v.Len() {
		if err := d.list(n.yes, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (d *drawing) find(p path, at reflect.Value) (reflect.Value, error) {
	if p.root {
		at = d.root
	}
	for _, step := range p.steps {
		for at.Kind() == reflect.Interface || at.Kind() == reflect.Pointer {
			at = at.Elem()
		}
		if at.Kind() != reflect.Struct {
			return at, fmt.Errorf("%q: a %s has no fields", step, at.Kind())
		}
		f, ok := at.Type().FieldByName(step)
		if !ok || !f.IsExported() {
			return at, fmt.Errorf("%s has no field %q", at.Type(), step)
		}
		at = at.FieldByIndex(f.Index)
	}
	for at.Kind() == reflect.Interface {
		at = at.Elem()
	}
	return at, nil
}

// isSet is false for what is zero or empty.
func isSet(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Invalid:
		return false
	case reflect.Slice, reflect.Map:
		return v.Len() > 0
	default:
		return !v.IsZero()
	}
}

func plain(v reflect.Value) (string, error) {
	switch v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), nil
	default:
		return "", fmt.Errorf("a %s cannot be shown", v.Kind())
	}
}

// parser reads one page.
type parser struct {
	m     *markup
	rest  string
	place place
}

// list reads up to an {{else}} or {{end}}, which it gives, or the end of the page.
func (p *parser) list(inside bool) (out []node, end string, err error) {
	for {
		text, rest, more := strings.Cut(p.rest, "{{")
		if text != "" {
			if err := p.place.pass(text); err != nil {
				return nil, "", err
			}
			out = append(out, node{kind: nodeText, text: text})
		}
		if !more {
			p.rest = ""
			if inside {
				return nil, "", errors.New("an {{end}} is missing")
			}
			return out, "", nil
		}
		action, rest, closed := strings.Cut(rest, "}}")
		if !closed {
			return nil, "", errors.New("a {{ is not closed")
		}
		p.rest = rest
		if action == "else" || action == "end" {
			return out, action, nil
		}
		n, err := p.action(action)
		if err != nil {
			return nil, "", fmt.Errorf("{{%s}}: %w", action, err)
		}
		if n != nil {
			out = append(out, *n)
		}
	}
}

func (p *parser) action(text string) (*node, error) {
	word, arg, _ := strings.Cut(text, " ")
	switch word {
	case "if":
		arg, not := strings.CutPrefix(arg, "not ")
		n, err := p.block(nodeIf, arg)
		if err == nil && not {
			n.yes, n.no = n.no, n.yes
		}
		return n, err
	case "range":
		return p.block(nodeRange, arg)
	case "with":
		return p.block(nodeWith, arg)
	case "template", "define":
		return p.piece(word, arg)
	}
	kind, err := p.place.takes()
	if err != nil {
		return nil, err
	}
	where, err := parsePath(text)
	return &node{kind: kind, path: where}, err
}

// block reads what stands under a condition. Whichever way is taken, the rest of the page must stand at the same place.
func (p *parser) block(kind nodeKind, arg string) (*node, error) {
	where, err := parsePath(arg)
	if err != nil {
		return nil, err
	}
	n := &node{kind: kind, path: where}
	before := p.place
	var end string
	if n.yes, end, err = p.list(true); err != nil {
		return nil, err
	}
	after := p.place
	if end == "else" {
		p.place = before
		if n.no, end, err = p.list(true); err != nil {
			return nil, err
		}
		if end != "end" {
			return nil, errors.New("a second {{else}}")
		}
	} else {
		p.place = before
	}
	p.place.open = p.place.open || after.open
	if !p.place.like(after) || !before.like(after) {
		return nil, errors.New("it ends at another place of the tag than it began")
	}
	return n, nil
}

func (p *parser) piece(word, arg string) (*node, error) {
	name, dot, _ := strings.Cut(arg, " ")
	name, err := strconv.Unquote(name)
	if err != nil {
		return nil, errors.New("want a name in quotes")
	}
	if p.place != (place{}) {
		return nil, errors.New("a piece stands between tags")
	}
	if word == "template" {
		if dot != "." {
			return nil, errors.New("a piece gets what the page has: write a dot")
		}
		return &node{kind: nodePiece, text: name}, nil
	}
	body, end, err := p.list(true)
	if err == nil && (end != "end" || p.place != (place{})) {
		err = errors.New("it does not end between tags")
	}
	p.m.pieces[name] = body
	return nil, err
}

func parsePath(text string) (path, error) {
	rest, root := strings.CutPrefix(text, "$")
	rest, dotted := strings.CutPrefix(rest, ".")
	if !dotted {
		return path{}, errors.New("want a field, such as .Name")
	}
	out := path{root: root}
	if rest == "" {
		return out, nil
	}
	for step := range strings.SplitSeq(rest, ".") {
		if step == "" || strings.ContainsFunc(step, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') }) {
			return path{}, fmt.Errorf("%q is not the name of a field", step)
		}
		out.steps = append(out.steps, step)
	}
	return out, nil
}

// place is where in the markup the reading stands: the zero value between tags.
type place struct {
	tag   string // within a tag: its name
	attr  string // within a quoted attribute: its name
	quote byte
	value string // of the attribute so far
	raw   string // within an element whose text is no markup: its name
	words string // of the tag since its last quote
	open  bool   // right behind the name of a tag, which must not go on
}

// like tells whether two places take the same.
func (p place) like(q place) bool {
	return p.tag == q.tag && p.attr == q.attr && p.quote == q.quote && p.raw == q.raw && (p.quote == 0 || isAddress(p.attr) == isAddress(q.attr) && underPath(p.value) == underPath(q.value))
}

// pass goes on behind a text.
func (p *place) pass(text string) error {
	for text != "" {
		if p.open && !strings.ContainsRune(" \t\n/>", rune(text[0])) {
			return errors.New("the name of a tag goes on behind a condition")
		}
		p.open = false
		switch {
		case p.raw != "":
			at := strings.Index(strings.ToLower(text), "</"+p.raw)
			if at < 0 {
				return nil
			}
			text, p.raw = text[at:], ""
		case p.quote != 0:
			value, rest, ended := strings.Cut(text, string(p.quote))
			p.value += value
			if text = rest; ended {
				p.quote, p.attr, p.value, p.words = 0, "", "", ""
			}
		case p.tag != "":
			rest, err := p.within(text)
			if err != nil {
				return err
			}
			text = rest
		default:
			_, rest, opened := strings.Cut(text, "<")
			if text = rest; opened {
				name, err := tagName(rest)
				if err != nil {
					return err
				}
				p.tag, text = strings.ToLower(name), rest[len(name):]
				p.open = text == ""
			}
		}
	}
	return nil
}

// within reads a tag up to its end or to the quote of an attribute.
func (p *place) within(text string) (rest string, err error) {
	at := strings.IndexAny(text, `"'>`)
	if at < 0 {
		p.words += text
		return "", nil
	}
	p.words += text[:at]
	if text[at] != '>' {
		name, isAttr := strings.CutSuffix(p.words, "=")
		fields := strings.Fields(name)
		if !isAttr || len(fields) == 0 {
			return "", errors.New("a quote that is not the value of an attribute")
		}
		p.attr, p.quote = strings.ToLower(fields[len(fields)-1]), text[at]
		return text[at+1:], nil
	}
	if slices.Contains([]string{"script", "style", "textarea", "title", "iframe", "noscript", "noembed", "noframes", "xmp", "plaintext"}, p.tag) && p.tag != "title" {
		p.raw = p.tag
	}
	p.tag, p.words = "", ""
	return text[at+1:], nil
}

func tagName(text string) (string, error) {
	name := text
	if end := strings.IndexAny(text[min(1, len(text)):], " \t\n/>"); end >= 0 {
		name = text[:end+1]
	}
	if first := strings.TrimLeft(name, "/!"); first == "" || strings.Trim(strings.ToLower(first[:1]), "abcdefghijklmnopqrstuvwxyz") != "" {
		return "", errors.New("a < that begins no tag: write &lt;, and no comments")
	}
	return name, nil
}

// takes says how a value is written here, if at all.
func (p *place) takes() (nodeKind, error) {
	switch {
	case p.raw != "":
		return 0, fmt.Errorf("no value may stand in <%s>", p.raw)
	case p.quote == 0 && p.tag != "":
		return 0, errors.New("a value in a tag stands in quotes")
	case p.quote == 0:
		return nodeValue, nil
	case strings.HasPrefix(p.attr, "on") || strings.HasPrefix(p.attr, "xmlns") || slices.Contains([]string{"style", "srcdoc", "srcset", "ping", "content", "http-equiv"}, p.attr):
		return 0, fmt.Errorf("no value may stand in the attribute %q", p.attr)
	case !isAddress(p.attr):
		return nodeValue, nil
	case underPath(p.value):
		return nodePath, nil
	default:
		return 0, fmt.Errorf("a value in %q stands behind a path of ours, such as /web/", p.attr)
	}
}

func isAddress(attr string) bool {
	return slices.Contains([]string{"href", "action", "formaction", "src", "cite", "poster", "data", "background", "manifest", "longdesc", "usemap", "codebase", "icon", "archive", "classid", "profile"}, attr)
}

// underPath says that an address leads to us whatever follows, and that what follows is still its path.
func underPath(value string) bool {
	return len(value) > 2 && value[0] == '/' && value[1] != '/' && value[1] != '\\' && !strings.ContainsAny(value, "?#") && value[len(value)-1] == '/'
}
