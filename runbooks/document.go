package runbooks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"github.com/countersign-bot/countersign/workflows"
)

// Document is a runbook as it was read: what its bytes are called, where its front matter lies, and its words for people.
// The front matter is not interpreted here; package workflows/spec does, strictly.
type Document struct {
	Name        string            // of the file, for messages
	Hash        workflows.DocHash // of the exact bytes of the file
	FrontMatter []byte            // the lines between the two "---", with their line ends
	FrontLine   int               // of the first line of FrontMatter in the file, from 1
	BodyLine    int               // of the first line after the front matter
	Title       string            // the first heading of level 1, empty if there is none
	Sections    []Section
	Steps       []Step
}

// Section is a heading with the text up to the next heading of any level, as plain text.
type Section struct {
	Title string
	Level int
	Line  int // in the file
	Text  string
}

// Step is one thing to do. Number counts from 1 through the whole document, whatever the source numbers it.
type Step struct {
	Number int
	Title  string // its first line
	Text   string // all of it, as plain text for a chat message
	Line   int    // in the file
}

// ParseDocument reads a runbook: Markdown that begins with front matter between two lines "---". Steps are the headings
// that begin with "Step" and what follows each; if there are none, the items of the numbered lists under a heading
// "Steps"; if there is no such heading, of all numbered lists that stand by themselves. A document may be prose and have
// none. Errors begin with name and line.
func ParseDocument(name string, raw []byte) (Document, error) {
	sum := sha256.Sum256(raw)
	d := Document{Name: name, Hash: workflows.DocHash("sha256:" + hex.EncodeToString(sum[:]))}
	if err := checkDocument(raw); err != nil {
		return Document{}, fmt.Errorf("%s:%w", name, err)
	}
	body, err := d.splitFrontMatter(raw)
	if err != nil {
		return Document{}, fmt.Errorf("%s:1: %w", name, err)
	}
	// The parser takes line ends of one byte; what is hashed and handed on keeps its own.
	body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	r := reading{source: body, line: d.BodyLine, root: goldmark.DefaultParser().Parse(text.NewReader(body))}
	d.Sections = r.sections()
	for _, s := range d.Sections {
		if s.Level == 1 {
			d.Title = s.Title
			break
		}
	}
	d.Steps = r.steps()
	return d, d.checkSteps()
}

// checkDocument refuses what no parser should see; its errors begin with the line.
func checkDocument(raw []byte) error {
	switch {
	case len(raw) > maxDocument:
		return fmt.Errorf("1: the document has %d bytes, more than %d", len(raw), maxDocument)
	case !utf8.Valid(raw):
		return errors.New("1: the document is not UTF-8")
	case bytes.IndexByte(raw, 0) >= 0:
		return errors.New("1: the document holds a NUL byte")
	}
	number := 0
	for line := range bytes.Lines(raw) {
		if number++; len(line) > maxDocumentLine {
			return fmt.Errorf("%d: the line has %d bytes, more than %d", number, len(line), maxDocumentLine)
		}
	}
	return nil
}

// splitFrontMatter finds the two border lines and returns what comes after the second.
func (d *Document) splitFrontMatter(raw []byte) ([]byte, error) {
	first, rest, _ := bytes.Cut(raw, []byte("\n"))
	if !isBorder(first) {
		return nil, errors.New(`the first line must be "---": front matter says what the runbook is`)
	}
	d.FrontLine = 2
	for line, offset := 2, 0; offset < len(rest); line++ {
		one, _, ended := bytes.Cut(rest[offset:], []byte("\n"))
		next := offset + len(one)
		if ended {
			next++
		}
		if isBorder(one) {
			d.FrontMatter, d.BodyLine = bytes.Clone(rest[:offset]), line+1
			return rest[next:], nil
		}
		offset = next
	}
	return nil, errors.New(`the front matter has no end: a second line "---" is missing`)
}

func isBorder(line []byte) bool { return string(bytes.TrimSuffix(line, []byte("\r"))) == "---" }

func (d *Document) checkSteps() error {
	if len(d.Steps) > maxDocumentSteps {
		return fmt.Errorf("%s:%d: more than %d steps", d.Name, d.Steps[maxDocumentSteps].Line, maxDocumentSteps)
	}
	for _, s := range d.Steps {
		switch {
		case s.Title == "":
			return fmt.Errorf("%s:%d: step %d has no words", d.Name, s.Line, s.Number)
		case len(s.Text) > maxStepText:
			return fmt.Errorf("%s:%d: step %d has %d bytes of text, more than the %d that fit a chat message", d.Name, s.Line, s.Number, len(s.Text), maxStepText)
		}
	}
	return nil
}

// reading is a parsed body with what is needed to tell lines.
type reading struct {
	source []byte
	line   int // of the body's first line in the file
	root   ast.Node
}

// sections cuts the document at its headings.
func (r reading) sections() []Section {
	var out []Section
	for n := r.root.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok {
			out = append(out, Section{Title: r.inline(h), Level: h.Level, Line: r.lineOf(h)})
			continue
		}
		if len(out) > 0 {
			last := &out[len(out)-1]
			last.Text = join(last.Text, r.block(n, ""))
		}
	}
	return out
}

// join puts two paragraphs under each other.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n" + b
}

func (r reading) steps() []Step {
	if steps := r.headingSteps(); len(steps) > 0 {
		return steps
	}
	return r.listSteps()
}

// headingSteps takes each heading that begins with the word Step, and what follows it up to the next heading that is not
// below it.
func (r reading) headingSteps() []Step {
	var out []Step
	level := 0 // of the step being read; 0: none
	for n := r.root.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		switch {
		case ok && isStepHeading(r.inline(h)):
			level = h.Level
			title := r.inline(h)
			out = append(out, Step{Number: len(out) + 1, Title: title, Text: title, Line: r.lineOf(h)})
		case ok && h.Level <= level:
			level = 0
		case level > 0:
			last := &out[len(out)-1]
			last.Text = join(last.Text, r.block(n, ""))
		}
	}
	return out
}

func isStepHeading(title string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(title), "step")
	if !ok {
		return false
	}
	first, _ := utf8.DecodeRuneInString(rest)
	return rest == "" || !unicode.IsLetter(first)
}

// listSteps takes the items of numbered lists.
func (r reading) listSteps() []Step {
	named := false
	for n := r.root.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok && strings.EqualFold(r.inline(h), "steps") {
			named = true
		}
	}
	var out []Step
	inside := !named
	for n := r.root.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok && named {
			inside = strings.EqualFold(r.inline(h), "steps")
		}
		list, ok := n.(*ast.List)
		if !ok || !list.IsOrdered() || !inside {
			continue
		}
		for item := list.FirstChild(); item != nil; item = item.NextSibling() {
			whole := r.children(item, "")
			title, _, _ := strings.Cut(whole, "\n")
			out = append(out, Step{Number: len(out) + 1, Title: title, Text: whole, Line: r.lineOf(item)})
		}
	}
	return out
}

// lineOf is the line in the file on which a block begins.
func (r reading) lineOf(n ast.Node) int {
	for c := n; c != nil; c = c.FirstChild() {
		if c.Type() == ast.TypeInline {
			break
		}
		if lines := c.Lines(); lines != nil && lines.Len() > 0 {
			return r.line + bytes.Count(r.source[:lines.At(0).Start], []byte("\n"))
		}
	}
	return r.line
}
