package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Watching the glass: whoever answers for a runbook reads once a week how it is used, and what looks like a habit instead of an emergency.

// watchSpan is how far back habits are looked for; watchWeek is what is new.
const (
	watchSpan = 90 * 24 * time.Hour
	watchWeek = 7 * 24 * time.Hour
)

// jobGlassWatch tells the owners of runbooks, on Mondays.
const jobGlassWatch = "glass.watch"

// watched is one finding about the use of a runbook.
type watched struct {
	Runbook string             `json:"runbook"`
	Owner   workflows.PersonID `json:"owner"`
	What    string             `json:"what"` // budget, generic_reason, same_person, same_pair, review_overdue, drill_overdue, text_overdue, used
	Says    string             `json:"says"`

	words screens.Sentence // the same, for a reader in another language
}

func watchedf(book string, owner workflows.PersonID, what string, words screens.Sentence) watched {
	return watched{Runbook: book, Owner: owner, What: what, Says: words.String(), words: words}
}

// genericReasons say nothing that a review could use.
func isGeneric(reason string) bool {
	words := strings.Fields(strings.ToLower(strings.Trim(reason, " .!?")))
	if utf8.RuneCountInString(strings.Join(words, " ")) < 12 || len(words) < 3 {
		return true
	}
	return slices.Contains([]string{"it is down", "system is down", "production is down", "need access now", "emergency please help", "to fix the problem", "for the incident"}, strings.Join(words, " "))
}

// watchGlass looks at the use of every runbook.
func watchGlass(ctx context.Context, d *desk.Desk, name func(workflows.PersonID) string, now workflows.Stamp) ([]watched, error) {
	views, err := d.Runbooks(ctx, "", now)
	if err != nil {
		return nil, err
	}
	open, err := d.Reviews(ctx, "", 0)
	if err != nil {
		return nil, err
	}
	var out []watched
	for _, v := range views {
		say := func(what, format string, args ...any) {
			out = append(out, watchedf(string(v.Book.Runbook.ID), v.Book.Runbook.Owner, what, screens.Sentencef(format, args...)))
		}
		watchUses(v, name, now, say)
		watchDue(v, now, say)
		for _, r := range open {
			if workflows.StreamID(r.Opened.About) == workflows.RunbookStream(v.Book.Runbook.ID) && now > r.Opened.DueAt {
				say("review_overdue", "Review %s of %s is overdue since %s; %s owns it.", r.ID, r.Opened.Incident, day(r.Opened.DueAt), name(r.Opened.Owner))
			}
		}
	}
	paths, err := watchPaths(ctx, d, now)
	return append(out, paths...), err
}

// watchPaths tells the owners of the bot which paths of escalation were not practised, and what nobody acknowledged in the last week.
func watchPaths(ctx context.Context, d *desk.Desk, now workflows.Stamp) (out []watched, err error) {
	add := func(path, what string, words screens.Sentence) {
		for _, p := range rolesOwners(d.Policy()) {
			out = append(out, watchedf(path, p, what, words))
		}
	}
	drills, err := d.OverdueDrills(ctx, now)
	if err != nil {
		return nil, err
	}
	for _, x := range drills {
		if x.Path != "" {
			add(x.Path, "drill_overdue", bot.DrillWords(x))
		}
	}
	list, err := d.Escalations(ctx, "", true, maxIncidentList)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if e.Exhausted != 0 && now.Sub(e.Exhausted) <= watchWeek {
			add(e.Opened.Path, "unanswered", screens.Sentencef("Nobody acknowledged escalation %s in time: %s.", string(e.ID), strings.TrimSuffix(e.Opened.What, ".")))
		}
	}
	return out, nil
}

