package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// benchFigures is everything one run measured; what was not asked for is nil.
type benchFigures struct {
	Machine string          `json:"machine"`
	Here    *appendFigures  `json:"here,omitempty"`
	Slow    *appendFigures  `json:"slow,omitempty"`
	Large   *largeFigures   `json:"large,omitempty"`
	Tessera *tesseraFigures `json:"tessera,omitempty"`
	Missing []string        `json:"missing,omitempty"` // what could not be measured, and why
	Rows    []benchRow      `json:"rows,omitempty"`
}

// benchRow is one figure with what it should be.
type benchRow struct {
	Measure string  `json:"measure"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"` // "", "x", "ms", "µs", "s", "MiB"
	Least   float64 `json:"at_least"`
	Aim     float64 `json:"aim"`
	Lower   bool    `json:"lower_is_better"`
	Note    string  `json:"note"`
}

// verdict says which of the two marks the figure reaches.
func (r benchRow) verdict() string {
	reaches := func(mark float64) bool {
		if r.Lower {
			return r.Value <= mark
		}
		return r.Value >= mark
	}
	switch {
	case reaches(r.Aim):
		return "aim"
	case reaches(r.Least):
		return "ok"
	default:
		return "SHORT"
	}
}

const benchUsage = "ledger [-callers 1,16,64] [-seconds N] [-rounds N] [-entries N] [-slow=false] [-tessera PROGRAM] [-only appends|large] [-dir DIR] [-json]"

// Limits of what may be asked for: a run is a matter of minutes.
const (
	maxBenchCallers = 1024
	maxBenchSeconds = 600
	maxBenchRounds  = 101
	maxBenchEntries = 100_000_000
)

// benchOptions are the words of the command.
type benchOptions struct {
	callers []int
	rounds  rounds
	entries int64
	slow    bool
	tessera string
	only    string
	dir     string
	json    bool
}

// benchCommand measures on this machine what the product claims, beside what it is compared with.
func benchCommand(ctx context.Context, p proc) error {
	if len(p.args) == 0 || p.args[0] != "ledger" && !strings.HasPrefix(p.args[0], "-") {
		return usageError{"say what to measure: ledger"}
	}
	o, err := p.benchOptions()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "countersign-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f, err := o.measure(ctx, dir, p.err)
	if ctx.Err() != nil {
		return errors.New("interrupted: nothing is left behind")
	}
	if err != nil {
		return err
	}
	if o.json {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(f)
	}
	return f.print(p.out)
}

func (p proc) benchOptions() (o benchOptions, err error) {
	flags := p.flags("bench", benchUsage)
	callers := flags.String("callers", "1,16,64", "how many append at the same time")
	seconds := flags.Float64("seconds", 2, "length of each stretch; a run has some thirty for each round")
	flags.IntVar(&o.rounds.n, "rounds", 3, "rounds of which the median counts")
	flags.Int64Var(&o.entries, "entries", 1_000_000, "entries of the long ledger that is verified, opened and proven from; 0: none")
	flags.BoolVar(&o.slow, "slow", true, "append also on a device whose sync takes 1 ms, where strace and a file system in memory are there")
	flags.StringVar(&o.tessera, "tessera", "", "the program of .ci/bench, to compare with")
	flags.StringVar(&o.only, "only", "", "one part: appends (on this disk) or large")
	flags.StringVar(&o.dir, "dir", "", "folder on the disk to measure; default: that of temporary files")
	flags.BoolVar(&o.json, "json", false, "print all figures as JSON")
	if p.args[0] == "ledger" {
		p.args = p.args[1:]
	}
	if err := p.parse(flags, 0, 0); err != nil {
		return o, err
	}
	if o.callers, err = parseCallers(*callers); err != nil {
		return o, err
	}
	o.rounds.long = time.Duration(*seconds * float64(time.Second))
	switch {
	case *seconds < 0.01 || *seconds > maxBenchSeconds:
		err = usageError{fmt.Sprintf("-seconds %g: want something from 0.01 to %d", *seconds, maxBenchSeconds)}
	case o.rounds.n < 1 || o.rounds.n > maxBenchRounds:
		err = usageError{fmt.Sprintf("-rounds %d: want something from 1 to %d", o.rounds.n, maxBenchRounds)}
	case o.entries < 0 || o.entries > maxBenchEntries:
		err = usageError{fmt.Sprintf("-entries %d: want something from 0 to %d", o.entries, maxBenchEntries)}
	case o.only != "" && o.only != "appends" && o.only != "large":
		err = usageError{fmt.Sprintf("-only %q: there are appends and large", o.only)}
	}
	return o, err
}

