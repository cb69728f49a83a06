package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// ledgerVerb is one of the things that can be done with a ledger.
type ledgerVerb struct {
	name string
	run  func(context.Context, proc) error
}

func ledgerVerbs() []ledgerVerb {
	return []ledgerVerb{
		{"verify", ledgerVerify},
		{"show", ledgerShow},
		{"head", ledgerHead},
		{"anchor", ledgerAnchor},
		{"history", ledgerHistory},
		{"search", ledgerSearch},
		{"export", ledgerExport},
		{"prove", ledgerProve},
		{"check-proof", ledgerCheckProof},
		{"erase", ledgerErase},
		{"disclose", ledgerDisclose},
		{"accept-rollback", ledgerAcceptRollback},
		{"sql", ledgerSQL},
		{"retention", ledgerRetention},
		{"page", ledgerPage},
		{"sample", ledgerSample},
		{"card", ledgerCard},
	}
}

func ledgerVerbNames() string {
	var names []string
	for _, v := range ledgerVerbs() {
		names = append(names, v.name)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// ledgerCommand reads the ledger beside a running bot, or without one: it takes no lock and changes nothing.
func ledgerCommand(ctx context.Context, p proc) error {
	if len(p.args) == 0 {
		return usageError{"a verb is missing: " + ledgerVerbNames()}
	}
	verb := p.args[0]
	p.args = p.args[1:]
	for _, v := range ledgerVerbs() {
		if v.name == verb {
			return v.run(ctx, p)
		}
	}
	if verb == "-h" || verb == "-help" || verb == "--help" {
		fmt.Fprintf(p.out, "usage: countersign ledger VERB: %s; each with -h says more\n", ledgerVerbNames())
		return nil
	}
	return usageError{fmt.Sprintf("there is no verb %q: %s", verb, ledgerVerbNames())}
}

// openToRead opens the ledger that the environment or -data names.
func openToRead(ctx context.Context, p proc, data string) (*store.Store, error) {
	c, err := p.dataConfig(data)
	if err != nil {
		return nil, err
	}
	key, err := readLedgerKey(c)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelError}))
	s, err := store.OpenReadOnly(ctx, storeConfig(c, jobs.NewSystem(), key, log))
	if errors.Is(err, store.ErrNotFound) {
		return nil, hint(err, "is %s the data folder of a bot that has been started once?", c.Data)
	}
	if err == nil && s.ReadHow() != "" {
		fmt.Fprintf(p.err, "note: the ledger in %s: %s\n", c.Data, s.ReadHow())
	}
	return s, err
}

// readLedgerKey reads the key that signs, if this process may: its public part pins the signatures. Without it the ledger's own
// word for its key is used, and the report says so.
func readLedgerKey(c Config) (ledger.Key, error) {
	if c.LedgerKey != "" {
		return givenKey(c.LedgerKey)
	}
	b, err := os.ReadFile(filepath.Join(c.keysDir(), keyLedger))
	if err != nil {
		return ledger.Key{}, nil
	}
	key, err := ledger.ParseKeyFile(b)
	if err != nil {
		return key, fmt.Errorf("reading the ledger's key: %w", err)
	}
	return key, nil
}

func ledgerVerify(ctx context.Context, p proc) error {
	flags := p.flags("ledger verify", "[BUNDLE] [-data DIR] [-vkey KEY] [-anchor FILE] [-json]")
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	pin := flags.String("vkey", "", "the ledger's public key, or a file with it, as you know it from elsewhere")
	anchor := flags.String("anchor", "", "file with a signed head that was kept elsewhere, such as one copied from the audit channel")
	asJSON := flags.Bool("json", false, "print the report as JSON")
	words, err := p.parseMixed(flags, 0, 1)
	if err != nil {
		return err
	}
	anchors, err := readAnchor(*anchor)
	if err != nil {
		return err
	}
	keys, err := vkeyArgument(*pin)
	if err != nil {
		return err
	}
	if len(words) > 0 {
		return verifyBundle(ctx, p, words[0], keys, anchors, *asJSON)
	}
	s, err := openToRead(ctx, p, *data)
	if err != nil {
		return ifDamaged(ctx, nil, err)
	}
	defer s.Close()
	report, err := s.Verify(ctx, anchors...)
	if err != nil {
		return ifDamaged(ctx, s, err)
	}
	pinKeys(&report, keys)
	replay, err := replayAll(ctx, s)
	if err = replay.stopped(err); err != nil {
		return ifDamaged(ctx, s, err)
	}
	if err := replay.inspect(ctx, s); err != nil {
		return ifDamaged(ctx, s, err)
	}
	return conclude(p, report, replay, *asJSON)
}

