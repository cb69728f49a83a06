package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/spec"
	"github.com/countersign-bot/countersign/workflows/storytest"
	"github.com/countersign-bot/countersign/workflows/watching"
)

// Watching the ledger: the rules of watch.yaml over all entries. The bot does it every few minutes and records, tells and suspends; the command
// only looks.

// jobLedgerWatch looks at what is new in the ledger.
const jobLedgerWatch = "ledger.watch"

const (
	watchCron  = "*/5 * * * *"
	watchBatch = 1024 // entries read at once
)

// watchLookBack is how old an entry may be whose finding is recorded: a rule that is written today says nothing about last year.
const watchLookBack = 7 * 24 * time.Hour

// ledgerWatch keeps what was learnt of the entries so far. Other rules learn anew, from the first entry on.
type ledgerWatch struct {
	mu      sync.Mutex
	rules   string
	watcher *watching.Watcher
	found   []watching.Finding // not yet dealt with
}

// watchLedger takes in what is new, and deals with what the rules find in it.
func (s *serving) watchLedger(ctx context.Context, j jobs.Job) error {
	w := &s.found
	w.mu.Lock()
	defer w.mu.Unlock()
	rules := s.desk.Policy().Settings.Watch
	if len(rules) == 0 {
		w.rules, w.watcher, w.found = "", nil, nil
		return jobs.Done
	}
	if err := w.follow(rules); err != nil {
		return err
	}
	head, err := s.store.Head(ctx)
	if err != nil {
		return err
	}
	since := workflows.StampOf(s.clock.Now().Wall).Add(-watchLookBack)
	for w.watcher.Next() < head.Size {
		list, err := s.store.Entries(ctx, w.watcher.Next(), min(head.Size, w.watcher.Next()+watchBatch))
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("watching: there is no entry %d below the head of %d", w.watcher.Next(), head.Size)
		}
		for _, r := range list {
			w.found = append(w.found, slices.DeleteFunc(w.watcher.Apply(r), func(f watching.Finding) bool { return f.At < since })...)
		}
	}
	for len(w.found) > 0 {
		if f := w.found[0]; !w.watcher.Recorded(f) {
			if err := s.dealWith(ctx, f); err != nil {
				return paced(j, err)
			}
		}
		w.found = w.found[1:]
	}
	return jobs.Done
}

func (w *ledgerWatch) follow(rules []workflows.WatchRule) error {
	b, err := json.Marshal(rules)
	if err != nil {
		return err
	}
	if w.watcher == nil || w.rules != string(b) {
		w.rules, w.watcher, w.found = string(b), watching.New(rules), nil
	}
	return nil
}

// dealWith suspends where the rule says so, tells the security channel, and records that it did. A call that broke off is repeated: it is the
// entry that says that all was done.
func (s *serving) dealWith(ctx context.Context, f watching.Finding) error {
	cause := workflows.Cause("watch/" + f.Key())
	e := f.WatchFound
	if f.Then == workflows.ThenSuspend {
		out, err := s.desk.RevokeAll(ctx, desk.RevokeAll{
			Cause: desk.Cause(cause + "/act"), By: workflows.System, Identity: f.Identity, Quarantine: true,
			Why: fmt.Sprintf("The rule %s of watching found something (%s).", f.Rule, f.Signal),
		})
		if err != nil {
			return err
		}
		e.Suspends = out.Quarantined
	}
	if f.Then == workflows.ThenStronger {
		for _, id := range []workflows.IdentityID{f.Identity, f.With.Identity()} { // a pair is two people
			demand := identities.Watched{Rule: f.Rule, Signal: f.Signal, Entry: f.Entry, Until: f.Until}
			if id == "" {
				continue
			}
			if err := s.desk.Watch(ctx, desk.Cause(cause+"/"+workflows.Cause(id)), id, demand); err != nil {
				return err
			}
		}
	}
	name := func(p workflows.PersonID) string { return s.desk.Name(ctx, p) }
	if channel := s.desk.Policy().Settings.SecurityChannel; channel != "" && s.bot != nil {
		_, err := s.bot.Announce(ctx, channel, "👁 ", screens.Sentencef("%s (rule %s, entry %s)", watchWords(e, name), e.Rule, e.Entry))
		var permanent *slack.Permanent
		if errors.As(err, &permanent) {
			s.log.Error("the security channel could not be told", "finding", f.Key(), "err", err)
		} else if err != nil {
			return err
		}
	}
	_, err := s.store.Update(ctx, cause, nil, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(workflows.SystemStream, workflows.System, "", e)
		return out, nil
	})
	return err
}

// findingSays is a finding in words.
func findingSays(e workflows.WatchFound, name func(workflows.PersonID) string) string {
	return watchWords(e, name).String()
}

