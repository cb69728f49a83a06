package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// The report on the inventory for whoever is accountable: one page that says how things stand, what has to be decided, who has to, and what comes next.

const (
	reportExamples = 5   // identities named for each finding: more is what identities list is for
	reportOwners   = 10  // rows of who has most to do
	reportEnding   = 15  // rows of what ends soon
	reportAhead    = 30  // days of "soon"
	reportKept     = 500 // of what ends soon, until the soonest are known
)

// inventorySurvey is what a report says beside the counts.
type inventorySurvey struct {
	AsOf     workflows.Stamp        `json:"as_of"`
	Live     int                    `json:"live"`    // neither retired nor a person
	Covered  int                    `json:"covered"` // of them: owner, purpose, end and last use on record
	Owned    int                    `json:"owned"`   // of them: somebody answers for it
	Clean    int                    `json:"clean"`   // of them: without any finding
	Kinds    map[string]int         `json:"kinds"`
	Places   map[string]int         `json:"environments"`
	Managed  map[string]int         `json:"managed_by"`
	Examples map[string][]string    `json:"examples"` // finding -> some ids
	Owners   []ownerLoad            `json:"owners"`   // who has most to do, most first
	Ending   []workflows.IdentityID `json:"ending"`   // within reportAhead days, the first to end first
	EndsOn   []workflows.Stamp      `json:"ends_on"`  // of Ending
	Made     string                 `json:"made"`     // of which ledger, by which version

	owners map[string]*ownerLoad
}

// ownerLoad is what one owner has and has to do.
type ownerLoad struct {
	Owner    string `json:"owner"`
	Owns     int    `json:"identities"`
	Findings int    `json:"findings"`
}

func (v *inventorySurvey) begin(now workflows.Stamp) {
	v.AsOf, v.Kinds, v.Places, v.Managed = now, map[string]int{}, map[string]int{}, map[string]int{}
	v.Examples, v.owners = map[string][]string{}, map[string]*ownerLoad{}
}

// take counts one row.
func (v *inventorySurvey) take(r workflows.InventoryRow, found []string) {
	if r.Kind == identities.KindHuman || r.State == workflows.IdentityRetired {
		return
	}
	v.Live++
	v.Kinds[cmp.Or(r.Kind, "unknown")]++
	v.Places[cmp.Or(r.Environment, "not on record")]++
	v.Managed[cmp.Or(r.ManagedBy, "internal")]++
	if identities.IsCovered(r) {
		v.Covered++
	}
	if len(found) == 0 {
		v.Clean++
	}
	if r.Owner != "" {
		v.Owned++
		o := v.owners[r.Owner]
		if o == nil {
			o = &ownerLoad{}
			v.owners[r.Owner] = o
		}
		o.Owns++
		o.Findings += len(found)
	}
	for _, f := range found {
		if len(v.Examples[f]) < reportExamples {
			v.Examples[f] = append(v.Examples[f], string(r.ID))
		}
	}
	if r.Expires > v.AsOf && r.Expires <= v.AsOf.Add(reportAhead*24*time.Hour) && len(v.Ending) < reportKept {
		i, _ := slices.BinarySearch(v.EndsOn, r.Expires+1) // behind those of the same day
		v.EndsOn, v.Ending = slices.Insert(v.EndsOn, i, r.Expires), slices.Insert(v.Ending, i, r.ID)
	}
}

// finishSurvey gives owners their names and keeps what a page holds.
func (s *serving) finishSurvey(ctx context.Context, rep *inventoryReport) {
	v := &rep.inventorySurvey
	for owner, o := range v.owners {
		o.Owner = s.ownerWords(ctx, owner)
		v.Owners = append(v.Owners, *o)
	}
	sort.Slice(v.Owners, func(i, j int) bool {
		a, b := v.Owners[i], v.Owners[j]
		return cmp.Or(cmp.Compare(b.Findings, a.Findings), cmp.Compare(b.Owns, a.Owns), cmp.Compare(a.Owner, b.Owner)) < 0
	})
	v.Owners = v.Owners[:min(len(v.Owners), reportOwners)]
	v.Ending, v.EndsOn = v.Ending[:min(len(v.Ending), reportEnding)], v.EndsOn[:min(len(v.EndsOn), reportEnding)]
	v.Made = fmt.Sprintf("out of the ledger %s by countersign %s", s.cfg.LedgerOrigin, version())
}

