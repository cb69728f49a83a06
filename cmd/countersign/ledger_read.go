package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// reading are the flags that history and search share.
type reading struct {
	data, bundle, zone string
	asJSON, asCSV      bool
	last               int
	only               *filter
}

func (p proc) reading(verb, usage string) (r *reading, words func(least int) ([]string, error)) {
	flags := p.flags(verb, usage+" [-data DIR] [-bundle FILE] [-zone ZONE] [-last N] [-json|-csv]"+filterUsage)
	r = &reading{only: &filter{}}
	r.only.register(flags)
	flags.StringVar(&r.data, "data", "", "data folder; default: COUNTERSIGN_DATA")
	flags.StringVar(&r.bundle, "bundle", "", "read an exported bundle instead")
	flags.StringVar(&r.zone, "zone", "UTC", "time zone of the times that are shown")
	flags.IntVar(&r.last, "last", 0, "only the newest so many; 0 for all")
	flags.BoolVar(&r.asJSON, "json", false, "one JSON object per line")
	flags.BoolVar(&r.asCSV, "csv", false, "comma-separated, safe to open in a spreadsheet; JSON is the exact form")
	return r, func(least int) ([]string, error) {
		words, err := p.parseMixed(flags, 0, least)
		if err == nil && len(words) < least {
			err = usageError{usage + " is missing; countersign ledger show takes the same flags without one"}
		}
		return words, err
	}
}

// ledgerHistory tells what happened to a request, a grant, a person or a target.
func ledgerHistory(ctx context.Context, p proc) error {
	r, parse := p.reading("ledger history", "REQUEST|GRANT|PERSON|TARGET|STREAM")
	words, err := parse(1)
	if err != nil {
		return err
	}
	return p.read(ctx, *r, func(e *evidence) (func(*row, string) bool, error) {
		about := newAbout(words[0], e.names, e.people)
		if len(about.words) == 0 {
			return nil, fmt.Errorf("%q names nothing", words[0])
		}
		return func(x *row, _ string) bool { return about.concerns(x) }, nil
	}, hintFor(words[0]))
}

func hintFor(word string) func(error) error {
	return func(err error) error {
		return hint(err, "countersign ledger search %s looks in every text; countersign ledger show lists the newest entries", word)
	}
}

// ledgerSearch finds entries that contain a word, in their sentence or their fields, regardless of case.
func ledgerSearch(ctx context.Context, p proc) error {
	r, parse := p.reading("ledger search", "WORD")
	words, err := parse(1)
	if err != nil {
		return err
	}
	word := strings.ToLower(words[0])
	return p.read(ctx, *r, func(*evidence) (func(*row, string) bool, error) {
		return func(x *row, sentence string) bool {
			return strings.Contains(strings.ToLower(sentence), word) || strings.Contains(strings.ToLower(string(x.leaf)), word) || opens(x.opened, word)
		}, nil
	}, func(err error) error { return err })
}

func opens(opened []ledger.Opening, word string) bool {
	for _, o := range opened {
		if strings.Contains(strings.ToLower(o.Value), word) {
			return true
		}
	}
	return false
}

// found is an entry that was asked for.
type found struct {
	*row
	sentence string
}

