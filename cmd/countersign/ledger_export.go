package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"regexp"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/ledger/bundle"
	"github.com/countersign-bot/countersign/workflows"
)

// exportOrder is what an export was asked for.
type exportOrder struct {
	out      string
	since    []ledger.Anchor // a head somebody kept: pages begin behind it, and the bundle must continue it
	disclose string
	zone     *time.Location
	at       time.Time
	by       string     // who exports
	key      ledger.Key // signs for that; zero where it is not at hand
}

func ledgerExport(ctx context.Context, p proc) error {
	flags := p.flags("ledger export", "[-data DIR] [-out FILE.zip|DIR] [-from-head FILE] [-open none|all|STREAM,…] [-agreed ID] [-by WHO] [-zone ZONE] [-time TIME]")
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	out := flags.String("out", "", "where to write; a folder unless it ends with .zip; default: countersign-ledger-SIZE.zip")
	head := flags.String("from-head", "", "file with a signed head that was kept elsewhere: the export must continue it, and its pages begin there")
	open := flags.String("open", "none", "whose texts and names to disclose: none, all, or streams such as request/r_…, separated by commas")
	zone := flags.String("zone", "UTC", "time zone of the times on the pages")
	agreed := flags.String("agreed", "", "proposal under which two people agreed that texts are disclosed; see countersign ledger disclose")
	by := flags.String("by", "", "who exports, for the chain of custody; default: the user of this machine")
	at := flags.String("time", "", "time of the export in the manifest, as 2026-11-22T01:02:03Z; default: now")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	o := exportOrder{out: *out, disclose: *open, at: time.Now(), by: exporter(*by)}
	c, err := p.dataConfig(*data)
	if err != nil {
		return err
	}
	if o.key, err = readLedgerKey(c); err != nil {
		return err
	}
	if o.zone, err = zoneNamed(*zone); err != nil {
		return err
	}
	if *at != "" {
		if o.at, err = time.Parse(time.RFC3339, *at); err != nil {
			return usageError{fmt.Sprintf("the time %q is not like 2026-11-22T01:02:03Z", *at)}
		}
	}
	if o.since, err = readAnchor(*head); err != nil {
		return err
	}
	for i := range o.since {
		o.since[i].From = "a head that was kept elsewhere" // not the name of a file here: it goes into the bundle
	}
	e, err := openEvidence(ctx, p, *data, "")
	if err != nil {
		return err
	}
	defer e.close()
	if err := e.mayDisclose(ctx, *open, *agreed, time.Now()); err != nil {
		return err
	}
	m, path, err := e.export(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s: %d entries of %s, root %s, %d texts disclosed\n", path, m.Rows, m.Origin, m.Root, m.Openings)
	if m.Openings > 0 {
		fmt.Fprintln(p.err, "The bundle holds texts and names of people: hand it on as you would hand on those.")
	}
	return nil
}

func zoneNamed(name string) (*time.Location, error) {
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, hint(fmt.Errorf("there is no time zone %q", name), "names look like Europe/Berlin")
	}
	return loc, nil
}

// export writes the bundle. The query in its manifest says what was asked, in words.
func (e *evidence) export(ctx context.Context, o exportOrder) (m bundle.Manifest, path string, err error) {
	head, err := e.src.Head(ctx)
	if err != nil {
		return m, "", err
	}
	if err := ledger.CheckHead(ctx, head, e.tiles, append(o.since, e.witness...)); err != nil {
		return m, "", hint(brokenError{err}, "keep the folder as it is: it is evidence; an export of it would be evidence of something else")
	}
	content, query, err := e.content(ctx, o)
	if err != nil {
		return m, "", err
	}
	path = o.out
	if path == "" {
		path = fmt.Sprintf("countersign-ledger-%d.zip", head.Size)
	}
	w, err := bundle.Create(path)
	if err != nil {
		return m, "", err
	}
	defer w.Abort()
	if m, err = w.Ledger(ctx, e.src, content); err != nil {
		if errors.Is(err, bundle.ErrNotSigned) {
			err = hint(brokenError{err}, "countersign ledger verify says which entries are not those that were signed")
		}
		return m, "", err
	}
	m.Tool, m.Query, m.Generated, m.Exporter = "countersign "+version(), query, ledger.FormatTime(o.at.UnixMicro()), o.by
	w.Custody = o.custody(m.Origin)
	from := int64(0)
	if len(o.since) > 0 {
		from = o.since[0].Size
	}
	e.open = func(i int64) bool { return content.Disclose != nil && content.Disclose(i) }
	if err := e.writePages(ctx, w, m, content, from, o.zone); err != nil {
		return m, "", err
	}
	if err := w.Add(bundle.FileReadme, []byte(readme(m))); err != nil {
		return m, "", err
	}
	return m, path, w.Close(m)
}