// urgency orders findings by what a delay costs: 1 is today.
func urgency(code string) int {
	switch code {
	case identities.FindLeaked, identities.FindShadow, identities.FindExpired, identities.FindOwnerGone, identities.FindCreatorGone, identities.FindUserGone:
		return 1
	case identities.FindUnowned, identities.FindEnding, identities.FindSharedPrint, identities.FindWide, identities.FindGrown, identities.FindUnmanaged, identities.FindNoPath, identities.FindNoSponsor, identities.FindHuman, identities.FindNoEnd, identities.FindAgent, identities.FindApp:
		return 2
	}
	return 3
}

// Markdown writes the report for somebody who was not there when it was made.
func (r inventoryReport) Markdown() string {
	var b strings.Builder
	p := func(format string, a ...any) { fmt.Fprintf(&b, format, a...) }
	share := func(n int) int { return 100 * n / max(1, r.Live) }
	p("# Non-human identities, as of %s\n\n", r.AsOf.Time().UTC().Format("2 January 2006"))
	p("%s let programs, pipelines and agents work for the company. Somebody answers for %d of them (%d %%); for %d (%d %%) owner, purpose, end and last use are all on record. ",
		quantity(r.Live, "identity", "identities"), r.Owned, share(r.Owned), r.Covered, share(r.Covered))
	now, soon := r.count(1), r.count(2)
	switch {
	case now > 0:
		p("**%s cannot wait**, and %s should be decided this month.\n\n", quantity(now, "finding", "findings"), quantity(soon, "finding", "findings"))
	case soon > 0:
		p("Nothing is urgent; **%s should be decided this month**.\n\n", quantity(soon, "finding", "findings"))
	default:
		p("Nothing has to be decided now: %d have no finding at all.\n\n", r.Clean)
	}
	if last := r.before(1); last != nil {
		p("Open findings: %d, after %d last week.\n\n", r.surveyed("").Total(), last.Total())
	}
	r.decide(p)
	r.trend(p)
	r.people(p)
	p("## What there is\n\n| kind | how many |\n|---|---:|\n")
	ranked(p, r.Kinds)
	p("\n| environment | how many |\n|---|---:|\n")
	ranked(p, r.Places)
	p("\n| run by | how many |\n|---|---:|\n")
	ranked(p, r.Managed)
	r.ends(p)
	p("\n## How well it is known\n\nAn identity is fully known when its owner, purpose, end and last use are on record.\n\n| source | tells of | fully known |\n|---|---:|---:|\n")
	for _, c := range r.Coverage {
		p("| %s | %d | %d %% |\n", cell(c.Source), c.Known, 100*c.Covered/max(1, c.Known))
	}
	r.settled(p)
	p("\n---\n\nMade %s, over the whole inventory: %s, of which %s. `countersign identities export` gives every row behind these numbers.\n",
		r.Made, quantity(r.Identities, "row", "rows"), statesIn(r.States))
	return b.String()
}

func (r inventoryReport) count(urgent int) (n int) {
	for code, c := range r.Findings {
		if urgency(code) == urgent {
			n += c
		}
	}
	return n
}

