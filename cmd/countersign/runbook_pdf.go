package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
)

// PDF writes the report for printers and archives: the lines of its Markdown, set in the Go fonts, which have Latin, Greek and Cyrillic
// letters. The same report gives the same bytes.
func (r glassReport) PDF() ([]byte, error) {
	doc := fpdf.New("P", "mm", "A4", "")
	at, err := time.Parse(time.RFC3339, r.WrittenAt)
	if err != nil {
		return nil, fmt.Errorf("writing the report as PDF: %w", err)
	}
	doc.SetCreationDate(at)
	doc.SetModificationDate(at)
	doc.SetCatalogSort(true)
	doc.SetTitle("Post-incident report: "+r.Incident, true)
	doc.SetCreator("Countersign "+version(), true)
	doc.AddUTF8FontFromBytes("go", "", goregular.TTF)
	doc.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	doc.AddUTF8FontFromBytes("mono", "", gomono.TTF)
	doc.SetMargins(18, 18, 18)
	doc.SetAutoPageBreak(true, 20)
	doc.AliasNbPages("")
	doc.SetFooterFunc(func() {
		doc.SetY(-14)
		doc.SetFont("mono", "", 6.5)
		doc.CellFormat(0, 4, fmt.Sprintf("%s, %d entries, root %s, page %d of {nb}", r.Origin, r.Size, r.Root, doc.PageNo()), "", 0, "C", false, 0, "")
	})
	doc.AddPage()
	for line := range strings.Lines(r.Markdown()) {
		setLine(doc, strings.TrimRight(line, "\n"))
	}
	var out bytes.Buffer
	if err := doc.Output(&out); err != nil {
		return nil, fmt.Errorf("writing the report as PDF: %w", err)
	}
	return out.Bytes(), nil
}

// setLine sets one line of our own Markdown: headings, items and paragraphs are all that it has.
func setLine(doc *fpdf.Fpdf, line string) {
	text := strings.TrimLeft(line, " ")
	indent := float64(len(line)-len(text)) * 2
	size, height, style := 9.5, 4.8, ""
	switch {
	case text == "":
		doc.Ln(2.5)
		return
	case strings.HasPrefix(text, "# "):
		text, size, height, style = text[2:], 17, 9, "B"
	case strings.HasPrefix(text, "## "):
		text, size, height, style = text[3:], 13, 7.5, "B"
		doc.Ln(2)
	case strings.HasPrefix(text, "### "):
		text, size, height, style = text[4:], 11, 6, "B"
	case strings.HasPrefix(text, "- "):
		text, indent = "• "+text[2:], indent+3
	}
	doc.SetFont("go", style, size)
	doc.SetX(18 + indent)
	doc.MultiCell(174-indent, height, plainText(text), "", "L", false)
}

// plainText takes the marks of our Markdown out again, and replaces what the fonts have no letter for.
func plainText(s string) string {
	var b strings.Builder
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			escaped = false
			b.WriteRune(r)
		case r == '\\':
			escaped = true
		case r == '*' || r == '`':
		case r > 0xffff:
			b.WriteByte('?') // the fonts end there, and so does the library
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
