package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store/ledger"
)

// populations are what auditors ask for, by the type of entry that each of it has exactly once.
var populations = [...]struct{ name, kind string }{
	{"requests", "request.submitted"},
	{"approvals", "request.approved"},
	{"denials", "request.denied"},
	{"votes", "vote.recorded"},
	{"grants", "grant.approved"},
	{"revocations", "grant.revoked"},
	{"emergencies", "runbook.invoked"},
	{"reviews", "review.closed"},
	{"refusals", "command.refused"},
	{"policies", "policy.loaded"},
}

func populationNames() string {
	var names []string
	for _, p := range populations {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

// sampleOrder is what a sample was asked for.
type sampleOrder struct {
	kind     string // type of entry
	from, to time.Time
	n        int // 0: the whole population
	seed     string
	out      string
	zone     *time.Location
}

// sampleSheet goes with a population or sample: with it, and the same ledger, anybody can make the same file again.
type sampleSheet struct {
	Format     string `json:"format"`
	Tool       string `json:"tool"`
	Query      string `json:"query"`
	Generated  string `json:"generated"`
	Origin     string `json:"origin"`
	Entries    int64  `json:"entries"` // of the ledger, as its head signs
	Root       string `json:"root"`
	Population int    `json:"population"`          // rows that the query has
	PopSHA256  string `json:"population_sha256"`   // of their leaf hashes, one behind the other
	Seed       string `json:"seed,omitempty"`      // of a sample
	Method     string `json:"method,omitempty"`    // of a sample
	Rows       int    `json:"rows"`                // in the file
	SHA256     string `json:"sha256"`              // of the file
	FirstEntry int64  `json:"first_entry"`         // of the rows; -1 for none
	LastEntry  int64  `json:"last_entry"`          // likewise
	Complete   bool   `json:"complete_population"` // the file is all of it
}

const (
	sampleFormat = "countersign-sample/1"
	sampleMethod = `the n entries with the smallest SHA-256("countersign/sample/v1" || 0x00 || seed || 0x00 || leaf hash), in the order of the ledger`
	sampleDomain = "countersign/sample/v1"
)

// ledgerSample writes a population, or a sample of it that the holder of the seed can draw again.
func ledgerSample(ctx context.Context, p proc) error {
	flags := p.flags("ledger sample", "[-of WHAT] [-from TIME] [-to TIME] [-n N|all] [-seed SEED] [-out FILE.csv] [-data DIR|-bundle FILE] [-zone ZONE]")
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	from := flags.String("bundle", "", "draw from an exported bundle instead")
	of := flags.String("of", "requests", populationNames()+", or a type of entry")
	after := flags.String("from", "", "only from this moment on, as 2026-11-22 or 2026-11-22T01:02:03Z")
	before := flags.String("to", "", "only before this moment")
	n := flags.String("n", "25", "how many; all for the whole population")
	seed := flags.String("seed", "", "what the choice is drawn from; let the auditor name it; default: a new random one, which is recorded")
	out := flags.String("out", "", "file to write, with its sheet beside it as FILE.sheet.json; default: rows to the output, the sheet to the error output")
	zone := flags.String("zone", "UTC", "time zone of the times in the sentences")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	o := sampleOrder{kind: kindCalled(*of), seed: *seed, out: *out}
	var err error
	if o.zone, err = zoneNamed(*zone); err != nil {
		return err
	}
	if o.from, err = momentArgument(*after); err != nil {
		return err
	}
	if o.to, err = momentArgument(*before); err != nil {
		return err
	}
	if *n != "all" {
		if o.n, err = strconv.Atoi(*n); err != nil || o.n < 1 {
			return usageError{fmt.Sprintf("%q is no number of entries: 25, or all", *n)}
		}
		if o.seed == "" {
			o.seed = rand.Text()
		}
	}
	e, err := openEvidence(ctx, p, *data, *from)
	if err != nil {
		return err
	}
	defer e.close()
	return e.sample(ctx, p, o)
}

func kindCalled(name string) string {
	for _, p := range populations {
		if p.name == name {
			return p.kind
		}
	}
	return name
}

// momentArgument reads a day or a moment; the zero time for an empty text.
func momentArgument(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, usageError{fmt.Sprintf("%q is no moment like 2026-11-22 or 2026-11-22T01:02:03Z", s)}
	}
	return t, nil
}

func (o sampleOrder) takes(r *row) bool {
	at := r.At.UTC.Time()
	return r.Event.Kind() == o.kind && !at.Before(o.from) && (o.to.IsZero() || at.Before(o.to))
}

func (o sampleOrder) query() string {
	q := "entries of type " + o.kind
	if !o.from.IsZero() {
		q += " from " + o.from.UTC().Format(time.RFC3339)
	}
	if !o.to.IsZero() {
		q += " before " + o.to.UTC().Format(time.RFC3339)
	}
	return q
}

// drawn is one of a population.
type drawn struct {
	index int64
	hash  ledger.Hash
	rank  [sha256.Size]byte
}

func (e *evidence) sample(ctx context.Context, p proc, o sampleOrder) error {
	head, err := e.src.Head(ctx)
	if err != nil {
		return err
	}
	if err := ledger.CheckHead(ctx, head, e.tiles, e.witness); err != nil {
		return hint(brokenError{err}, "countersign ledger verify says what is wrong; a population of it would be evidence of something else")
	}
	all, err := e.population(ctx, head.Size, o)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return hint(fmt.Errorf("there are no %s among %d", o.query(), head.Size), "-of takes %s, or a type of entry as countersign ledger show lists them", populationNames())
	}
	key, err := e.key(ctx, head.Size)
	if err != nil {
		return err
	}
	sum := sha256.New()
	for _, d := range all {
		sum.Write(d.hash[:])
	}
	sheet := sampleSheet{
		Format: sampleFormat, Tool: "countersign " + version(), Query: o.query(), Generated: ledger.FormatTime(time.Now().UnixMicro()), Origin: originOf(key),
		Entries: head.Size, Root: head.Root.String(), Population: len(all), PopSHA256: hex.EncodeToString(sum.Sum(nil)), Complete: true,
	}
	if o.n > 0 {
		sheet.Seed, sheet.Method, sheet.Complete = o.seed, sampleMethod, o.n >= len(all)
		all = draw(all, o)
	}
	var text bytes.Buffer
	if err := e.writeSample(ctx, &text, head.Size, all, o); err != nil {
		return err
	}
	own := sha256.Sum256(text.Bytes())
	sheet.Rows, sheet.SHA256 = len(all), hex.EncodeToString(own[:])
	sheet.FirstEntry, sheet.LastEntry = all[0].index, all[len(all)-1].index
	return sheet.write(p, o.out, text.Bytes())
}

