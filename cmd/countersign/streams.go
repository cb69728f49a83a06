package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/streams"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func streamsCommand(ctx context.Context, p proc) error {
	verbs := map[string]func(context.Context, proc) error{"status": streamsStatus, "check": streamsCheck}
	if len(p.args) == 0 {
		return usageError{"the verb is missing: status or check"}
	}
	verb := p.args[0]
	if run, ok := verbs[verb]; ok {
		p.args = p.args[1:]
		return run(ctx, p)
	}
	if verb == "-h" || verb == "-help" || verb == "--help" {
		fmt.Fprintln(p.out, "usage: countersign streams status | check FILE…; each with -h says more")
		return nil
	}
	return usageError{fmt.Sprintf("there is no verb %q: status or check", verb)}
}

// outletStatus is one stream or anchor as a script reads it.
type outletStatus struct {
	Name     string `json:"name"` // "stream/siem", "anchor/vault"
	Kind     string `json:"kind,omitempty"`
	Next     int64  `json:"next"` // entries below this index have arrived
	Lag      int64  `json:"lag"`  // entries that have not
	SentAt   string `json:"sent_at,omitempty"`
	Failing  string `json:"failing_since,omitempty"`
	Attempts int64  `json:"attempts,omitempty"`
	Error    string `json:"error,omitempty"`
	State    string `json:"state"` // ok, lagging, failing, idle; unknown to the configuration: gone
}

// streamsStatus reads where streams and anchors stand, beside a running bot or without one.
func streamsStatus(ctx context.Context, p proc) error {
	flags := p.flags("streams status", "[-data DIR] [-json]")
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	asJSON := flags.Bool("json", false, "print the list as JSON")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	c, err := p.dataConfig(*data)
	if err != nil {
		return err
	}
	s, err := openToRead(ctx, p, *data)
	if err != nil {
		return err
	}
	defer s.Close()
	list, err := outletStates(ctx, s, c)
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	}
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKIND\tSTATE\tARRIVED\tLAG\tLAST\tERROR")
	for _, o := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", o.Name, cmp.Or(o.Kind, "-"), o.State, o.Next, o.Lag, cmp.Or(o.SentAt, "-"), cmp.Or(printable(o.Error), "-"))
	}
	return w.Flush()
}

// outletStates joins what the configuration names with what the ledger remembers.
func outletStates(ctx context.Context, s *store.Store, c Config) ([]outletStatus, error) {
	head, err := s.Head(ctx)
	if err != nil {
		return nil, err
	}
	published := int64(0)
	if list, err := s.Checkpoints(ctx); err == nil && len(list) > 0 { // without the key they cannot be read
		published = list[0].Size
	}
	known, err := s.Outlets(ctx)
	if err != nil {
		return nil, hint(err, "a ledger that an older version wrote last has no streams yet")
	}
	kinds := map[string]string{}
	if c.Config != "" {
		folder, err := readFolder(c.Config)
		if err != nil {
			return nil, err
		}
		conf := folder.Ledger()
		known = addConfigured(known, kinds, "stream/", conf.Streams)
		known = addConfigured(known, kinds, "anchor/", conf.Anchors)
	}
	out := make([]outletStatus, 0, len(known))
	for _, o := range known {
		whole := head.Size
		if strings.HasPrefix(o.Name, "anchor/") {
			whole = published
		}
		out = append(out, statusOf(o, kinds, whole, c.Config != ""))
	}
	return out, nil
}

// addConfigured adds those that never ran.
func addConfigured(known []store.Outlet, kinds map[string]string, prefix string, list []spec.Outlet) []store.Outlet {
	for _, o := range list {
		name := prefix + o.ID
		kinds[name] = o.Kind
		if !slices.ContainsFunc(known, func(k store.Outlet) bool { return k.Name == name }) {
			known = append(known, store.Outlet{Name: name})
		}
	}
	return known
}

