package custody_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/workflows"
)

var update = flag.Bool("update", false, "write golden files anew")

const (
	frida  = workflows.PersonID("p_frida")
	erin   = workflows.PersonID("p_erin")
	maya   = workflows.PersonID("p_maya")
	stream = workflows.StreamID("custody/c_1")
)

func start() workflows.Stamp {
	return workflows.StampOf(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
}

// record makes the records that an outcome becomes.
func record(h []workflows.Record, out workflows.Outcome, at workflows.Stamp) []workflows.Record {
	for _, e := range out.Events {
		if e.Stream == stream {
			h = append(h, workflows.Record{Stream: stream, Seq: int64(len(h)) + 1, Person: e.Person, At: workflows.Instant{UTC: at}, Event: e.Event})
		}
	}
	return h
}

func facts(h []workflows.Record, at workflows.Stamp) workflows.Facts {
	return workflows.Facts{Now: workflows.Instant{UTC: at}, Histories: map[workflows.StreamID][]workflows.Record{stream: h}}
}

func who(p workflows.PersonID, role string) custody.Who {
	return custody.Who{Acting: workflows.Acting{Actor: "a_1", Person: p}, Owner: role == "owner", Auditor: role == "auditor", Channel: "cli", Authn: "unix-peer"}
}

func code(out workflows.Outcome) string {
	if out.Refusal == nil {
		return ""
	}
	return out.Refusal.Code
}

// TestTwoPeople holds who may propose and who may confirm what, and that every refusal is recorded and nothing else is.
func TestTwoPeople(t *testing.T) {
	t.Parallel()
	erase := custody.Proposed{Act: custody.Erase, Scope: custody.Scope{Person: maya}, Basis: custody.BasisRequest, Reason: "She asked."}
	give := custody.Proposed{Act: custody.Disclose, Scope: custody.Scope{What: "all"}, Reason: "The yearly audit."}
	own := erase
	own.Person = erin
	for _, test := range []struct {
		name           string
		what           custody.Proposed
		first, second  custody.Who
		after          time.Duration
		propose, agree string
	}{
		{"two owners", erase, who(frida, "owner"), who(erin, "owner"), time.Hour, "", ""},
		{"to the last moment", erase, who(frida, "owner"), who(erin, "owner"), custody.Window, "", ""},
		{"too late", erase, who(frida, "owner"), who(erin, "owner"), custody.Window + time.Microsecond, "", workflows.CodeLate},
		{"the same person", erase, who(frida, "owner"), who(frida, "owner"), 0, "", workflows.CodeSelfApproval},
		{"one who is no owner", erase, who(frida, "owner"), who(maya, "auditor"), 0, "", workflows.CodeNotEligible},
		{"nobody", erase, who(frida, "owner"), who("", "owner"), 0, "", workflows.CodeNotEligible},
		{"whose texts they are", own, who(frida, "owner"), who(erin, "owner"), 0, "", workflows.CodeSelfApproval},
		{"proposed by whose texts they are", own, who(erin, "owner"), who(frida, "owner"), 0, "", ""},
		{"an auditor erases", erase, who(maya, "auditor"), who(erin, "owner"), 0, workflows.CodeNotEligible, workflows.CodeUnknown},
		{"an auditor asks for texts", give, who(maya, "auditor"), who(erin, "owner"), 0, "", ""},
		{"an auditor gives texts", give, who(erin, "owner"), who(maya, "auditor"), 0, "", workflows.CodeNotEligible},
		{"nobody asks for texts", give, who("", "owner"), who(erin, "owner"), 0, workflows.CodeNotEligible, workflows.CodeUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out := custody.Propose(facts(nil, start()), stream, test.first, test.what)
			if code(out) != test.propose || len(out.Events) != 1 {
				t.Fatalf("proposing: %v, %d events, want %q", out.Refusal, len(out.Events), test.propose)
			}
			h, at := record(nil, out, start()), start().Add(test.after)
			out, s, err := custody.Confirm(facts(h, at), stream, test.second)
			if err != nil || code(out) != test.agree || len(out.Events) != 1 || s.Confirmed != (test.agree == "") {
				t.Fatalf("confirming: %v, %v, %+v, want %q", err, out.Refusal, s, test.agree)
			}
			if _, refused := out.Events[0].Event.(workflows.Refused); refused != (test.agree != "") {
				t.Errorf("recorded: %+v", out.Events[0])
			}
			if test.agree != "" {
				return
			}
			h = record(h, out, at)
			out, _, err = custody.Confirm(facts(h, at), stream, who("p_third", "owner"))
			if err != nil || code(out) != workflows.CodeDecided {
				t.Errorf("confirming twice: %v, %v", err, out.Refusal)
			}
		})
	}
}

