package incidents

import (
	"bytes"
	"strings"
	"unicode"
)

// Outlined is a step as it stands in a document.
type Outlined struct {
	Title string
	Text  string // Markdown of the step without its title, its mark and its block
	Line  int    // in the file, from 1
	Block string // the content of its block "```step", empty when it has none
	At    int    // line of the first line of Block
	Twice bool   // it has more than one block
}

// ReadOutline finds the steps of a runbook document: headings that begin with the word Step; without any, the items of the numbered lists
// under a heading Steps, or of all numbered lists where there is no such heading. It reads lines, not Markdown, so that a compiled runbook
// needs no parser to be understood years later; package runbooks reads the same document with one, and cmd refuses a document of which
// the two find different steps.
func ReadOutline(doc []byte) []Outlined {
	lines := strings.Split(string(bytes.ReplaceAll(doc, []byte("\r\n"), []byte("\n"))), "\n")
	o := outliner{lines: lines, from: bodyOf(lines)}
	if out := o.headings(); len(out) > 0 {
		return out
	}
	return o.items()
}

// bodyOf is the index of the first line behind the front matter.
func bodyOf(lines []string) int {
	if len(lines) == 0 || lines[0] != "---" {
		return 0
	}
	for i := 1; i < len(lines); i++ {
		if lines[i] == "---" {
			return i + 1
		}
	}
	return len(lines)
}

type outliner struct {
	lines []string
	from  int
}

// fence tells how long the fence is that a line opens, and its info string; 0 when it opens none.
func fence(line string) (mark byte, n int, info string) {
	s := strings.TrimLeft(line, " ")
	if s == "" || s[0] != '`' && s[0] != '~' {
		return 0, 0, ""
	}
	for n < len(s) && s[n] == s[0] {
		n++
	}
	if n < 3 {
		return 0, 0, ""
	}
	return s[0], n, strings.TrimSpace(s[n:])
}

// walk calls f for each line outside of fenced code, and code for each whole fenced block (index of its first line inside, its lines).
func (o outliner) walk(from int, f func(i int, line string) bool, code func(open, i int, inside []string)) {
	for i := from; i < len(o.lines); i++ {
		mark, n, _ := fence(o.lines[i])
		if n == 0 {
			if !f(i, o.lines[i]) {
				return
			}
			continue
		}
		open := i
		for i++; i < len(o.lines); i++ {
			if m, k, info := fence(o.lines[i]); m == mark && k >= n && info == "" {
				break
			}
		}
		code(open, open+1, o.lines[open+1:min(i, len(o.lines))])
	}
}

// heading gives level and text of a line that is a heading; level 0: it is none.
func heading(line string) (level int, text string) {
	s := strings.TrimLeft(line, " ")
	if len(line)-len(s) > 3 {
		return 0, ""
	}
	for level < len(s) && s[level] == '#' {
		level++
	}
	if level == 0 || level > 6 || level < len(s) && s[level] != ' ' {
		return 0, ""
	}
	return level, strings.TrimSpace(strings.TrimRight(strings.TrimSpace(s[level:]), "#"))
}

// isStep tells whether a heading is that of a step.
func isStep(title string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(title), "step")
	if !ok {
		return false
	}
	for _, r := range rest {
		return !unicode.IsLetter(r)
	}
	return true
}

func (o outliner) headings() []Outlined {
	var out []Outlined
	level := 0 // of the step being read; 0: none
	text := func(line string) {
		if level > 0 {
			out[len(out)-1].Text += line + "\n"
		}
	}
	o.walk(o.from, func(i int, line string) bool {
		l, title := heading(line)
		switch {
		case l > 0 && isStep(title):
			level = l
			out = append(out, Outlined{Title: title, Line: i + 1})
		case l > 0 && l <= level:
			level = 0
		default:
			text(line)
		}
		return len(out) <= maxOutline
	}, func(open, i int, inside []string) {
		if level > 0 && out[len(out)-1].block(o.lines[open], i, inside) {
			return
		}
		text(o.lines[open])
		for _, line := range inside {
			text(line)
		}
		text(strings.Repeat("`", 3))
	})
	return trimmed(out)
}

// block takes a fenced block of a step if it is one of ours.
func (s *Outlined) block(opening string, i int, inside []string) bool {
	if _, _, info := fence(opening); info != "step" {
		return false
	}
	if s.At != 0 {
		s.Twice = true
		return true
	}
	s.At, s.Block = i+1, strings.Join(dedent(inside, len(opening)-len(strings.TrimLeft(opening, " "))), "\n")+"\n"
	return true
}

func dedent(lines []string, by int) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		cut := min(by, len(l)-len(strings.TrimLeft(l, " ")))
		out[i] = l[cut:]
	}
	return out
}

func trimmed(list []Outlined) []Outlined {
	for i := range list {
		list[i].Text = strings.TrimSpace(list[i].Text)
	}
	return list
}

// item gives the text of a line that begins an item of a numbered list, and the column at which it stands.
func item(line string) (text string, indent int, ok bool) {
	s := strings.TrimLeft(line, " ")
	if len(line)-len(s) > 3 {
		return "", 0, false
	}
	n := 0
	for n < len(s) && n < 9 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == 0 || n+1 >= len(s) || s[n] != '.' && s[n] != ')' || s[n+1] != ' ' {
		return "", 0, false
	}
	text = strings.TrimLeft(s[n+1:], " ")
	return strings.TrimSpace(text), len(line) - len(text), true
}

func (o outliner) items() []Outlined {
	named := false
	o.walk(o.from, func(_ int, line string) bool {
		_, title := heading(line)
		named = named || strings.EqualFold(title, "steps")
		return !named
	}, func(int, int, []string) {})
	var out []Outlined
	inside, indent := !named, 0 // indent of the item being read; 0: none
	o.walk(o.from, func(i int, line string) bool {
		if l, title := heading(line); l > 0 {
			indent, inside = 0, !named || strings.EqualFold(title, "steps")
			return true
		}
		text, col, ok := item(line)
		switch {
		case !inside:
		case ok && (indent == 0 || len(line)-len(strings.TrimLeft(line, " ")) < indent):
			indent = col
			out = append(out, Outlined{Title: text, Line: i + 1})
		case indent == 0 || strings.TrimSpace(line) == "":
			if indent > 0 {
				out[len(out)-1].Text += "\n"
			}
		case !strings.HasPrefix(line, " ") && strings.HasSuffix(out[len(out)-1].Text, "\n\n"):
			indent = 0 // a paragraph of its own
		default:
			out[len(out)-1].Text += dedent([]string{line}, indent)[0] + "\n"
		}
		return len(out) <= maxOutline
	}, func(open, i int, lines []string) {
		if !inside || indent == 0 || out[len(out)-1].block(o.lines[open], i, lines) {
			return
		}
		last := &out[len(out)-1]
		last.Text += strings.Join(dedent(append([]string{o.lines[open]}, lines...), indent), "\n") + "\n" + strings.Repeat("`", 3) + "\n"
	})
	return trimmed(out)
}