func statusOf(o store.Outlet, kinds map[string]string, whole int64, configured bool) outletStatus {
	out := outletStatus{
		Name: o.Name, Kind: kinds[o.Name], Next: o.Next, Lag: max(0, whole-o.Next), Attempts: o.Attempts, Error: o.Error,
		SentAt: moment(o.SentAt), Failing: moment(o.Failing), State: "ok",
	}
	switch {
	case configured && out.Kind == "":
		out.State = "gone"
	case o.Failing != 0:
		out.State = "failing"
	case out.Lag > 0 && o.SentAt == 0:
		out.State = "idle"
	case out.Lag > 0:
		out.State = "lagging"
	}
	return out
}

// moment is a time as a table shows it, empty for none.
func moment(at workflows.Stamp) string {
	if at == 0 {
		return ""
	}
	return at.Time().UTC().Format("2006-01-02T15:04:05Z")
}

// streamsCheck reads what a receiver got, without a ledger, a data folder or a network.
func streamsCheck(ctx context.Context, p proc) error {
	flags := p.flags("streams check", "FILE… [-vkey KEY] [-json]")
	pin := flags.String("vkey", "", "the ledger's public key, or a file with it, as you know it from elsewhere")
	asJSON := flags.Bool("json", false, "print the report as JSON")
	files, err := p.parseMixed(flags, 1, maxCheckFiles)
	if err != nil {
		return err
	}
	keys, err := vkeyArgument(*pin)
	if err != nil {
		return err
	}
	c := streams.Checker{VKeys: keys}
	for _, name := range files {
		if err := checkFile(ctx, &c, name); err != nil {
			return hint(err, "give JSONL files as the stream wrote them, oldest first")
		}
	}
	r := c.Report()
	if *asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		printStreamReport(p, r)
	}
	switch {
	case err != nil:
		return err
	case len(r.Problems) > 0:
		return hint(brokenError{errors.New("what was received is not what was sent")}, "keep the files as they are: they are evidence")
	case len(r.Gaps) > 0:
		return hint(errors.New("entries are missing"), "countersign streams status says what has been sent; ask for the entries with countersign ledger export")
	case r.Records == 0:
		return errors.New("there is no record in it")
	}
	return nil
}

const maxCheckFiles = 10_000 // finished files of a stream for some years

func checkFile(ctx context.Context, c *streams.Checker, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := c.Read(ctx, f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func printStreamReport(p proc, r streams.Report) {
	say := func(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }
	switch {
	case len(r.Problems) > 0:
		say("NOT AS SENT: %d of the lines of %s are not what the ledger sent.", int64(len(r.Problems))+r.MoreTrouble, printable(r.Origin))
	case r.Records == 0:
		say("No records.")
	case len(r.Gaps) > 0:
		say("INCOMPLETE: entries of %s are missing.", printable(r.Origin))
	default:
		say("Entries %d to %d of %s are all there, unchanged.", r.First, r.Last, printable(r.Origin))
	}
	say("  records     %d, and %d that came more than once", r.Records, r.Duplicates)
	pinned := "the key that entry 0 names; give -vkey with the one you know"
	if r.KeyPinned {
		pinned = "the key that you gave"
	}
	if r.Compared > 0 {
		say("  signed      %d of %d heads compared with the tree of what was received: entries below %d are proven, by %s", r.Compared, r.Heads, r.Proven, pinned)
	} else {
		say("  signed      %d heads, none could be compared: that needs every entry from the first on", r.Heads)
	}
	if r.Torn {
		say("  last line   has no end: the file is still written, or was cut")
	}
	for _, g := range r.Gaps {
		say("  MISSING     entries %d to %d", g.From, g.To)
	}
	for _, x := range r.Problems {
		say("  WRONG       line %d: entry %d: %s", x.Line, x.Entry, printable(x.Text))
	}
	if r.MoreTrouble > 0 {
		say("  WRONG       %d more", r.MoreTrouble)
	}
	say("The sentences beside the entries are for reading; what is proven is the entries.")
}
