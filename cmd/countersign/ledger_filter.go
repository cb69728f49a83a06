package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// filter is which entries somebody wants to see; what is empty asks for nothing.
type filter struct {
	from, to, kind, person, target, outcome string

	after, before time.Time
	who, where    *about
	requests      map[workflows.StreamID]bool // on the target, as they pass
}

// register adds the flags that show, search and history share.
func (f *filter) register(flags *flag.FlagSet) {
	flags.StringVar(&f.from, "from", "", "entries from this time on: 2026-11-22 or 2026-11-22T01:02:03Z; a day begins in the zone")
	flags.StringVar(&f.to, "to", "", "entries before this time; a day counts to its end")
	flags.StringVar(&f.kind, "kind", "", "kinds of entries, separated by commas: vote.recorded, or grant for all that begin so")
	flags.StringVar(&f.person, "person", "", "entries by or about a person: name, key in the people file, e-mail address or pseudonym")
	flags.StringVar(&f.target, "target", "", "entries about a target")
	flags.StringVar(&f.outcome, "outcome", "", "entries that end something so: approved, denied, withdrawn, timed_out, superseded, failed, expired, returned, revoked")
}

const filterUsage = " [-from TIME] [-to TIME] [-kind KIND,…] [-person NAME] [-target TARGET] [-outcome OUTCOME]"

// begin understands the flags.
func (f *filter) begin(loc *time.Location, names map[workflows.PersonID]string, people []store.Person) (err error) {
	if f.after, err = filterTime(f.from, loc, false); err != nil {
		return err
	}
	if f.before, err = filterTime(f.to, loc, true); err != nil {
		return err
	}
	f.requests = map[workflows.StreamID]bool{}
	if f.person != "" {
		f.who = newAbout(f.person, names, people)
	}
	if f.target != "" {
		f.where = newAbout(f.target, nil, nil)
	}
	return nil
}

func filterTime(s string, loc *time.Location, end bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, loc); err == nil {
		if end {
			t = t.AddDate(0, 0, 1)
		}
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, usageError{fmt.Sprintf("the time %q is neither like 2026-11-22 nor like 2026-11-22T01:02:03Z", s)}
	}
	return t, nil
}

// matches tells whether an entry is wanted. It must see all entries in their order.
func (f *filter) matches(r workflows.Record) bool {
	at := r.At.UTC.Time()
	about := f.isAbout(r) // before anything is left out: a request on the target is learnt from its first entry
	return about && (f.after.IsZero() || !at.Before(f.after)) && (f.before.IsZero() || at.Before(f.before)) && f.isKind(r.Event.Kind()) && f.ends(r.Event)
}

func (f *filter) isKind(kind string) bool {
	if f.kind == "" {
		return true
	}
	for k := range strings.SplitSeq(f.kind, ",") {
		if k = strings.TrimSpace(k); kind == k || strings.HasPrefix(kind, strings.TrimSuffix(k, ".")+".") {
			return true
		}
	}
	return false
}

func (f *filter) ends(e workflows.Event) bool {
	if f.outcome == "" {
		return true
	}
	if g, ok := e.(grants.Ending); ok {
		return g.How == f.outcome
	}
	return e.Kind() == "request."+f.outcome || f.outcome == "approved" && e.Kind() == (workflows.AutoApproved{}).Kind()
}

func (f *filter) isAbout(r workflows.Record) bool {
	if f.who == nil && f.where == nil {
		return true
	}
	fields := fieldsOf(r.Event)
	if f.where != nil {
		here := f.requests[r.Stream] || f.where.names(r) || f.where.value(fields)
		if _, asks := r.Event.(workflows.Submitted); asks && here {
			f.requests[r.Stream] = true
		}
		if !here {
			return false
		}
	}
	return f.who == nil || f.who.names(r) || f.who.value(fields)
}

// fieldsOf is an event as its JSON reads.
func fieldsOf(e workflows.Event) (v any) {
	b, err := json.Marshal(e)
	if err != nil || json.Unmarshal(b, &v) != nil {
		return nil
	}
	return v
}

// isSet tells whether anything is left out.
func (f *filter) isSet() bool {
	return f.from+f.to+f.kind+f.person+f.target+f.outcome != ""
}

// show prints only what is wanted.
func (f *filter) show(next shower) shower {
	return func(r *workflows.Record) error {
		if r != nil && !f.matches(*r) {
			return nil
		}
		return next(r)
	}
}

// namesOf are the names behind the pseudonyms, as far as they are known.
func namesOf(people []store.Person) map[workflows.PersonID]string {
	names := map[workflows.PersonID]string{}
	for _, p := range people {
		if p.Name != "" {
			names[p.Ref] = p.Name
		}
	}
	return names
}