// decide lists the findings, what cannot wait first.
func (r inventoryReport) decide(p func(string, ...any)) {
	if len(r.Findings) == 0 {
		return
	}
	p("## What has to be decided\n\n| when | how many | last week | 4 weeks ago | what | what to decide | for example |\n|---|---:|---:|---:|---|---|---|\n")
	codes := slices.SortedFunc(maps.Keys(r.Findings), func(a, b string) int {
		return cmp.Or(cmp.Compare(urgency(a), urgency(b)), cmp.Compare(r.Findings[b], r.Findings[a]), cmp.Compare(a, b))
	})
	for _, code := range codes {
		some := make([]string, len(r.Examples[code]))
		for i, id := range r.Examples[code] {
			some[i] = "`" + cell(id) + "`"
		}
		if more := r.Findings[code] - len(some); more > 0 && len(some) > 0 {
			some = append(some, fmt.Sprintf("and %d more", more))
		}
		words := cmp.Or(findingWords(code), strings.ReplaceAll(code, "_", " "))
		p("| %s | %d | %s | %s | %s (`%s`) | %s | %s |\n", []string{"today", "this month", "at the next review"}[urgency(code)-1], r.Findings[code], r.ago(1, findingOf(code)), r.ago(trendWeeks, findingOf(code)), cell(strings.ToUpper(words[:1])+words[1:]), code, decision(code), strings.Join(some, ", "))
	}
	p("\nHow each is settled, command by command, stands at the end.\n\n")
}

// settled says for each finding what is typed to settle it: for those who do it, behind what those who decide read.
func (r inventoryReport) settled(p func(string, ...any)) {
	if len(r.Findings) == 0 {
		return
	}
	p("\n## How each is settled\n\n`countersign identities list -finding CODE` lists all of a kind. In Slack, `/access identity ID` says the same of one.\n\n| finding | what settles it |\n|---|---|\n")
	for _, code := range slices.Sorted(maps.Keys(r.Findings)) {
		p("| `%s` | %s |\n", code, remedyCell(code))
	}
}

func (r inventoryReport) people(p func(string, ...any)) {
	busy := slices.DeleteFunc(slices.Clone(r.Owners), func(o ownerLoad) bool { return o.Findings == 0 })
	if len(busy) == 0 {
		return
	}
	p("## Who has to act\n\n| owner | answers for | open findings |\n|---|---:|---:|\n")
	for _, o := range busy {
		p("| %s | %d | %d |\n", cell(o.Owner), o.Owns, o.Findings)
	}
	if n := r.Live - r.Owned; n > 0 {
		p("| **nobody** | %d | security says who |\n", n)
	}
	p("\n")
}

func (r inventoryReport) ends(p func(string, ...any)) {
	if len(r.Ending) == 0 {
		return
	}
	p("\n## What ends within %d days\n\nEach is renewed by a fresh decision, or everything that it holds is taken back that day.\n\n| on | identity |\n|---|---|\n", reportAhead)
	for i, id := range r.Ending {
		p("| %s | `%s` |\n", r.EndsOn[i].LastDay(), cell(string(id)))
	}
}

// ranked writes the rows of a table of counts, the largest first.
func ranked(p func(string, ...any), counts map[string]int) {
	for _, name := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) }) {
		p("| %s | %d |\n", cell(strings.ReplaceAll(name, "_", " ")), counts[name])
	}
}

func statesIn(states map[string]int) string {
	var out []string
	for _, s := range slices.Sorted(maps.Keys(states)) {
		out = append(out, fmt.Sprintf("%d %s", states[s], s))
	}
	return cmp.Or(strings.Join(out, ", "), "none")
}

// report prints the report, for a terminal or for somebody else to read.
func (x *person) report(ctx context.Context, format string) error {
	if !slices.Contains([]string{"", "text", "md", "html"}, format) {
		return usageError{"-format is text, md or html; -json gives the numbers"}
	}
	r, err := send(ctx, x.cfg, order{Do: doIdentities, What: "report"})
	switch {
	case err != nil:
		return err
	case !r.OK, *x.asJSON, format == "", format == "text":
		return x.print(r)
	}
	var rep inventoryReport
	if err := json.Unmarshal(r.Data, &rep); err != nil {
		return fmt.Errorf("reading the bot's answer: %w", err)
	}
	page := rep.Markdown()
	if format == "html" {
		raw, err := runbooks.RenderPage("Non-human identities", rep.Made, []byte(page))
		if err != nil {
			return err
		}
		page = string(raw)
	}
	_, err = io.WriteString(x.p.out, page)
	return err
}
