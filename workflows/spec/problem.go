package spec

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with the folder, and where.
type Problem struct {
	File string // as named inside the folder: "workflows/prod-shell.yaml"
	Line int    // from 1; 0 when the problem is the file or folder as a whole
	Col  int    // from 1, in characters
	Path string // of the value: "stages[0].timeout"
	Text string // what is wrong
	Hint string // what to do about it; may be empty

	excerpt string // the source line, empty when there is none to show
}

// Where is "file:line:col", or "file" for a problem of the whole file.
func (p Problem) Where() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
}

// String is the problem with its hint and its source line with a caret under the place.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", p.Where(), p.Text)
	if p.excerpt != "" {
		no := strconv.Itoa(p.Line)
		line, col := window(p.excerpt, p.Col)
		fmt.Fprintf(&b, "  %s | %s\n", no, line)
		fmt.Fprintf(&b, "  %s | %s^\n", strings.Repeat(" ", len(no)), strings.Repeat(" ", col-1))
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, "  hint: %s\n", p.Hint)
	}
	return b.String()
}

// window cuts a long line to the 100 characters round the column, and makes what does not print visible.
func window(line string, col int) (string, int) {
	const width = 100
	r := []rune(line)
	col = max(1, min(col, len(r)+1))
	if len(r) > width {
		from := max(0, min(col-1-width/2, len(r)-width))
		r, col = r[from:from+width], col-from
	}
	for i, c := range r {
		if c == '\t' {
			r[i] = '→'
		} else if badRune(c) {
			r[i] = '�'
		}
	}
	return string(r), col
}

// Problems is the error of Load: everything that is wrong, in the order of files and lines.
type Problems struct {
	List []Problem
	More int // how many further problems are not in the list
}

// Error is every problem as "file:line:col: text" with its source line and hint.
func (p *Problems) Error() string {
	var b strings.Builder
	for _, x := range p.List {
		b.WriteString(x.String())
	}
	if p.More > 0 {
		fmt.Fprintf(&b, "and %d more\n", p.More)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// report collects problems while a folder is read.
type report struct {
	all []Problem
}

func (r *report) add(p Problem) {
	if len(r.all) < 100*maxProblems { // sorted and cut at the end; this only bounds memory
		r.all = append(r.all, p)
	}
}

// file reports a problem of a whole file or folder.
func (r *report) file(name, hint, format string, args ...any) {
	r.add(Problem{File: name, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// at reports a problem of one value.
func (r *report) at(v *value, hint, format string, args ...any) {
	r.add(v.problem(v.line, v.col, hint, fmt.Sprintf(format, args...)))
}

// err is the collected problems as an error, nil when there are none.
func (r *report) err() error {
	list := r.sorted()
	if len(list) == 0 {
		return nil
	}
	n := min(len(list), maxProblems)
	return &Problems{List: list[:n:n], More: len(list) - n}
}

// sorted is the collected problems in the order of files and places, each once.
func (r *report) sorted() []Problem {
	sort.SliceStable(r.all, func(i, j int) bool {
		a, b := r.all[i], r.all[j]
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) < 0
	})
	return slices.CompactFunc(r.all, func(a, b Problem) bool {
		return a.File == b.File && a.Line == b.Line && a.Col == b.Col && a.Text == b.Text
	})
}
