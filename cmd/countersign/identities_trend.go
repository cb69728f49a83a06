package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// How the inventory changes (R14): it is counted once in a week, the ledger keeps the count, and the report compares.

const (
	jobSurvey  = "inventory.survey"
	surveyCron = "20 5 * * *" // looked for each morning: a bot that was away on Monday counts on Tuesday

	trendWeeks = 4 // before this one, in a report
)

func isoWeek(t time.Time) string {
	year, week := t.UTC().ISOWeek()
	return fmt.Sprintf("%d-W%02d", year, week)
}

// survey counts the inventory, if nobody did in this week.
func (s *serving) survey(ctx context.Context, _ jobs.Job) error {
	week := isoWeek(s.clock.Now().Wall)
	all, err := s.desk.Surveys(ctx)
	if err != nil {
		return err
	}
	if n := len(all); n == 0 || all[n-1].Week != week {
		rep, err := s.surveyIdentities(ctx)
		if err != nil {
			return fmt.Errorf("counting the inventory of %s: %w", week, err)
		}
		if err := s.desk.RecordSurvey(ctx, rep.surveyed(week)); err != nil {
			return err
		}
	}
	return jobs.Done
}

func (r inventoryReport) surveyed(week string) identities.Surveyed {
	return identities.Surveyed{Week: week, Live: r.Live, Owned: r.Owned, Covered: r.Covered, Clean: r.Clean, Findings: r.Findings}
}

// trendOf gives the counts of the weeks before a moment, the last week first; a week in which nobody counted is nil.
func trendOf(all []desk.SurveyAt, now workflows.Stamp) []*desk.SurveyAt {
	out := make([]*desk.SurveyAt, trendWeeks)
	for i := range out {
		week := isoWeek(now.Time().AddDate(0, 0, -7*(i+1)))
		if k := slices.IndexFunc(all, func(x desk.SurveyAt) bool { return x.Week == week }); k >= 0 {
			out[i] = &all[k]
		}
	}
	return out
}

// before is a count of some weeks ago; nil: nobody counted.
func (r inventoryReport) before(weeks int) *desk.SurveyAt {
	if weeks > len(r.Trend) {
		return nil
	}
	return r.Trend[weeks-1]
}

// ago is a number of some weeks ago as a cell; a dash where nobody counted.
func (r inventoryReport) ago(weeks int, of func(identities.Surveyed) int) string {
	x := r.before(weeks)
	if x == nil {
		return "–"
	}
	return fmt.Sprint(of(x.Surveyed))
}

func findingOf(code string) func(identities.Surveyed) int {
	return func(s identities.Surveyed) int { return s.Findings[code] }
}

// changed says how a finding stands against before, for a line of a terminal; empty: nobody counted.
func (r inventoryReport) changed(code string) string {
	if r.before(1) == nil && r.before(trendWeeks) == nil {
		return ""
	}
	return fmt.Sprintf(" (last week %s, four weeks ago %s)", r.ago(1, findingOf(code)), r.ago(trendWeeks, findingOf(code)))
}

// trend writes how the inventory changed, this week against the four before it.
func (r inventoryReport) trend(p func(string, ...any)) {
	p("## How it changes\n\n")
	if !slices.ContainsFunc(r.Trend, func(x *desk.SurveyAt) bool { return x != nil }) {
		p("No week before this one is on record yet: the inventory is counted once a week, and the ledger keeps the count.\n\n")
		return
	}
	p("| | now | last week | 2 weeks ago | 3 weeks ago | 4 weeks ago |\n|---|---:|---:|---:|---:|---:|\n")
	today := r.surveyed("")
	for _, row := range []struct {
		name string
		of   func(identities.Surveyed) int
	}{
		{"identities", func(s identities.Surveyed) int { return s.Live }},
		{"somebody answers for", func(s identities.Surveyed) int { return s.Owned }},
		{"fully known", func(s identities.Surveyed) int { return s.Covered }},
		{"without any finding", func(s identities.Surveyed) int { return s.Clean }},
		{"**open findings**", identities.Surveyed.Total},
	} {
		p("| %s | %d | %s | %s | %s | %s |\n", row.name, row.of(today), r.ago(1, row.of), r.ago(2, row.of), r.ago(3, row.of), r.ago(4, row.of))
	}
	if last := r.before(1); last != nil {
		p("\n%s\n", moved(last.Findings, r.Findings))
	}
	p("\n")
}

// moved says in a sentence which findings grew and which went down since the last week, the largest change first.
func moved(then, now map[string]int) string {
	var up, down []string
	codes := slices.Collect(maps.Keys(now))
	for code := range then {
		if _, both := now[code]; !both {
			codes = append(codes, code)
		}
	}
	by := func(code string) int { return now[code] - then[code] }
	slices.SortFunc(codes, func(a, b string) int {
		return cmp.Or(cmp.Compare(max(by(b), -by(b)), max(by(a), -by(a))), cmp.Compare(a, b))
	})
	for _, code := range codes {
		words := strings.ReplaceAll(code, "_", " ")
		switch d := by(code); {
		case d > 0:
			up = append(up, fmt.Sprintf("%s +%d", words, d))
		case d < 0:
			down = append(down, fmt.Sprintf("%s −%d", words, -d))
		}
	}
	if len(up)+len(down) == 0 {
		return "Nothing changed since last week."
	}
	return "Since last week: worse " + list(up, "nothing") + "; better " + list(down, "nothing") + "."
}

// remedyCell is what settles a finding, for a table of all kinds of identity.
func remedyCell(code string) string {
	r := identities.RemedyOf(code, "")
	return fmt.Sprintf("%s: `identities %s`; or `identities %s`", r.Words, r.Keep, r.Drop)
}

// decision says in words what settles a finding.
func decision(code string) string { return identities.RemedyOf(code, "").Words + ", or take it off" }

// remedyLines are what settles each finding of one identity.
func remedyLines(id workflows.IdentityID, kind string, findings []string) []string {
	var out []string
	for _, code := range findings {
		r := identities.RemedyOf(code, kind)
		typed := func(s string) string { return "countersign identities " + strings.Replace(s, "ID", string(id), 1) }
		out = append(out, fmt.Sprintf("  %s: %s. %s: %s; or take it off: %s", code, cmp.Or(findingWords(code), strings.ReplaceAll(code, "_", " ")), upper(r.Words), typed(r.Keep), typed(r.Drop)))
	}
	return out
}
