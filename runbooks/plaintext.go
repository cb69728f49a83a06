package runbooks

import (
	"fmt"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// Plain text for chat: markup is gone, so that nothing in a document can mention people or hide a link; code keeps its
// lines, since people copy it.

// block renders one block, every line of it behind indent.
func (r reading) block(n ast.Node, indent string) string {
	switch n := n.(type) {
	case *ast.Paragraph, *ast.TextBlock, *ast.Heading:
		return indented(r.inline(n), indent)
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		return indented(r.lines(n), indent+"    ")
	case *ast.List:
		return r.list(n, indent)
	case *ast.HTMLBlock, *ast.ThematicBreak:
		return ""
	default:
		return r.children(n, indent)
	}
}

func (r reading) children(n ast.Node, indent string) string {
	out := ""
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		out = join(out, r.block(c, indent))
	}
	return out
}

func (r reading) list(n *ast.List, indent string) string {
	out, number := "", n.Start
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		mark := "- "
		if n.IsOrdered() {
			mark = fmt.Sprintf("%d. ", number)
			number++
		}
		inner := indent + strings.Repeat(" ", len(mark))
		whole := r.children(item, inner)
		out = join(out, indent+mark+strings.TrimPrefix(whole, inner))
	}
	return out
}

// lines is the source of a code block as it stands.
func (r reading) lines(n ast.Node) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		b.Write(line.Value(r.source))
	}
	return strings.TrimRight(b.String(), "\n")
}

// inline is the text of a block without its markup.
func (r reading) inline(n ast.Node) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Text:
			if entering {
				b.Write(n.Segment.Value(r.source))
				if n.HardLineBreak() {
					b.WriteByte('\n')
				} else if n.SoftLineBreak() {
					b.WriteByte(' ')
				}
			}
		case *ast.String:
			if entering {
				b.Write(n.Value)
			}
		case *ast.AutoLink:
			if entering {
				b.Write(n.URL(r.source))
			}
		case *ast.Link:
			if !entering && len(n.Destination) > 0 {
				fmt.Fprintf(&b, " (%s)", n.Destination)
			}
		case *ast.RawHTML:
			return ast.WalkSkipChildren, nil
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(b.String())
}

func indented(s, indent string) string {
	if s == "" || indent == "" {
		return s
	}
	return indent + strings.ReplaceAll(s, "\n", "\n"+indent)
}