// rolesOwners are the people of the role of owners, as the files alone say.
func rolesOwners(p *desk.Policy) []workflows.PersonID {
	sel := p.Roles[desk.RoleOwner]
	out := slices.Clone(sel.People)
	for _, g := range sel.Groups {
		out = append(out, p.Groups[g.Name]...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func watchUses(v desk.BookView, name func(workflows.PersonID) string, now workflows.Stamp, say func(string, string, ...any)) {
	var week, span []incidents.Use
	for _, u := range v.State.Uses {
		if u.Drill || now.Sub(u.At.UTC) > watchSpan {
			continue
		}
		span = append(span, u)
		if now.Sub(u.At.UTC) <= watchWeek {
			week = append(week, u)
		}
	}
	if len(span) == 0 {
		return
	}
	say("used", "It was used %d times in the last week and %d times in the last 90 days; %d approved uses are left.", len(week), len(span), v.Left)
	if v.No == nil && v.Left <= 1 {
		say("budget", "Only %d approved use is left, until %s: it has to be approved again, or a safer way be built.", v.Left, day(v.Until))
	}
	for _, u := range week {
		if isGeneric(u.Reason) {
			say("generic_reason", "%s gave no reason in incident %s that a review could use: %q.", name(u.By), u.Incident, u.Reason)
		}
		if u.Tier == incidents.TierBreakGlass {
			say("around", "%s went around a condition in incident %s.", name(u.By), u.Incident)
		}
	}
	watchPeople(span, name, say)
}

// watchPeople finds the same person, and the same two people, again and again.
func watchPeople(span []incidents.Use, name func(workflows.PersonID) string, say func(string, string, ...any)) {
	by, pairs := map[workflows.PersonID]int{}, map[[2]workflows.PersonID]int{}
	for _, u := range span {
		by[u.By]++
		if other := cmp.Or(u.Second, u.Executor); other != "" {
			pair := [2]workflows.PersonID{u.By, other}
			slices.Sort(pair[:])
			pairs[pair]++
		}
	}
	for p, n := range by {
		if n >= 3 && 2*n > len(span) {
			say("same_person", "%s made %d of the %d uses of the last 90 days.", name(p), n, len(span))
		}
	}
	for p, n := range pairs {
		if n >= 2 {
			say("same_pair", "%s and %s stood behind %d uses together.", name(p[0]), name(p[1]), n)
		}
	}
}

func watchDue(v desk.BookView, now workflows.Stamp, say func(string, string, ...any)) {
	r := v.Book.Runbook
	if len(v.State.Approvals) == 0 {
		return
	}
	if due := v.State.DrillDue(r); due != 0 && now > due {
		say("drill_overdue", "It should have been practised by %s.", day(due))
	}
	if due := v.State.ReviewDue(r); due != 0 && now > due {
		say("text_overdue", "Its text should have been looked at again by %s.", day(due))
	}
}

// bookWatch answers with the findings that a person may read: of their own runbooks, or all for security and auditors.
func (s *serving) bookWatch(ctx context.Context, by workflows.Acting) (reply, error) {
	list, err := watchGlass(ctx, s.desk, func(p workflows.PersonID) string { return s.desk.Name(ctx, p) }, workflows.StampOf(s.clock.Now().Wall))
	if err != nil {
		return reply{}, err
	}
	if !s.desk.HasRole(ctx, desk.RoleSecurity, by.Person) && !s.desk.HasRole(ctx, desk.RoleAuditor, by.Person) {
		list = slices.DeleteFunc(list, func(w watched) bool { return w.Owner != by.Person })
	}
	out := reply{OK: true, Text: fmt.Sprintf("%s.", howMany(len(list), "finding"))}
	for _, w := range list {
		out.Lines = append(out.Lines, fmt.Sprintf("%-20s %-15s %s", w.Runbook, w.What, w.Says))
	}
	return withData(out, list)
}

// glassWatch tells each owner of a runbook what was found about it. What cannot be told to the owner goes to the channel of alarms.
func (s *serving) glassWatch(ctx context.Context, j jobs.Job) error {
	list, err := watchGlass(ctx, s.desk, func(p workflows.PersonID) string { return s.desk.Name(ctx, p) }, workflows.StampOf(s.clock.Now().Wall))
	if err != nil {
		return err
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].Owner < list[j].Owner })
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Owner == list[0].Owner {
			n++
		}
		if err := s.tellOwner(ctx, j, list[:n]); err != nil {
			return paced(j, err)
		}
		list = list[n:]
	}
	return jobs.Done
}

func (s *serving) tellOwner(ctx context.Context, j jobs.Job, list []watched) error {
	lines := []screens.Sentence{screens.Sentencef("*How your runbooks for emergencies were used*")}
	for _, w := range list {
		lines = append(lines, screens.Joined("", screens.Plain("• `"+w.Runbook+"`: "), w.words))
	}
	place, err := s.bot.Tell(ctx, list[0].Owner, s.settings.SecurityChannel, lines...)
	if err != nil {
		return err
	}
	_, err = s.store.Update(ctx, workflows.Cause(j.Cause()+"/"+string(list[0].Owner)), nil, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(workflows.SystemStream, workflows.System, "", workflows.AlarmRaised{What: jobGlassWatch, Detail: fmt.Sprintf("%s about runbooks, told to %s in %s", howMany(len(list), "finding"), list[0].Owner, place)})
		return out, nil
	})
	return err
}
