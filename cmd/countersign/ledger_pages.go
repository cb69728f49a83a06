package main

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/countersign-bot/countersign/store/ledger/bundle"
	"github.com/countersign-bot/countersign/workflows"
)

// The pages of a bundle: no scripts, no links to elsewhere, and every word from the ledger escaped by html/template.

const pageRows = 1000 // entries on one page

const pageStyle = `<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1d1c1d; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; }
td, th { border-bottom: 1px solid #ddd; padding: .3rem .6rem; vertical-align: top; }
td:nth-child(2) { white-space: nowrap; } td:nth-child(4) { font-size: 80%; color: #616061; overflow-wrap: anywhere; }
dt { font-weight: 600; } dd { margin: 0 0 .6rem; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { background: #1a1d21; color: #d1d2d3; } td, th { border-color: #444; } a { color: #8ac7ff; } }
</style>`

func pageTemplates() *template.Template {
	t := template.New("")
	for name, text := range map[string]string{
		"top": `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{.Title}}</title>
` + pageStyle + `
<h1>{{.Title}}</h1>
`,
		"summary": `<p>Every entry of this ledger in one plain sentence. The page is for reading; what proves it is beside it, see README.txt.</p>
<dl>
<dt>Ledger</dt><dd>{{.Origin}}</dd>
<dt>Entries</dt><dd>{{.Rows}}{{if .FirstTime}}, from {{.FirstTime}} to {{.LastTime}}{{end}}</dd>
<dt>Root of all entries</dt><dd><code>{{.Root}}</code></dd>
<dt>What was asked for</dt><dd>{{.Query}}</dd>
<dt>Made</dt><dd>when and by which program MANIFEST.json says</dd>
<dt>Texts disclosed</dt><dd>{{.Openings}}{{if not .Openings}}: names and free text are not in this bundle, people appear as pseudonyms{{end}}</dd>
</dl>
`,
		"head": `<table>
<thead><tr><th scope="col">Entry<th scope="col">Time<th scope="col">What happened<th scope="col">Stream</thead>
<tbody>
`,
		"row": `<tr id="e{{.Index}}"><td>{{.Index}}<td>{{.Time}}<td>{{.Sentence}}<td title="{{.ID}} {{.Person}}">{{.Stream}}
`,
		"foot": "</tbody></table>\n",
		"link": `<li><a href="{{.Name}}">entries {{.From}} to {{.To}}</a>
`,
	} {
		template.Must(t.New(name).Parse(text))
	}
	return t
}

type pageRow struct {
	Index                              int64
	Time, Sentence, ID, Person, Stream string
}

// pager writes pages of rows into a bundle.
type pager struct {
	e    *evidence
	w    *bundle.Writer
	t    *template.Template
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
	p := &pager{e: e, w: w, t: pageTemplates(), n: newNarrator(zone, names), why: why, zone: zone}
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
	if err := p.do(out, "top", map[string]string{"Title": "Ledger " + m.Origin}, "summary", m); err != nil {
		return err
	}
	if links == nil {
		return p.table(ctx, out, from, m.Rows)
	}
	for _, l := range links {
		if err := p.do(out, "link", l); err != nil {
			return err
		}
	}
	return nil
}

func (p *pager) page(ctx context.Context, out io.Writer, l pageLink) error {
	if err := p.do(out, "top", map[string]string{"Title": fmt.Sprintf("Entries %d to %d", l.From, l.To)}); err != nil {
		return err
	}
	return p.table(ctx, out, l.From, l.To+1)
}

func (p *pager) table(ctx context.Context, out io.Writer, from, to int64) error {
	if err := p.do(out, "head", nil); err != nil {
		return err
	}
	err := p.e.rows(ctx, from, to, func(r *row) error {
		return p.do(out, "row", pageRow{
			Index: r.Index, Time: r.At.UTC.Time().In(p.zone).Format("2006-01-02 15:04:05 MST"), Sentence: p.n.Sentence(r.Record) + p.why.words(r, p.n.person), ID: r.ID,
			Person: string(r.Person), Stream: printable(string(r.Stream)),
		})
	})
	if err != nil {
		return err
	}
	return p.do(out, "foot", nil)
}

// do executes templates: names and what is put into them, in turn.
func (p *pager) do(out io.Writer, pairs ...any) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if err := p.t.ExecuteTemplate(out, pairs[i].(string), pairs[i+1]); err != nil {
			return fmt.Errorf("writing a page: %w", err)
		}
	}
	return nil
}
