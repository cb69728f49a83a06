package spec

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parse reads one YAML document into values, or reports why not and answers nil. yaml is the part of the file to read,
// with as many lines before it as the file has (runbooks have their YAML between marks).
func (r *report) parse(src *source, yaml []byte) *value {
	if !r.readable(src, yaml) {
		return nil
	}
	toks, err := tokenize(yaml)
	if err != nil {
		r.file(src.name, "", "not readable as YAML: %v", err)
		return nil
	}
	before := len(r.all)
	r.scanTokens(src, toks)
	if len(r.all) > before {
		return nil
	}
	file, err := parseBytes(yaml)
	if err != nil {
		r.syntax(src, err)
		return nil
	}
	return r.document(src, file)
}

// readable refuses bytes that no file of ours needs and that editors, parsers and people read differently.
func (r *report) readable(src *source, yaml []byte) bool {
	if !utf8.Valid(yaml) {
		r.file(src.name, "save the file as UTF-8", "not valid UTF-8")
		return false
	}
	if bytes.HasPrefix(yaml, []byte("\ufeff")) {
		r.file(src.name, "save the file as UTF-8 without a byte order mark", "begins with a byte order mark")
		return false
	}
	good := true
	for i, line := range bytes.Split(yaml, []byte("\n")) {
		col := 0
		for _, c := range string(line) {
			col++
			if !badRune(c) {
				continue
			}
			r.add((&value{src: src}).problem(i+1, col, charHint(c), "character "+sayRune(c)+" is not allowed here"))
			good = false
			break // one a line is enough
		}
	}
	return good
}

func charHint(c rune) string {
	switch c {
	case '\t':
		return "use spaces"
	case '\r':
		return "save the file with Unix line ends"
	}
	return ""
}

// tokenize and parseBytes keep a panic of the YAML package from ending the process: a bad file is an answer.
func tokenize(yaml []byte) (toks token.Tokens, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the lexer gave up")
		}
	}()
	return lexer.Tokenize(string(yaml)), nil
}

func parseBytes(yaml []byte) (f *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the parser gave up")
		}
	}()
	return parser.ParseBytes(yaml, 0, parser.AllowDuplicateMapKey()) // we report duplicates ourselves, all of them
}

func (r *report) syntax(src *source, err error) {
	p := Problem{File: src.name, Text: "not valid YAML: " + firstLine(err.Error())}
	var at interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &at) && at.GetToken() != nil {
		pos := at.GetToken().Position
		p = (&value{src: src}).problem(pos.Line, max(1, pos.Column), yamlHint(at.GetMessage()), "not valid YAML: "+firstLine(at.GetMessage()))
	}
	r.add(p)
}

// yamlHint is what most often helps with a message of the parser.
func yamlHint(msg string) string {
	if strings.HasPrefix(msg, "mapping value is not allowed") {
		return "a text that holds a colon and a blank stands in quotes"
	}
	return ""
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// document takes the only document of a parsed file.
func (r *report) document(src *source, file *ast.File) *value {
	var body ast.Node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			r.file(src.name, "", "holds more than one document")
			return nil
		}
		body = d.Body
	}
	if body == nil {
		r.file(src.name, "", "holds nothing")
		return nil
	}
	c := converter{r: r, src: src}
	v := c.node(body, "", 1)
	if c.failed {
		return nil
	}
	return v
}

// converter turns syntax into values.
type converter struct {
	r      *report
	src    *source
	failed bool
}

func (c *converter) refuse(n ast.Node, path, format string, args ...any) *value {
	v := c.place(n, path)
	c.r.at(v, "", format, args...)
	c.failed = true
	v.bad = true
	return v
}

func (c *converter) place(n ast.Node, path string) *value {
	v := &value{src: c.src, path: path, line: 1, col: 1}
	if t := n.GetToken(); t != nil && t.Position != nil {
		v.line, v.col = t.Position.Line, max(1, t.Position.Column)
	}
	return v
}

func (c *converter) node(n ast.Node, path string, depth int) *value {
	if depth > maxDepth {
		return c.refuse(n, path, "nested more than %d deep", maxDepth)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return c.mapping(n, n.Values, path, depth)
	case *ast.MappingValueNode:
		return c.mapping(n, []*ast.MappingValueNode{n}, path, depth)
	case *ast.SequenceNode:
		v := c.place(n, path)
		v.kind = kindList
		for i, x := range n.Values {
			v.items = append(v.items, c.node(x, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
		return v
	case *ast.StringNode:
		v := c.place(n, path)
		v.text, v.plain = n.Value, n.Token.Type == token.StringType
		return v
	case *ast.LiteralNode:
		v := c.place(n, path)
		v.text = n.Value.Value
		return v
	case *ast.IntegerNode:
		return c.plain(n, path, kindInt)
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return c.plain(n, path, kindFloat)
	case *ast.BoolNode:
		return c.plain(n, path, kindBool)
	case *ast.NullNode:
		return c.plain(n, path, kindNull)
	default:
		return c.refuse(n, path, "%s is not used in these files", strings.ToLower(n.Type().YAMLName()))
	}
}

// plain keeps what was written, not what YAML makes of it: 0x10 and 1_000 are not numbers to us.
func (c *converter) plain(n ast.Node, path string, k kind) *value {
	v := c.place(n, path)
	v.kind, v.text, v.plain = k, n.GetToken().Value, true
	return v
}

func (c *converter) mapping(n ast.Node, values []*ast.MappingValueNode, path string, depth int) *value {
	v := c.place(n, path)
	v.kind = kindMap
	for i, mv := range values {
		key, ok := mv.Key.(*ast.StringNode)
		if !ok {
			c.refuse(mv.Key, path, "keys are words, got %q", mv.Key.GetToken().Value)
			continue
		}
		pos := key.GetToken().Position
		if i == 0 && n.GetToken().Type != token.MappingStartType {
			v.line, v.col = pos.Line, pos.Column
		}
		x := c.node(mv.Value, join(path, key.Value), depth+1)
		if x.kind == kindNull && x.line == 0 {
			x.line, x.col = pos.Line, pos.Column
		}
		c.enter(v, entry{key: key.Value, line: pos.Line, col: pos.Column, value: x})
	}
	return v
}

func (c *converter) enter(v *value, e entry) {
	for _, old := range v.entries {
		if old.key == e.key {
			p := v.problem(e.line, e.col, "", fmt.Sprintf("key %q is already on line %d", e.key, old.line))
			p.Path = join(v.path, e.key)
			c.r.add(p)
			return
		}
	}
	v.entries = append(v.entries, e)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