func parseCallers(text string) (out []int, err error) {
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > maxBenchCallers || slices.Contains(out, n) {
			return nil, usageError{fmt.Sprintf("-callers %q: want different numbers from 1 to %d", text, maxBenchCallers)}
		}
		out = append(out, n)
	}
	return out, nil
}

// measure runs the parts one after the other: side by side they would measure each other.
func (o benchOptions) measure(ctx context.Context, dir string, progress io.Writer) (f benchFigures, err error) {
	f.Machine = machine()
	begin := time.Now()
	part := func(name string) rounds {
		r := o.rounds
		r.say = func(format string, args ...any) {
			fmt.Fprintf(progress, "%4.0fs %s: %s\n", time.Since(begin).Seconds(), name, fmt.Sprintf(format, args...))
		}
		return r
	}
	if o.only != "large" {
		here, err := measureAppends(ctx, filepath.Join(dir, "here"), o.callers, part("this disk"))
		if err != nil {
			return f, err
		}
		f.Here = &here
	}
	if o.only == "appends" {
		f.fillRows()
		return f, nil
	}
	if o.only == "" {
		if err := o.measureOthers(ctx, &f, dir, part, progress); err != nil {
			return f, err
		}
	}
	if o.entries > 0 {
		large, err := measureLarge(ctx, filepath.Join(dir, "large"), o.entries, part("long ledger"))
		if err != nil {
			return f, err
		}
		f.Large = &large
	} else {
		f.Missing = append(f.Missing, "verification, start and proofs: no long ledger was asked for (-entries)")
	}
	f.fillRows()
	return f, nil
}

func (o benchOptions) measureOthers(ctx context.Context, f *benchFigures, dir string, part func(string) rounds, progress io.Writer) error {
	if o.slow {
		part("1 ms sync").say("starting under strace")
		slow, err := measureSlow(ctx, o.callers, o.rounds, progress)
		var none errNoSlow
		switch {
		case errors.As(err, &none):
			f.Missing = append(f.Missing, none.Error())
		case err != nil:
			return err
		default:
			f.Slow = &slow
		}
	} else {
		f.Missing = append(f.Missing, "the device with a sync of 1 ms was not asked for (-slow=false)")
	}
	if o.tessera == "" {
		f.Missing = append(f.Missing, "tessera: its program was not given (-tessera; bash .ci/run bench builds it)")
		return nil
	}
	part("tessera").say("publishing checkpoints")
	t, err := measureTessera(ctx, o.tessera, filepath.Join(dir, "tessera"), o.rounds)
	if err == nil {
		f.Tessera = &t
	}
	return err
}