// TestProposalsThatSayNothing are turned away.
func TestProposalsThatSayNothing(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]custody.Proposed{
		"no act":               {Reason: "r", Scope: custody.Scope{What: "all"}},
		"no reason":            {Act: custody.Erase, Scope: custody.Scope{Person: maya}, Basis: custody.BasisLaw, Reason: " "},
		"a long reason":        {Act: custody.Erase, Scope: custody.Scope{Person: maya}, Basis: custody.BasisLaw, Reason: strings.Repeat("x", workflows.MaxReason+1)},
		"no basis":             {Act: custody.Erase, Scope: custody.Scope{Person: maya}, Reason: "r"},
		"another basis":        {Act: custody.Erase, Scope: custody.Scope{Person: maya}, Basis: "because", Reason: "r"},
		"nobody":               {Act: custody.Erase, Basis: custody.BasisLaw, Reason: "r"},
		"a person and a field": {Act: custody.Erase, Scope: custody.Scope{Person: maya, Entry: 3, Field: "reason"}, Basis: custody.BasisLaw, Reason: "r"},
		"an entry without one": {Act: custody.Erase, Scope: custody.Scope{Entry: 3}, Basis: custody.BasisLaw, Reason: "r"},
		"a field without one":  {Act: custody.Erase, Scope: custody.Scope{Field: "reason"}, Basis: custody.BasisLaw, Reason: "r"},
		"nothing to disclose":  {Act: custody.Disclose, Reason: "r"},
		"disclose a person":    {Act: custody.Disclose, Scope: custody.Scope{What: "all", Person: maya}, Reason: "r"},
		"a long list":          {Act: custody.Disclose, Scope: custody.Scope{What: strings.Repeat("x", 300)}, Reason: "r"},
	} {
		if out := custody.Propose(facts(nil, start()), stream, who(frida, "owner"), p); out.Refusal == nil || len(out.Events) != 1 {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

// TestFoldRefuses histories that no two people can have made.
func TestFoldRefuses(t *testing.T) {
	t.Parallel()
	p := custody.Proposed{Act: custody.Erase, Scope: custody.Scope{Person: maya}, Until: start().Add(time.Hour)}
	e := custody.Erased{Scope: p.Scope}
	line := func(by workflows.PersonID, event workflows.Event) workflows.Record {
		return workflows.Record{Stream: stream, Person: by, At: workflows.Instant{UTC: start()}, Event: event}
	}
	yes := line(erin, custody.Confirmed{Act: custody.Erase})
	late := yes
	late.At.UTC = start().Add(2 * time.Hour)
	for name, h := range map[string][]workflows.Record{
		"confirmed by oneself":     {line(frida, p), line(frida, custody.Confirmed{Act: custody.Erase})},
		"confirmed by nobody":      {line(frida, p), line("", custody.Confirmed{Act: custody.Erase})},
		"confirmed twice":          {line(frida, p), yes, line(maya, custody.Confirmed{Act: custody.Erase})},
		"confirmed late":           {line(frida, p), late},
		"another act":              {line(frida, p), line(erin, custody.Confirmed{Act: custody.Disclose})},
		"confirmed before":         {yes},
		"erased by one":            {line(frida, p), line(frida, e)},
		"erased something else":    {line(frida, p), yes, line(erin, custody.Erased{Scope: custody.Scope{Person: frida}})},
		"erased twice":             {line(frida, p), yes, line(erin, e), line(erin, e)},
		"disclosed instead":        {line(frida, p), yes, line(erin, custody.Disclosed{What: "all"})},
		"proposed twice":           {line(frida, p), line(frida, p)},
		"an event of another kind": {line(frida, p), line(frida, workflows.AlarmRaised{})},
	} {
		for i := range h {
			h[i].Seq = int64(i) + 1
		}
		if s, err := custody.Fold(h); err == nil {
			t.Errorf("%s: folded to %+v", name, s)
		}
	}
	good := []workflows.Record{line(frida, p), yes, line(erin, e)}
	for i := range good {
		good[i].Seq = int64(i) + 1
	}
	if s, err := custody.Fold(good); err != nil || s.Erased == nil || s.By != frida || s.ConfirmedBy != erin {
		t.Errorf("a good one: %+v, %v", s, err)
	}
}

// TestWhoseTexts holds whose texts an entry is taken to hold.
func TestWhoseTexts(t *testing.T) {
	t.Parallel()
	e := custody.Erased{Scope: custody.Scope{Person: maya}, Before: 10}
	for name, x := range map[string]struct {
		custody.Entry
		want bool
	}{
		"hers":                   {custody.Entry{Index: 9, Person: maya, Stream: "request/r_1"}, true},
		"later":                  {custody.Entry{Index: 10, Person: maya, Stream: "request/r_1"}, false},
		"another's":              {custody.Entry{Index: 9, Person: erin, Stream: "request/r_1"}, false},
		"her stream":             {custody.Entry{Index: 9, Stream: "person/p_maya"}, true},
		"her access":             {custody.Entry{Index: 9, Person: erin, Stream: "grant/p_maya/bastion/deploy"}, true},
		"of a longer id":         {custody.Entry{Index: 9, Person: erin, Stream: "grant/p_mayas/bastion/deploy"}, false},
		"told about hers":        {custody.Entry{Index: 9, Stream: "request/r_1", Notice: "card", Began: maya}, true},
		"told her":               {custody.Entry{Index: 9, Stream: "request/r_1", Notice: "ask/0/p_maya", Began: erin}, true},
		"told another":           {custody.Entry{Index: 9, Stream: "request/r_1", Notice: "ask/0/p_erin", Began: erin}, false},
		"began, but another act": {custody.Entry{Index: 9, Person: erin, Stream: "request/r_1", Began: maya}, false},
	} {
		if got := e.Covers(x.Entry, "reason"); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	one := custody.Erased{Scope: custody.Scope{Entry: 4, Field: "reason"}, Before: 10}
	if !one.Covers(custody.Entry{Index: 4}, "reason") || one.Covers(custody.Entry{Index: 4}, "account") || one.Covers(custody.Entry{Index: 5}, "reason") {
		t.Error("one field of one entry")
	}
	p := custody.Pruned{Before: 10, Older: start()}
	if !p.Covers(9, start()-1) || p.Covers(10, start()-1) || p.Covers(9, start()) {
		t.Error("a prune")
	}
}

// TestDisclosureEnds holds how long and for what an export is agreed on.
func TestDisclosureEnds(t *testing.T) {
	t.Parallel()
	s := custody.State{ID: "c_1", Disclosed: &custody.Disclosed{What: "all", Until: custody.DisclosureUntil(start())}}
	if err := s.Holds(start().Time().Add(custody.Disclosure), "all"); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"later":          s.Holds(start().Time().Add(custody.Disclosure+time.Second), "all"),
		"something else": s.Holds(start().Time(), "request/r_1"),
		"not agreed on":  custody.State{}.Holds(start().Time(), "all"),
	} {
		if err == nil {
			t.Errorf("%s: it holds", name)
		}
	}
}

// TestFrozenEvents compares the JSON of every kind with testdata/events.golden: names and spellings of fields may only be added to.
func TestFrozenEvents(t *testing.T) {
	t.Parallel()
	scope := custody.Scope{Person: maya, Entry: 7, Field: "reason", What: "all"}
	at := start()
	var b bytes.Buffer
	for _, e := range []workflows.Event{
		custody.Proposed{Act: custody.Erase, Scope: scope, Basis: custody.BasisLaw, Reason: "r", Until: at, Channel: "cli", Authn: "unix-peer"},
		custody.Confirmed{Act: custody.Erase, Channel: "cli", Authn: "unix-peer"},
		custody.Erased{Scope: scope, Before: 9, Texts: 1, Accounts: 2, Deliveries: 3, Unnamed: true, Basis: custody.BasisMistake, ProposedBy: frida, ConfirmedBy: erin, Proposal: "c_1"},
		custody.Pruned{Keep: 86400, Older: at, Before: 9, Texts: 1, Size: 8, Root: "root"},
		custody.Disclosed{What: "all", Texts: 4, Until: at, ProposedBy: frida, ConfirmedBy: erin, Proposal: "c_2"},
		custody.RollbackAccepted{Size: 3, Root: "a", LostSize: 9, LostRoot: "b", LostNote: "n", From: "witness file", Reason: "r", ProposedBy: frida, ConfirmedBy: erin, ProposedAt: at, ConfirmedAt: at, Authn: "unix-peer"},
		custody.TargetReconciled{Target: "bastion", Asked: 4, Present: 1, Ended: 2, Unknown: 1, Unclear: 1, Silent: true, Unlisted: true, Grants: []workflows.GrantID{"g_1"}},
	} {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(e.Kind() + " " + string(line) + "\n")
	}
	if n := strings.Count(b.String(), "\n"); n != len(custody.EventKinds()) {
		t.Errorf("%d of %d kinds are frozen", n, len(custody.EventKinds()))
	}
	if *update {
		if err := os.WriteFile("testdata/events.golden", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/events.golden")
	if err != nil || !bytes.Equal(want, b.Bytes()) {
		t.Errorf("events are written otherwise now (%v):\n%s", err, b.Bytes())
	}
}