func (e *evidence) population(ctx context.Context, size int64, o sampleOrder) (out []drawn, err error) {
	err = e.rows(ctx, 0, size, func(r *row) error {
		if o.takes(r) {
			out = append(out, drawn{index: r.Index, hash: ledger.LeafHash(r.leaf)})
		}
		return nil
	})
	return out, err
}

// draw chooses by the seed. The order depends on the bytes of the entries, so that nobody who writes the ledger can tell beforehand which
// entries a seed they do not know will choose.
func draw(all []drawn, o sampleOrder) []drawn {
	for i := range all {
		h := sha256.New()
		io.WriteString(h, sampleDomain+"\x00"+o.seed+"\x00")
		h.Write(all[i].hash[:])
		h.Sum(all[i].rank[:0])
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return cmp.Or(bytes.Compare(a.rank[:], b.rank[:]), cmp.Compare(a.index, b.index)) < 0
	})
	all = all[:min(o.n, len(all))]
	sort.Slice(all, func(i, j int) bool { return all[i].index < all[j].index })
	return all
}

// writeSample writes the rows. All entries are read, because a sentence leans on what came before.
func (e *evidence) writeSample(ctx context.Context, w io.Writer, size int64, chosen []drawn, o sampleOrder) error {
	if err := writeCSV(w, "entry", "time", "type", "user", "outcome", "origin", "affected", "stream", "id", "leaf_hash", "sentence", "clock"); err != nil {
		return err
	}
	told, clock := newNarrator(o.zone, e.names), syncState{}
	return e.rows(ctx, 0, size, func(r *row) error {
		kept := clock.of(r.Record)
		if len(chosen) == 0 || chosen[0].index != r.Index {
			told.remember(r.Record)
			return nil
		}
		a, d := auditOf(r.Record), chosen[0]
		chosen = chosen[1:]
		return writeCSV(w, strconv.FormatInt(r.Index, 10), a.Time, a.Type, a.User, a.Outcome, a.Origin, a.Affected, string(r.Stream), r.ID,
			hex.EncodeToString(d.hash[:]), told.Sentence(r.Record), kept)
	})
}

// write puts out the rows and their sheet.
func (s sampleSheet) write(p proc, path string, rows []byte) error {
	sheet, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	sheet = append(sheet, '\n')
	if path == "" {
		if _, err := p.out.Write(rows); err != nil {
			return err
		}
		_, err := p.err.Write(sheet)
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{path, rows}, {path + ".sheet.json", sheet}} {
		out, err := os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return hint(fmt.Errorf("writing the sample: %w", err), "evidence is not written over: name another file")
		}
		_, err = out.Write(f.text)
		if cerr := out.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("writing the sample: %w", err)
		}
	}
	fmt.Fprintf(p.out, "%s: %d of %d %s, seed %q; its sheet is %s.sheet.json\n", path, s.Rows, s.Population, s.Query, s.Seed, path)
	return nil
}