// exporter says who is at work: the words given, or the user of this machine.
func exporter(given string) string {
	if given != "" {
		return printable(given)
	}
	name, host := "unknown user", "an unknown machine"
	if u, err := user.Current(); err == nil {
		name = "unix user " + u.Username + " (" + u.Uid + ")"
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return printable(name + " on " + host)
}

// custody makes the note with which the chain of custody begins; nil where the ledger's key is not at hand.
func (o exportOrder) custody(origin string) func([]byte) ([]byte, error) {
	if o.key == (ledger.Key{}) {
		return nil
	}
	return func(manifest []byte) ([]byte, error) {
		return ledger.Custody{Origin: origin, Manifest: sha256.Sum256(manifest), Time: o.at.UnixMicro(), Exporter: o.by}.Sign(o.key)
	}
}

// custodyJudged reads who made a bundle. What does not hold is a problem of the report.
func (e *evidence) custodyJudged(report *ledger.Report) (who *madeBy, err error) {
	if e.bundle == nil {
		return nil, nil
	}
	m, err := e.bundle.Manifest()
	if err != nil {
		return nil, broken(err)
	}
	note, manifest, err := e.bundle.Custody()
	if err != nil || note == nil {
		return &madeBy{Exporter: m.Exporter, Time: m.Generated}, broken(err)
	}
	keys, err := ledger.Verifiers(report.Key)
	var c ledger.Custody
	if err == nil {
		c, err = ledger.OpenCustody(note, keys)
	}
	if err == nil && (c.Manifest != manifest || c.Origin != report.Origin) {
		err = errors.New("it is about another bundle")
	}
	if err != nil {
		report.Add(ledger.Problem{Code: ledger.CodeFile, Index: -1, Text: fmt.Sprintf("The note that says who made this bundle does not hold: %v.", err)})
		return &madeBy{Exporter: m.Exporter, Time: m.Generated}, nil
	}
	return &madeBy{Exporter: c.Exporter, Time: ledger.FormatTime(c.Time), Signed: true}, nil
}

// madeBy is where the chain of custody of a bundle begins.
type madeBy struct {
	Exporter string `json:"exporter"`
	Time     string `json:"time"`
	Signed   bool   `json:"signed"` // by the key of the ledger; false: the manifest's own word
}

func (m *madeBy) writeText(w io.Writer) {
	if m == nil {
		return
	}
	whose := "signed by the ledger's key"
	if !m.Signed {
		whose = "by the manifest's own word: nobody signed for it"
	}
	fmt.Fprintf(w, "  custody      made %s by %s (%s)\n", m.Time, printable(cmp.Or(m.Exporter, "somebody")), whose)
}

// content resolves what is to be disclosed.
func (e *evidence) content(ctx context.Context, o exportOrder) (c bundle.Content, query string, err error) {
	c.Witness = append(e.witness, o.since...)
	for d, err := range e.snapshot.Documents(ctx) {
		if err != nil {
			return c, "", err
		}
		c.Documents = append(c.Documents, string(d.Hash))
	}
	query = "every entry of the ledger up to its signed head; texts disclosed: " + o.disclose
	if len(o.since) > 0 {
		query += fmt.Sprintf("; pages from entry %d on, behind the head that was kept elsewhere", o.since[0].Size)
	}
	switch o.disclose {
	case "none":
		return c, query, nil
	case "all":
		c.Disclose = func(int64) bool { return true }
		c.People = map[string]string{}
		for id, name := range e.names {
			c.People[string(id)] = name
		}
		return c, query, nil
	}
	return c, query, e.discloseStreams(ctx, &c, strings.Split(o.disclose, ","))
}

var personID = regexp.MustCompile(`p_[0-9a-f]{32}`)

// discloseStreams opens the texts of single streams and names the people in them.
func (e *evidence) discloseStreams(ctx context.Context, c *bundle.Content, streams []string) error {
	open := map[int64]bool{}
	c.People = map[string]string{}
	for _, name := range streams {
		if strings.HasPrefix(name, "r_") {
			name = string(workflows.RequestStream(workflows.RequestID(name)))
		}
		h, err := e.store.History(ctx, workflows.StreamID(name))
		if err != nil {
			return err
		}
		if len(h) == 0 {
			return hint(fmt.Errorf("there is no stream %q to open", name), "countersign ledger show lists the newest entries with their streams")
		}
		for _, r := range h {
			open[r.Index] = true
			event, err := json.Marshal(r.Event)
			if err != nil {
				return err
			}
			for _, id := range append(personID.FindAllString(string(event), -1), string(r.Person)) {
				if known := e.names[workflows.PersonID(id)]; known != "" {
					c.People[id] = known
				}
			}
		}
	}
	c.Disclose = func(i int64) bool { return open[i] }
	return nil
}

const readmeText = `This is the ledger of a Countersign bot: who asked for which access, who decided it, under which document, and what
became of it. It is whole: the signed head says how many entries there are, and any that was changed, dropped, added or
moved makes the verification below fail.

	ledger    ORIGIN
	entries   ROWS
	root      ROOT
	made      when, by whom and by which program MANIFEST.json says; the file custody is the ledger's signature for that
	asked     QUERY

Names and free text are not in the entries, only salted commitments to them. What was disclosed with this bundle stands in
openings.jsonl and is checked against the entries; names in people.jsonl are the exporter's word.

To read it, open index.html. To verify it (BUNDLE is the zip, or the folder it was unpacked to):

1. Get the public key of the ledger (one line, ORIGIN+…) from somebody who is not the one who gave you this bundle: it
   belongs to what an organisation hands to its auditors once. A head that you kept earlier, or one from the audit channel,
   proves in addition that no later history was put in place of an earlier one.

2. With the countersign program, from a source you trust:

	countersign ledger verify BUNDLE -vkey KEY [-anchor HEAD]

   It re-hashes every entry, checks order, tree, signature, changes of keys, documents and texts, and decides every request
   again by the documents that were in force. Exit status 0: intact. 3: not, with the first bad entry by name.

3. Or with nothing but Python (testdata/verify/verify.py in the source of countersign, 250 lines to read first):

	python3 verify.py BUNDLE KEY

4. Or in a browser, without a network: countersign ledger page verify.html writes the page. Get it, too, from a source you
   trust, never together with the bundle.

5. Or with tools that know nothing of Countersign: checkpoint and tile/ are those of any transparency log (C2SP
   tlog-checkpoint and tlog-tiles, hashing of RFC 6962), the files under documents/ are named by their SHA-256, and
   sha256sum -c SHA256SUMS checks that all files arrived as they were sent.
`

func readme(m bundle.Manifest) string {
	return strings.NewReplacer("ORIGIN", m.Origin, "ROWS", fmt.Sprint(m.Rows), "ROOT", m.Root, "QUERY", m.Query).Replace(readmeText)
}

// vkeyArgument takes a key from the command line: itself, or a file that holds it.
func vkeyArgument(arg string) ([]string, error) {
	if arg == "" {
		return nil, nil
	}
	if b, err := os.ReadFile(arg); err == nil && len(b) < 4096 {
		arg = string(b)
	}
	arg = strings.TrimSpace(arg)
	if _, err := ledger.Verifiers(arg); err != nil {
		return nil, hint(err, "a key is one line like example.com/countersign/main+1a2b3c4d+AbCd…, or a file with it")
	}
	return []string{arg}, nil
}
