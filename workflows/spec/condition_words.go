package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// The messages of the type checker that an author meets.
var (
	celUndeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	celUndefined  = regexp.MustCompile(`^undefined field '([^']*)'`)
	celNoMembers  = regexp.MustCompile(`^type '([^']*)' does not support field selection`)
	wordSign      = regexp.MustCompile(`(^|[ (])(and|or|not)[ (]`)
	celOverload   = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
)

// celWords turns a message of the type checker into a sentence and a hint.
func (c *checker) celWords(w *workflow, expr string, e *cel.Error) (text, hint string) {
	msg := e.Message
	if m := celUndeclared.FindStringSubmatch(msg); m != nil {
		if calls(strings.Split(expr, "\n"), e) {
			return notAFunction(m[1])
		}
		return fmt.Sprintf("unknown name %q", m[1]), meantOr(m[1], conditionNames())
	}
	if m := celUndefined.FindStringSubmatch(msg); m != nil {
		return fmt.Sprintf("there is no %q", m[1]), meantOr(m[1], c.members(w, m[1]))
	}
	if m := celOverload.FindStringSubmatch(msg); m != nil {
		return operatorWords(m[1], m[2])
	}
	if m := celNoMembers.FindStringSubmatch(msg); m != nil {
		return typeWords(m[1]) + " has no members", ""
	}
	if strings.HasPrefix(msg, "Syntax error: ") {
		text, hint = syntaxWords(strings.TrimPrefix(msg, "Syntax error: "), expr)
		return "the condition cannot be read: " + text, hint
	}
	if strings.HasPrefix(msg, "expression recursion limit exceeded") {
		return fmt.Sprintf("nested more than %d deep", maxConditionDepth), ""
	}
	return firstLine(msg), ""
}

// calls tells whether the name that the type checker does not know stands before brackets: it points to the bracket then.
func calls(lines []string, e *cel.Error) bool {
	l, c := e.Location.Line(), e.Location.Column()
	if l < 1 || l > len(lines) {
		return false
	}
	r := []rune(lines[l-1])
	return c >= 0 && c < len(r) && r[c] == '('
}

// notAFunction says what conditions have instead of a function that they lack.
func notAFunction(name string) (text, hint string) {
	text = fmt.Sprintf("there is no function %q", name)
	switch name {
	case "matches":
		return text, "conditions have no regular expressions: use a choice field, or give the field a pattern"
	case "exists", "all", "map", "filter", "exists_one":
		return text, `conditions have no loops: "dba" in requester.groups`
	case "now":
		return text, "now is a name, without brackets"
	}
	return text, meantOr(name, []string{"duration", "timestamp", "has", "size", "startsWith", "endsWith", "contains"})
}

// members are the names that may have been meant after a dot.
func (c *checker) members(w *workflow, got string) []string {
	p := &inputTypes{fields: map[string]*types.Type{}}
	var all []string
	for _, o := range []string{"requester", "subject", "target", "entitlement"} {
		all = append(all, keys(p.object(o))...)
	}
	for _, f := range w.list("fields") {
		if fieldType(f.str("type")) != nil {
			all = append(all, f.str("name"))
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if near := nearest(got, all); near != "" {
		return []string{near}
	}
	return nil
}

func operatorWords(op, args string) (text, hint string) {
	if op == operators.Conditional {
		return "the two answers of ? : are not of one kind", ""
	}
	sides := strings.SplitN(strings.Trim(args, "()"), ", ", 2)
	if strings.Contains(args, "(") && strings.Count(args, "(") > 1 { // a list: cut at the comma between the two
		sides = splitTypes(args)
	}
	name := strings.Trim(strings.Trim(op, "@_"), "_")
	if len(sides) != 2 {
		return fmt.Sprintf("%s does not fit %s", name, typeWords(args)), ""
	}
	a, b := typeWords(sides[0]), typeWords(sides[1])
	if strings.Contains(a, "length of time") != strings.Contains(b, "length of time") {
		hint = `write a length of time as duration("4h")`
	}
	if a == "a moment" != (b == "a moment") && hint == "" {
		hint = `write a moment as timestamp("2026-12-24T00:00:00Z")`
	}
	return fmt.Sprintf("%s does not fit between %s and %s", name, a, b), hint
}

// splitTypes cuts "(string, list(int))" at its outer comma.
func splitTypes(args string) []string {
	args = strings.TrimSuffix(strings.TrimPrefix(args, "("), ")")
	depth := 0
	for i, r := range args {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				return []string{args[:i], args[i+1:]}
			}
		}
	}
	return []string{args}
}

// syntaxWords keeps what a person needs of the parser's message.
func syntaxWords(msg, expr string) (text, hint string) {
	switch {
	case strings.HasPrefix(msg, "token recognition error at: '\""):
		return "a quote is not closed", ""
	case wordSign.MatchString(expr):
		return "and, or and not are written as signs", "&& is and, || is or, ! is not"
	case strings.HasPrefix(msg, "token recognition error at: '= "):
		return "= is not used", "== compares"
	case strings.Contains(msg, "'<EOF>' expecting"):
		return "it ends too early", ""
	case strings.HasPrefix(msg, "missing ')'"):
		return "a bracket is not closed", ""
	}
	if i := strings.Index(msg, " expecting"); i > 0 {
		msg = msg[:i]
	}
	return msg, ""
}

// inside reports a problem at a place within a text: line and column are those of the text, from 1 and from 0.
func (r *report) inside(v *value, line, col int, hint, format string, args ...any) {
	l, c := v.within(line, col)
	r.add(v.problem(l, c, hint, fmt.Sprintf(format, args...)))
}

// within finds a place of a text in its file. A text that is written with escapes or folded in a way that cannot be followed is pointed to as
// a whole.
func (v *value) within(line, col int) (int, int) {
	lines := v.src.text
	if v.line < 1 || v.line > len(lines) {
		return v.line, v.col
	}
	here := []rune(lines[v.line-1])
	text := v.text
	for _, skip := range []int{0, 1} { // without and with an opening quote
		from := v.col - 1 + skip
		if line == 1 && from >= 0 && from <= len(here) && strings.HasPrefix(string(here[from:]), strings.TrimRight(text, "\n")) {
			return v.line, from + col + 1
		}
	}
	return v.folded(line, col)
}

// folded follows a block text: the lines below its mark, each of which is a line of the text (|) or a part of one (>).
func (v *value) folded(line, col int) (int, int) {
	at, offset := 1, 0
	for i := v.line; i < len(v.src.text); i++ {
		raw := v.src.text[i]
		t := strings.TrimSpace(raw)
		if t == "" || !strings.Contains(v.text, t) {
			break
		}
		indent := len([]rune(raw)) - len([]rune(strings.TrimLeft(raw, " ")))
		n := len([]rune(t))
		if at == line && col >= offset && col <= offset+n {
			return i + 1, indent + 1 + col - offset
		}
		if strings.Contains(v.text, t+"\n") && strings.Count(strings.TrimRight(v.text, "\n"), "\n") > 0 {
			at, offset = at+1, 0
		} else {
			offset += n + 1
		}
	}
	return v.line, v.col
}
