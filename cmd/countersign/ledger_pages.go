package main

import (
	"bufio"
	"context"
	"fmt"
	"html"
	"io"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store/ledger/bundle"
	"github.com/countersign-bot/countersign/workflows"
)

// The pages of a bundle: no scripts, no links to elsewhere, and every word from the ledger escaped.

const pageRows = 1000 // entries on one page

const pageStyle = `<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1d1c1d; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; }
td, th { border-bottom: 1px solid #ddd; padding: .3rem .6rem; vertical-align: top; }
td:nth-child(2) { white-space: nowrap; } td:nth-child(4) { font-size: 80%; color: #616061; overflow-wrap: anywhere; }
dt { font-weight: 600; } dd { margin: 0 0 .6rem; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { background: #1a1d21; color: #d1d2d3; } td, th { border-color: #444; } a { color: #8ac7ff; } }
</style>`

// markup is a page as it is written: literal pieces that come from here, and values that are escaped for text and for quoted attributes.
type markup struct {
	w   *bufio.Writer
	err error
}

func newMarkup(w io.Writer) *markup { return &markup{w: bufio.NewWriter(w)} }

// raw is markup that stands in this file; whatever else is put onto a page is a value, and escaped.
type raw string

func (m *markup) put(pieces ...any) {
	for _, piece := range pieces {
		text, isRaw := piece.(raw)
		if !isRaw {
			text = raw(html.EscapeString(strings.ReplaceAll(fmt.Sprint(piece), "\x00", "\uFFFD")))
		}
		if _, err := m.w.WriteString(string(text)); err != nil && m.err == nil {
			m.err = fmt.Errorf("writing a page: %w", err)
		}
	}
}

func (m *markup) done() error {
	if err := m.w.Flush(); err != nil && m.err == nil {
		m.err = fmt.Errorf("writing a page: %w", err)
	}
	return m.err
}

func (m *markup) top(title string) {
	m.put(raw(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>`), title, raw(`</title>
`+pageStyle+`
<h1>`), title, raw("</h1>\n"))
}

func (m *markup) summary(of bundle.Manifest) {
	m.put(raw(`<p>Every entry of this ledger in one plain sentence. The page is for reading; what proves it is beside it, see README.txt.</p>
<dl>
<dt>Ledger</dt><dd>`), of.Origin, raw(`</dd>
<dt>Entries</dt><dd>`), of.Rows)
	if of.FirstTime != "" {
		m.put(", from ", of.FirstTime, " to ", of.LastTime)
	}
	m.put(raw(`</dd>
<dt>Root of all entries</dt><dd><code>`), of.Root, raw(`</code></dd>
<dt>What was asked for</dt><dd>`), of.Query, raw(`</dd>
<dt>Made</dt><dd>when and by which program MANIFEST.json says</dd>
<dt>Texts disclosed</dt><dd>`), of.Openings)
	if of.Openings == 0 {
		m.put(": names and free text are not in this bundle, people appear as pseudonyms")
	}
	m.put(raw("</dd>\n</dl>\n"))
}

// pager writes pages of rows into a bundle.
type pager struct {
	e    *evidence
	w    *bundle.Writer
	n    *narrator
	why  *erasures
	zone *time.Location
}

// writePages writes index.html, and pages beside it when there are more entries than one page takes. The generation time is not on
// them: they follow from the head alone.
func (e *evidence) writePages(ctx context.Context, w *bundle.Writer, m bundle.Manifest, c bundle.Content, from int64, zone *time.Location) error {
	names := map[workflows.PersonID]string{}
	for id, name := range c.People {
		names[workflows.PersonID(id)] = name
	}
	why, err := e.whyGone(ctx)
	if err != nil {
		return err
	}
	p := &pager{e: e, w: w, n: newNarrator(zone, names), why: why, zone: zone}
	if from > 0 { // what stands on no page still explains what does
		if err := e.rows(ctx, 0, from, func(r *row) error { p.n.remember(r.Record); return nil }); err != nil {
			return err
		}
	}
	if m.Rows-from <= pageRows {
		return w.Stream(bundle.FileIndex, func(out io.Writer) error { return p.index(ctx, out, m, from, nil) })
	}
	var links []pageLink
	for at := from; at < m.Rows; at += pageRows {
		link := pageLink{Name: bundle.PageName(len(links)), From: at, To: min(at+pageRows, m.Rows) - 1}
		if err := w.Stream(link.Name, func(out io.Writer) error { return p.page(ctx, out, link) }); err != nil {
			return err
		}
		links = append(links, link)
	}
	return w.Stream(bundle.FileIndex, func(out io.Writer) error { return p.index(ctx, out, m, from, links) })
}

type pageLink struct {
	Name     string
	From, To int64
}

func (p *pager) index(ctx context.Context, out io.Writer, m bundle.Manifest, from int64, links []pageLink) error {
	page := newMarkup(out)
	page.top("Ledger " + m.Origin)
	page.summary(m)
	if links == nil {
		return p.table(ctx, page, from, m.Rows)
	}
	for _, l := range links {
		page.put(raw(`<li><a href="`), l.Name, raw(`">`), "entries ", l.From, " to ", l.To, raw("</a>\n")) // the name is one of ours: bundle.PageName
	}
	return page.done()
}

func (p *pager) page(ctx context.Context, out io.Writer, l pageLink) error {
	page := newMarkup(out)
	page.top(fmt.Sprintf("Entries %d to %d", l.From, l.To))
	return p.table(ctx, page, l.From, l.To+1)
}

func (p *pager) table(ctx context.Context, page *markup, from, to int64) error {
	page.put(raw(`<table>
<thead><tr><th scope="col">Entry<th scope="col">Time<th scope="col">What happened<th scope="col">Stream</thead>
<tbody>
`))
	err := p.e.rows(ctx, from, to, func(r *row) error {
		page.put(raw(`<tr id="e`), r.Index, raw(`"><td>`), r.Index, raw(`<td>`), r.At.UTC.Time().In(p.zone).Format("2006-01-02 15:04:05 MST"),
			raw(`<td>`), p.n.Sentence(r.Record)+p.why.words(r, p.n.person), raw(`<td title="`), r.ID+" "+string(r.Person), raw(`">`), printable(string(r.Stream)), "\n")
		return page.err
	})
	if err != nil {
		return err
	}
	page.put(raw("</tbody></table>\n"))
	return page.done()
}