func watchWords(e workflows.WatchFound, name func(workflows.PersonID) string) screens.Sentence {
	who := string(e.Identity)
	if e.Identity.IsPerson() {
		who = name(e.Identity.Person())
	}
	says := screens.Plain(who + ": " + e.Signal)
	switch e.Signal {
	case workflows.SignalUseOutside:
		says = screens.Sentencef("%s used access before it began or after its end", who)
	case workflows.SignalUseAfterEnd:
		says = screens.Sentencef("%s used access after it had been taken back", who)
	case workflows.SignalBurst:
		says = screens.Sentencef("%s asked for access %d times in a short time", who, e.Count)
	case workflows.SignalFirstTarget:
		says = screens.Sentencef("%s asked for a target for the first time", who)
	case workflows.SignalUnusualHour:
		says = screens.Sentencef("%s asked at an hour at which none of their %d earlier requests came", who, e.Count)
	case workflows.SignalFastApproval:
		says = screens.Sentencef("%s approved a request of %s within %d seconds", who, name(e.With), e.Count+1)
		if e.Unopened {
			says = screens.Sentencef("%s approved a request of %s within %d seconds, without opening it", who, name(e.With), e.Count+1)
		}
	case workflows.SignalSamePair:
		says = screens.Sentencef("%s and %s approved each other's requests %d times", who, name(e.With), e.Count)
	case workflows.SignalDenials:
		says = screens.Sentencef("%s was denied or refused %d times in a short time", who, e.Count)
	case workflows.SignalDormant:
		says = screens.Sentencef("%s is active again after %d days", who, e.Count)
	case workflows.SignalBreakGlass:
		says = screens.Sentencef("%s broke glass %d times in a short time", who, e.Count)
	}
	if e.Suspends {
		says = screens.Sentencef("%s; it was quarantined", says)
	}
	if e.Until != 0 {
		says = screens.Sentencef("%s; what is asked by or for them needs one more person than usual until %s", says, e.Until.Time().Format("2006-01-02 15:04 UTC"))
	}
	return says
}

func watchSentence(e workflows.WatchFound, n *narrator) string {
	return fmt.Sprintf("Watching the ledger (rule %s): %s. Entry %s completed it.", e.Rule, findingSays(e, n.person), e.Entry)
}

// watchCommand lists what the rules find in a ledger. It changes nothing and tells nobody.
func watchCommand(ctx context.Context, p proc) error {
	flags := p.flags("watch", "[-since 30d] [-in DIR] [-usual] [-data DIR] [-bundle FILE] [-json]")
	since := flags.String("since", "30d", "how far back findings are listed; older entries are learnt from")
	in := flags.String("in", "", "folder with the rules (watch.yaml); default: COUNTERSIGN_CONFIG")
	usual := flags.Bool("usual", false, "look by the usual rules for all signals instead of those of the folder")
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	from := flags.String("bundle", "", "read an exported bundle instead")
	asJSON := flags.Bool("json", false, "print the findings as JSON")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	span, ok := storytest.Duration(*since)
	if !ok || span <= 0 {
		return usageError{fmt.Sprintf("-since %q: want so many days or hours, such as 30d", *since)}
	}
	rules, err := p.watchRules(*in, *usual)
	if err != nil {
		return err
	}
	e, err := openEvidence(ctx, p, *data, *from)
	if err != nil {
		return err
	}
	defer e.close()
	list, err := e.findings(ctx, rules, span)
	if err != nil {
		return err
	}
	return p.printFindings(list, *asJSON)
}

func (p proc) watchRules(in string, usual bool) ([]workflows.WatchRule, error) {
	if usual {
		return spec.UsualWatch(), nil
	}
	dir, err := p.folderNamed([]string{in})
	if err != nil {
		return nil, err
	}
	policies, err := readPolicies(dir, p.copies(""))
	if err != nil {
		return nil, err
	}
	if len(policies.Watch) == 0 {
		return nil, hint(fmt.Errorf("%s watches for nothing: it has no rules in watch.yaml", dir), "countersign watch -usual looks by the usual rules; countersign schema watch says what a rule is made of")
	}
	return policies.Watch, nil
}

// listedFinding is a finding as the command prints it.
type listedFinding struct {
	watching.Finding
	Recorded bool   `json:"recorded"` // the ledger holds it
	Says     string `json:"says"`
}

// findings gives those within span before the newest entry.
func (e *evidence) findings(ctx context.Context, rules []workflows.WatchRule, span time.Duration) ([]listedFinding, error) {
	size, err := e.size(ctx)
	if err != nil {
		return nil, err
	}
	w := watching.New(rules)
	var last workflows.Stamp
	out := []listedFinding{}
	err = e.rows(ctx, 0, size, func(x *row) error {
		last = x.At.UTC
		for _, f := range w.Apply(x.Record) {
			out = append(out, listedFinding{Finding: f})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out = slices.DeleteFunc(out, func(f listedFinding) bool { return f.At < last.Add(-span) })
	for i := range out {
		out[i].Recorded, out[i].Says = w.Recorded(out[i].Finding), findingSays(out[i].WatchFound, e.nameOf)
	}
	return out, nil
}

func (p proc) printFindings(list []listedFinding, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	}
	for _, f := range list {
		mark := " "
		if f.Recorded {
			mark = "•"
		}
		fmt.Fprintf(p.out, "%s %s  %-20s %s. Entry %d.\n", mark, f.At, f.Rule, f.Says, f.Index)
	}
	_, err := fmt.Fprintf(p.out, "%s (• is recorded in the ledger).\n", howMany(len(list), "finding"))
	return err
}