// ifDamaged gives a ledger that cannot be read because it is damaged the exit code of one that does not verify. What a bad page gives need not look like
// one (rows out of order, a number too large): so the pages are asked, too. s is nil where the ledger could not be opened.
func ifDamaged(ctx context.Context, s *store.Store, err error) error {
	if s != nil && !errors.Is(err, store.ErrDamaged) {
		if pages := s.CheckPages(ctx); pages != nil {
			err = fmt.Errorf("%w (%w)", err, pages)
		}
	}
	if !errors.Is(err, store.ErrDamaged) {
		return err
	}
	return hint(brokenError{err}, "keep the folder as it is and stop the bot: it is evidence; compare it with a backup and with a head that was kept elsewhere")
}

// verifyBundle needs nothing but the bundle: no data folder, no configuration, no network.
func verifyBundle(ctx context.Context, p proc, path string, keys []string, anchors []ledger.Anchor, asJSON bool) error {
	e, err := openEvidence(ctx, p, "", path)
	if err != nil {
		return hint(err, "a bundle is what countersign ledger export writes; ask for it again if it came damaged")
	}
	defer e.close()
	report, err := e.verify(ctx, keys, anchors)
	if err != nil {
		return err
	}
	replay, err := e.replay(ctx)
	if err != nil {
		return err
	}
	return conclude(p, report, replay, asJSON)
}

// pinKeys compares the key that signs with the one given: a data folder brings a key of its own along, which whoever holds the folder
// could have changed.
func pinKeys(r *ledger.Report, keys []string) {
	if len(keys) > 0 && r.Key != keys[0] {
		r.Add(ledger.Problem{Code: ledger.CodeKey, Index: -1, Text: "The key you gave is not the one that signs this ledger now: it is another ledger, or its key was changed since."})
	}
}

// conclude prints the verdict and gives it its exit code.
func conclude(p proc, report ledger.Report, replay replayed, asJSON bool) error {
	if err := printReport(p.out, report, replay, asJSON); err != nil {
		return err
	}
	switch n := replay.Wrong; {
	case !report.OK:
		return hint(brokenError{errors.New("the ledger does not verify")}, "keep the folder as it is and stop the bot: it is evidence; compare it with a backup and with a head that was kept elsewhere")
	case n > 0:
		return hint(brokenError{fmt.Errorf("the entries are as signed, but %d of what must follow from them does not", n)}, "keep the folder as it is: it is evidence")
	}
	return nil
}

// readAnchor reads a signed head that somebody kept.
func readAnchor(file string) ([]ledger.Anchor, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the anchor: %w", err)
	}
	body, _, _ := strings.Cut(string(b), "\n\n")
	c, err := ledger.ParseCheckpoint(body + "\n")
	if err != nil {
		return nil, hint(fmt.Errorf("reading the anchor %s: %w", file, err), "copy the whole head: its name, its size, its root, an empty line and the signatures")
	}
	return []ledger.Anchor{{Size: c.Size, Root: c.Root, Note: string(b), From: file}}, nil
}

func sameLists(a, b []workflows.Listing) bool {
	order := func(x, y workflows.Listing) int {
		return cmp.Or(cmp.Compare(x.List, y.List), cmp.Compare(x.Member, y.Member))
	}
	a, b = slices.SortedFunc(slices.Values(a), order), slices.SortedFunc(slices.Values(b), order)
	return slices.Equal(a, b)
}

func printReport(w io.Writer, r ledger.Report, replay replayed, asJSON bool) error {
	if asJSON {
		r.OK = r.OK && len(replay.Problems) == 0
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			ledger.Report
			Replay replayed `json:"replay"`
		}{r, replay})
	}
	if n := replay.Wrong; n > 0 && r.OK { // who reads one line only must not read "intact"
		fmt.Fprintf(w, "NOT ALL IS WELL: %d of what must follow from the entries does not; see WRONG below.\nFirst: %s\n", n, replay.Problems[0])
	}
	if err := r.WriteText(w); err != nil {
		return err
	}
	return replay.writeText(w)
}

func ledgerHead(ctx context.Context, p proc) error {
	flags := p.flags("ledger head", "[-data DIR]")
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	s, err := openToRead(ctx, p, *data)
	if err != nil {
		return err
	}
	defer s.Close()
	h, err := s.Head(ctx)
	if err != nil {
		return err
	}
	_, err = p.out.Write(h.Note)
	return err
}