// read goes through all entries, because an entry is told by what came before it, and prints those that matter.
func (p proc) read(ctx context.Context, r reading, start func(*evidence) (func(*row, string) bool, error), nothing func(error) error) error {
	loc, err := zoneNamed(r.zone)
	if err != nil {
		return err
	}
	e, err := openEvidence(ctx, p, r.data, r.bundle)
	if err != nil {
		return err
	}
	defer e.close()
	if err := r.only.begin(loc, e.names, e.people); err != nil {
		return err
	}
	matches, err := start(e)
	if err != nil {
		return err
	}
	show, n := r.printer(p.out, loc), 0
	var newest []found
	size, err := e.size(ctx)
	if err != nil {
		return err
	}
	why, err := e.whyGone(ctx)
	if err != nil {
		return err
	}
	told := newNarrator(loc, e.names)
	err = e.rows(ctx, 0, size, func(x *row) error {
		sentence := told.Sentence(x.Record) + why.words(x, told.person)
		if wanted := r.only.matches(x.Record); !matches(x, sentence) || !wanted {
			return nil
		}
		if n++; r.last <= 0 {
			return show(&found{x, sentence})
		}
		if newest = append(newest, found{x, sentence}); len(newest) > r.last {
			newest = newest[1:]
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range newest {
		if err := show(&newest[i]); err != nil {
			return err
		}
	}
	if n == 0 {
		return nothing(fmt.Errorf("no entry of %d is about that", size))
	}
	return show(nil)
}

// about collects what belongs to the thing asked for: the ids that entries bring in as they pass.
type about struct {
	words map[string]bool
}

// newAbout takes an id as it is, and for a person also the name, the name in the people file or the e-mail address.
func newAbout(word string, names map[workflows.PersonID]string, people []store.Person) *about {
	a := &about{words: map[string]bool{}}
	if word == "" {
		return a
	}
	a.words[word] = true
	for id, name := range names {
		if strings.EqualFold(name, word) {
			a.words[string(id)] = true
		}
	}
	for _, p := range people {
		_, key, _ := strings.Cut(p.Key, ":") // people:maya
		if key != "" && strings.EqualFold(key, word) || p.Email != "" && strings.EqualFold(p.Email, word) {
			a.words[string(p.Ref)] = true
		}
	}
	if id, ok := strings.CutPrefix(word, workflows.KindRequest+"/"); ok {
		a.words[id] = true
	}
	return a
}

// concerns tells whether an entry belongs: its stream, its people or one of its fields is what was asked for. A request on a target
// brings its whole stream, a request its grants.
func (a *about) concerns(x *row) bool {
	if !a.names(x.Record) && !a.field(x.leaf) {
		return false
	}
	switch e := x.Event.(type) {
	case workflows.Submitted:
		if a.words[string(e.Target)] {
			a.words[string(x.Stream)] = true
		}
	case grants.Approved:
		a.words[string(e.Grant)] = true
	}
	return true
}

func (a *about) names(r workflows.Record) bool {
	if a.words[string(r.Stream)] || a.words[string(r.Person)] || a.words[string(r.Actor)] || a.words[r.ID] || a.words[fmt.Sprint(r.Index)] {
		return true
	}
	if r.Stream.Kind() == workflows.KindGrant {
		return a.grantStream(r)
	}
	return a.words[r.Stream.Rest()]
}

// grantStream: one stream holds every grant of one identity of one entitlement, so belonging to it is not enough for a request.
func (a *about) grantStream(r workflows.Record) bool {
	for part := range strings.SplitSeq(r.Stream.Rest(), "/") {
		if a.words[part] {
			return true
		}
	}
	return false
}

// field looks for the words among all texts of the entry.
func (a *about) field(leaf []byte) bool {
	l, err := ledger.Decode(leaf)
	return err == nil && a.value(l.Fields)
}

func (a *about) value(v any) bool {
	switch v := v.(type) {
	case string:
		return a.words[v]
	case []any:
		for _, x := range v {
			if a.value(x) {
				return true
			}
		}
	case map[string]any:
		for _, x := range v {
			if a.value(x) {
				return true
			}
		}
	}
	return false
}

// printer writes what was found, as the flags want it; nil ends it.
func (r reading) printer(w io.Writer, loc *time.Location) func(*found) error {
	switch {
	case r.asJSON:
		return findingsJSON(w)
	case r.asCSV:
		return findingsCSV(w, loc)
	}
	return func(f *found) error {
		if f == nil {
			return nil
		}
		_, err := fmt.Fprintf(w, "%6d  %s  %s\n", f.Index, f.At.UTC.Time().In(loc).Format("2006-01-02 15:04:05 MST"), f.sentence)
		return err
	}
}

func findingsJSON(w io.Writer) func(*found) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return func(f *found) error {
		if f == nil {
			return nil
		}
		return enc.Encode(struct {
			Index    int64              `json:"entry"`
			ID       string             `json:"id"`
			Stream   workflows.StreamID `json:"stream"`
			Seq      int64              `json:"seq"`
			Time     workflows.Stamp    `json:"time"`
			Type     string             `json:"type"`
			Actor    workflows.ActorID  `json:"actor,omitempty"`
			Person   workflows.PersonID `json:"person,omitempty"`
			Policy   workflows.DocHash  `json:"policy,omitempty"`
			Sentence string             `json:"sentence"`
			Event    workflows.Event    `json:"event"`
		}{f.Index, f.ID, f.Stream, f.Seq, f.At.UTC, f.Event.Kind(), f.Actor, f.Person, f.Policy, f.sentence, f.Event})
	}
}

func findingsCSV(w io.Writer, loc *time.Location) func(*found) error {
	header := true
	return func(f *found) error {
		if header {
			header = false
			if err := writeCSV(w, "entry", "time", "type", "stream", "person", "account", "sentence"); err != nil {
				return err
			}
		}
		if f == nil {
			return nil
		}
		return writeCSV(w, fmt.Sprint(f.Index), f.At.UTC.Time().In(loc).Format(time.RFC3339), f.Event.Kind(), string(f.Stream), string(f.Person),
			string(f.Actor), f.sentence)
	}
}

// writeCSV writes one line. Every cell is quoted, and one that a spreadsheet could take for a formula begins with an apostrophe: a
// text in the ledger is whatever somebody typed. https://owasp.org/www-community/attacks/CSV_Injection
func writeCSV(w io.Writer, cells ...string) error {
	for i, c := range cells {
		cells[i] = `"` + strings.ReplaceAll(inert(c), `"`, `""`) + `"`
	}
	_, err := io.WriteString(w, strings.Join(cells, ",")+"\r\n")
	return err
}

// inert puts an apostrophe before what begins, behind blanks, quotes and signs that do not show, with a character that starts a formula
// in some spreadsheet, in its wide forms, too. Line ends become blanks: what follows one would begin a cell in programs that split
// before they look at quotes.
func inert(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' || r == '\v' || r == '\f' || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
	for _, r := range s {
		switch {
		case strings.ContainsRune("=+-@|%＝＋－＠﹦﹢﹣﹫⁼⁺⁻−", r):
			return "'" + s
		case unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Mn, r) || strings.ContainsRune("\"'`´‘’“”„«»", r):
			continue
		}
		return s
	}
	return s
}