// fillRows holds the figures against what the ledger is to reach.
func (f *benchFigures) fillRows() {
	add := func(r benchRow) { f.Rows = append(f.Rows, r) }
	if f.Slow != nil {
		f.Slow.rows("1 ms sync", slowMarks, 30, 55, add)
		if c, ok := f.Slow.of(64); ok {
			add(benchRow{Measure: "p99 of a call, 64 callers, 1 ms sync", Value: msOf(c.P99), Unit: "ms", Least: 10, Aim: 3, Lower: true, Note: "plain file " + round(c.RawP99)})
		}
	}
	if f.Here != nil {
		f.Here.rows("this disk", hereMarks, 8, 15, add)
		if f.Tessera != nil {
			add(benchRow{
				Measure: "time to a signed proof against tessera", Value: f.Tessera.PublishedP50.Seconds() / f.Here.ProofP50.Seconds(), Unit: "x", Least: 50, Aim: 250,
				Note: fmt.Sprintf("p50 %s against %s, tessera %s", round(f.Here.ProofP50), round(f.Tessera.PublishedP50), f.Tessera.Version),
			})
		}
		add(benchRow{Measure: "database size over the entries' bytes", Value: f.Here.SizeRatio, Unit: "x", Least: 2.5, Aim: 1.6, Lower: true, Note: fmt.Sprintf("%d entries, with causes, jobs and lists", f.Here.Entries)})
	}
	if l := f.Large; l != nil {
		n := fmt.Sprintf("%d entries, ", l.Entries)
		add(benchRow{Measure: "verification against hashing in memory, one thread", Value: l.VerifyRatio, Least: .5, Aim: .8, Note: fmt.Sprintf("%s%d openings, %s against %s", n, l.Openings, round(l.Verifying), round(l.Hashing))})
		if l.VerifyMiB > 0 {
			add(benchRow{Measure: "memory of a verification", Value: l.VerifyMiB, Unit: "MiB", Least: 64, Aim: 64, Lower: true, Note: n + "beyond what the process had"})
		}
		add(benchRow{Measure: "start", Value: l.Start.Seconds(), Unit: "s", Least: 2, Aim: .5, Lower: true, Note: n + "tail, head and witness checked"})
		add(benchRow{Measure: "inclusion proof", Value: float64(l.Proof.Nanoseconds()) / 1e3, Unit: "µs", Least: 1000, Aim: 50, Lower: true, Note: n + "p50, anywhere in the ledger"})
	}
}

// appendMark is what a ratio should at least be, and what it aims at.
type appendMark struct{ least, aim float64 }

func slowMarks(callers int) (appendMark, bool) {
	m, ok := map[int]appendMark{1: {.80, .93}, 16: {.75, .90}, 64: {.60, .80}}[callers]
	return m, ok
}

func hereMarks(callers int) (appendMark, bool) {
	m, ok := map[int]appendMark{1: {.5, .75}, 16: {.30, .5}, 64: {.18, .35}}[callers]
	return m, ok
}

// rows gives the rows of one device. A number of callers for which nothing was set has its figure in the JSON only.
func (f *appendFigures) rows(device string, marks func(int) (appendMark, bool), least, aim float64, add func(benchRow)) {
	for _, c := range f.Callers {
		m, ok := marks(c.Callers)
		if !ok {
			continue
		}
		add(benchRow{
			Measure: fmt.Sprintf("appending against a plain file, %d at once, %s", c.Callers, device), Value: c.Ratio, Least: m.least, Aim: m.aim,
			Note: fmt.Sprintf("%.0f/s of %.0f/s, p50 %s of %s", c.Ours, c.Raw, round(c.P50), round(c.RawP50)),
		})
	}
	add(benchRow{
		Measure: fmt.Sprintf("appending against naive SQLite, %d at once, %s", f.NaiveCallers, device), Value: f.AgainstNaive, Unit: "x", Least: least, Aim: aim,
		Note: fmt.Sprintf("%.0f entries/s against %.0f", f.OursPerSecond, f.NaivePerSecond),
	})
}

// of gives the figures of one number of callers.
func (f *appendFigures) of(callers int) (callerFigures, bool) {
	i := slices.IndexFunc(f.Callers, func(c callerFigures) bool { return c.Callers == callers })
	if i < 0 {
		return callerFigures{}, false
	}
	return f.Callers[i], true
}

func msOf(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// round writes a duration with three digits.
func round(d time.Duration) string {
	unit := time.Nanosecond
	for unit*1000 < d {
		unit *= 10
	}
	return d.Round(unit).String()
}

// figure writes a value so that one column can be read from top to bottom.
func figure(v float64, unit string) string {
	digits := 0
	switch {
	case v < 10:
		digits = 2
	case v < 100:
		digits = 1
	}
	if unit == "" || unit == "x" {
		return strconv.FormatFloat(v, 'f', digits, 64) + unit
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + unit
}

// print writes the table.
func (f benchFigures) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MEASURE\tHERE\tAT LEAST\tAIM\t\tMEDIANS OF")
	for _, r := range f.Rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Measure, figure(r.Value, r.Unit), figure(r.Least, r.Unit), figure(r.Aim, r.Unit), r.verdict(), r.Note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, m := range f.Missing {
		if _, err := fmt.Fprintln(out, "Not measured:", m); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "On %s. Ratios within this run; a call is one step of a request, with its jobs, lists and openings.\n", f.Machine)
	return err
}