func ledgerShow(ctx context.Context, p proc) error {
	flags := p.flags("ledger show", "[-data DIR] [-last N] [-stream STREAM] [-zone ZONE] [-json]"+filterUsage)
	var only filter
	only.register(flags)
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	last := flags.Int("last", defaultLast, "how many of the newest entries; 0 for all")
	stream := flags.String("stream", "", "only this stream, such as request/r_…")
	zone := flags.String("zone", "UTC", "time zone of the times that are shown")
	asJSON := flags.Bool("json", false, "one JSON object per line")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	loc, err := time.LoadLocation(*zone)
	if err != nil {
		return hint(fmt.Errorf("there is no time zone %q", *zone), "names look like Europe/Berlin")
	}
	s, err := openToRead(ctx, p, *data)
	if err != nil {
		return err
	}
	defer s.Close()
	people, err := s.People(ctx)
	if err != nil {
		return err
	}
	if err := only.begin(loc, namesOf(people), people); err != nil {
		return err
	}
	show := showText(p.out, loc)
	if *asJSON {
		show = showJSON(p.out)
	}
	show = only.show(show)
	if only.isSet() && *last == defaultLast {
		*last = 0 // who asks for a week does not mean the newest fifty entries
	}
	if *stream != "" {
		h, err := s.History(ctx, workflows.StreamID(*stream))
		if err != nil {
			return err
		}
		if len(h) == 0 {
			return hint(fmt.Errorf("there is no stream %q", *stream), "countersign ledger show lists the newest entries with their streams")
		}
		return errors.Join(each(h, show), show(nil))
	}
	return showRange(ctx, s, *last, show)
}

const defaultLast = 50 // entries that show shows when it is not told

// shower prints one entry; nil ends the print.
type shower func(*workflows.Record) error

func each(h []workflows.Record, show shower) error {
	for i := range h {
		if err := show(&h[i]); err != nil {
			return err
		}
	}
	return nil
}

func showRange(ctx context.Context, s *store.Store, last int, show shower) error {
	head, err := s.Head(ctx)
	if err != nil {
		return err
	}
	from := int64(0)
	if last > 0 {
		from = max(0, head.Size-int64(last))
	}
	for ; from < head.Size; from += replayStep {
		h, err := s.Entries(ctx, from, min(from+replayStep, head.Size))
		if err != nil {
			return err
		}
		if err := each(h, show); err != nil {
			return err
		}
	}
	return show(nil)
}

func showText(w io.Writer, loc *time.Location) shower {
	tab := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tab, "ENTRY\tTIME\tSTREAM\tWHAT\tBY\tDETAIL")
	return func(r *workflows.Record) error {
		if r == nil {
			return tab.Flush()
		}
		by := string(r.Person)
		if by == "" {
			by = string(r.Actor)
		}
		_, err := fmt.Fprintf(tab, "%d\t%s\t%s\t%s\t%s\t%s\n", r.Index, r.At.UTC.Time().In(loc).Format("2006-01-02 15:04:05 MST"),
			printable(string(r.Stream)), r.Event.Kind(), printable(by), detail(r.Event))
		return err
	}
}

const maxDetail = 160 // runes of one entry's fields in a table

// detail is the event's own fields in one line, without anything that could move a terminal's cursor.
func detail(e workflows.Event) string {
	b, err := json.Marshal(e)
	if err != nil {
		return "?"
	}
	s := []rune(printable(runbooks.Redact(string(b), 1<<16)))
	if len(s) > maxDetail {
		return string(s[:maxDetail]) + "…"
	}
	return string(s)
}

func showJSON(w io.Writer) shower {
	enc := json.NewEncoder(w)
	return func(r *workflows.Record) error {
		if r == nil {
			return nil
		}
		return enc.Encode(struct {
			Index  int64              `json:"entry"`
			ID     string             `json:"id"`
			Stream workflows.StreamID `json:"stream"`
			Seq    int64              `json:"seq"`
			Time   workflows.Stamp    `json:"time"`
			Type   string             `json:"type"`
			Actor  workflows.ActorID  `json:"actor,omitempty"`
			Person workflows.PersonID `json:"person,omitempty"`
			Cause  string             `json:"cause,omitempty"`
			Policy workflows.DocHash  `json:"policy,omitempty"`
			Event  workflows.Event    `json:"event"`
		}{r.Index, r.ID, r.Stream, r.Seq, r.At.UTC, r.Event.Kind(), r.Actor, r.Person, r.Cause, r.Policy, r.Event})
	}
}

// printable drops what could change how a terminal shows the rest: controls, bidirectional marks, zero-width signs (T33).
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == 0x200b || (r >= 0x200c && r <= 0x200f) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2060 && r <= 0x206f) || r == 0xfeff {
			return -1
		}
		return r
	}, s)
}
