package bot_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

var writeMatrix = flag.Bool("update-matrix", false, "write testdata/matrix.golden, which is then to be read line by line")

// role is somebody who tries: a user of the workspace, as they are or changed.
type role struct {
	name, user string
	change     func(*slacksim.User)
}

func roles() []role {
	gone := func(u *slacksim.User) { u.Deleted = true }
	guest := func(u *slacksim.User) { u.Restricted = true }
	return []role{
		{"stranger", "sam", nil},
		{"newcomer", "eve", nil},
		{"guest", "gus", nil},
		{"machine", "maya", func(u *slacksim.User) { u.Bot = true }},
		{"requester, gone", "maya", gone},
		{"approver, gone", "jonas", gone},
		{"approver, a guest", "jonas", guest},
		{"member", "kenji", nil},
		{"other stage", "sofia", nil},
		{"requester", "maya", nil},
		{"approver", "jonas", nil},
		{"holder", "priya", nil},
	}
}

// matrix is a world in which there is something to do for everybody: Maya's request, which waits for Jonas; Kenji's, which Jonas has approved and which waits
// for security; Priya's access; a use of break glass that Sofia or Priya has to look at; an offer that Jonas made to Maya.
type matrix struct {
	*world
	first, second workflows.RequestID
	grant         workflows.GrantID
	review        workflows.ReviewID
	offer         string
	acted         int
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	x := &matrix{world: start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
		chain := *p.Workflows["bastion-shell"].Workflow
		chain.Extend = &workflows.Extend{Cap: 8 * 3600}
		w.add(p, chain)
	})}
	vote := func(id workflows.RequestID, who string) {
		v := x.state(id)
		by, err := x.identity.Resolve(x.ctx, x.press(who))
		if err != nil {
			t.Fatal(err)
		}
		n := v.State.Current
		a, err := x.desk.Vote(x.ctx, desk.Ballot{By: by, Request: id, Verdict: workflows.Approve, Stage: n, Shown: v.State.Shown(n), Authn: workflows.AuthnClick, Channel: "slack"})
		if err != nil || a.Refusal != nil {
			t.Fatal(a.Refusal, err)
		}
		x.run()
	}
	held := x.ask("priya", "To deploy the release.")
	vote(held, "jonas")
	vote(held, "sofia")
	x.grant = x.state(held).Hold.Approved.Grant
	x.second = x.ask("kenji", "To look at the logs.")
	vote(x.second, "jonas")
	x.preapprove()
	x.glass("maya", "restart-db INC-7 it hangs", map[string]map[string]any{"reason": {"value": "it hangs"}})
	x.run()
	x.first = x.ask("maya", "To repair the queue.")
	for s := range x.m.histories {
		if s.Kind() == "review" {
			x.review = workflows.ReviewID(s.Rest())
		}
	}
	v := x.state(x.first)
	by, err := x.identity.Resolve(x.ctx, x.press("jonas"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := x.desk.Counter(x.ctx, desk.CounterOffer{
		By: by, Request: x.first, Shown: v.State.Shown(0), Terms: workflows.Terms{Seconds: 1800}, Reason: "Half an hour is enough.", Authn: workflows.AuthnClick, Channel: "slack",
	})
	if err != nil || a.Refusal != nil || len(x.state(x.first).State.Offers) != 1 {
		t.Fatal(a.Refusal, err)
	}
	x.offer = x.state(x.first).State.Offers[0].ID
	x.run()
	x.deaf.Store(true) // an account that changes is asked about, not told of
	if x.review == "" || x.grant == "" {
		t.Fatalf("review %q, grant %q", x.review, x.grant)
	}
	return x
}

// press is an interaction of somebody, signed by Slack.
func (x *matrix) press(user string) slack.Interaction {
	x.acted++
	in := slack.Interaction{TeamID: x.sim.Team().ID, UserID: x.sim.UserID(user), InboxID: x.row(fmt.Sprint("matrix", x.acted)), TriggerID: "1.2.3"}
	if user == "sam" {
		in.UserTeamID, in.External = "T0OTHERSIDE", true
	}
	return in
}

// button is what a button of a kind is about here: the best that somebody who got hold of it could have, sealed for themselves.
func (x *matrix) button(kind byte) bot.Button {
	b := bot.Button{Kind: kind, ID: string(x.first)}
	switch kind {
	case 'a', 'c', 'd', 'n', 'o', 'p':
		b.Shown = x.state(x.first).State.Shown(0)[:32]
	case 't':
		b.ID = string(x.second)
	case 'g', 'k', 'l', 'e', 'S':
		b.ID = string(x.grant)
	case 'v', 'u':
		b.ID = string(x.review)
	case 'y', 'x':
		b.ID = string(x.first) + "#" + x.offer
	case 'L':
		b.ID = string(x.people["jonas"].Identity())
	case 'A':
		b.ID = "restart-db#p_1"
	}
	return b
}

// kinds is what the value of each button, or of each form's metadata, is sealed as; 0: it carries none.
func kinds() map[string]byte {
	return map[string]byte{
		"action request.approve": 'a', "action request.deny": 'd', "action request.read": 'r', "action request.more": 'r', "action request.withdraw": 'w',
		"action request.take_back": 't', "action grant.done": 'g', "action grant.secret": 'S', "action grant.revoke": 'k', "action review.close": 'v',
		"action form.open": 0, "action form.pick": 0, "action request.offer": 'o', "action offer.accept": 'y', "action offer.decline": 'x',
		"action grant.extend": 'e', "action away.open": 0, "action away.end": 0, "action policy.approve": 'P', "action policy.deny": 'Q', "action step.open": 'W',
		"action step.decline": 'W', "action away.delegate": 'D', "action home.page": 0, "action home.page.back": 0, "action sheet.next": '1', "action sheet.keep": '2',
		"action sheet.keep_page": '3', "action sheet.other": '4', "action run.step": 'R', "action run.done": 'T', "action run.skip": 'K', "action run.rollback": 'B',
		"action run.finish": 'C', "action glass.agree": 'A', "action escalation.acknowledge": 'E',
		"form form.fill": 0, "form request.deny": 'n', "form request.decide": 'c', "form grant.revoke": 'l', "form review.close": 'u', "form breakglass.fill": 0,
		"form request.offer": 'p', "form away.fill": 0, "form run.note": 'F', "form evidence.lock": 'L', "form leak.fill": 0, "form sheet.decide": '5',
		"shortcut request_access": 0, "shortcut request_access_about": 0,
	}
}

// typed is what is typed after a command, by its words.
func (x *matrix) typed() map[string]string {
	r, g := string(x.first), string(x.grant)
	return map[string]string{
		"/access": "", "/access request": "request bastion-shell", "/access list": "list", "/access status": "status " + r, "/access withdraw": "withdraw " + r,
		"/access done": "done " + g, "/access extend": "extend " + g, "/access away": "away 2026-12-01 2026-12-02", "/access back": "back",
		"/access comment": "comment " + r + " that is enough", "/access link": "link", "/access unlink": "unlink jonas because I say so", "/access whoami": "whoami",
		"/access health": "health", "/access secret": "secret " + g, "/access key": "key", "/access drift": "drift bastion", "/access identity": "identity svc suspend",
		"/access identities": "identities", "/access who": "who priya", "/access leak": "leak list", "/access run": "run restart-db", "/access review": "review",
		"/access how": "how", "/access revoke-all": "revoke-all priya it leaked", "/access quarantine": "quarantine priya it leaked", "/access release": "release priya it was nothing",
		"/access reach": "reach priya", "/access revoke": "revoke " + g + " it leaked", "/access removed-by-hand": "removed-by-hand " + g + " I did it",
		"/breakglass": "restart-db INC-8 it hangs again", "/breakglass review": "review " + string(x.review), "/breakglass close": "close " + string(x.review) + " justified it was right",
		"/breakglass ack": "ack INC-7", "/breakglass agree": "agree restart-db", "/breakglass note": "note INC-7 hm", "/breakglass runs": "runs", "/breakglass step": "step u_1 1 run",
		"/breakglass task": "task u_1 1 done", "/incident": "open INC-9 sev1 it burns", "/incident list": "list", "/incident show": "show INC-7",
	}
}

// verbs are the words that the sources compare what is typed with.
func verbs(t *testing.T) []string {
	t.Helper()
	var out []string
	for file, command := range map[string]string{"commands.go": "/access", "killswitch.go": "/access", "glass.go": "/breakglass"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pattern := `verb == "([a-z-]+)"`
		if file == "killswitch.go" {
			pattern = `\tcase "([a-z-]+)":`
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(b), -1) {
			if w := command + " " + m[1]; !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	return out
}

// interaction is one try of a route by a user.
func (x *matrix) interaction(route, user string) slack.Interaction {
	in := x.press(user)
	kind, name, _ := strings.Cut(route, " ")
	value, reader := "", x.people[user]
	if k := kinds()[route]; k != 0 {
		value = (&bot.Buttons{Key: []byte("a key for tests with 32 bytes ...")}).Value(x.button(k), reader)
	}
	filled := []slack.Input{
		{BlockID: "reason", ActionID: "value", Value: "Because of the matrix."},
		{BlockID: "duration", ActionID: "value", Value: "1h"},
		{BlockID: "entitlement", ActionID: "value", Value: "0"},
		{BlockID: "field:ticket", ActionID: "value", Value: "OPS-13"},
		{BlockID: "verdict", ActionID: "value", Value: "emergency"},
		{BlockID: "note", ActionID: "value", Value: "Rightly used."},
	}
	switch kind {
	case "action":
		in.Kind, in.View = slack.KindBlockActions, &slack.View{ID: "V1", Type: "home"}
		in.Actions = []slack.Action{{Input: slack.Input{ActionID: name, Value: value}}}
	case "form":
		in.Kind, in.CallbackID, in.View = slack.KindViewSubmission, name, &slack.View{ID: "V1", Type: "modal", CallbackID: name, PrivateMetadata: value, Values: filled}
		if name == "form.fill" {
			in.View.PrivateMetadata = `{"w":"bastion-shell"}`
		}
	case "shortcut":
		in.Kind, in.CallbackID = slack.KindShortcut, name
	default:
		in.Kind, in.ChannelID = slack.KindCommand, x.sim.ChannelID("access")
		in.Command, _, _ = strings.Cut(route, " ")
		in.Text = x.typed()[route]
	}
	return in
}

// turn changes an account of the workspace; what was known about it is forgotten.
func (x *matrix) turn(user string, change func(*slacksim.User)) {
	x.t.Helper()
	if err := x.sim.SetUser(user, change); err != nil {
		x.t.Fatal(err)
	}
	x.identity.Forget(x.sim.UserID(user))
}

// kept gives back how the ledger stands now, so that every try finds the same.
func (m *memory) kept() (back func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := memory{
		now: m.now, mono: m.mono, index: m.index, histories: maps.Clone(m.histories), documents: maps.Clone(m.documents), causes: maps.Clone(m.causes),
		jobs: maps.Clone(m.jobs), lists: maps.Clone(m.lists), accounts: slices.Clone(m.accounts), persons: maps.Clone(m.persons), inbox: slices.Clone(m.inbox),
	}
	for s, h := range was.histories {
		was.histories[s] = slices.Clip(h)
	}
	rows := make([]row, len(m.surfaces))
	for i, r := range m.surfaces {
		rows[i] = *r
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.now, m.mono, m.index, m.histories, m.documents, m.causes = was.now, was.mono, was.index, was.histories, was.documents, was.causes
		m.jobs, m.lists, m.accounts, m.persons, m.inbox = was.jobs, was.lists, was.accounts, was.persons, was.inbox
		m.surfaces = nil
		for i := range rows {
			m.surfaces = append(m.surfaces, &rows[i])
		}
	}
}

// did is what a try brought about: the kinds of the entries that it made, refusals and what a new account is left out.
func (x *matrix) did(route string, r role) string {
	x.t.Helper()
	if r.change != nil {
		var was slacksim.User
		x.turn(r.user, func(u *slacksim.User) { was = *u; r.change(u) })
		defer x.turn(r.user, func(u *slacksim.User) { *u = was })
	}
	before := x.m.index
	_, _ = x.bot.Handle(x.ctx, x.interaction(route, r.user)) // a form that cannot be opened is an error and no entry
	found := map[string]bool{}
	for _, h := range x.m.histories {
		for _, e := range h {
			if k := e.Event.Kind(); e.Index >= before && k != (workflows.Refused{}).Kind() && k != (workflows.RefusalsSummarised{}).Kind() && !strings.HasPrefix(k, "person.") {
				found[k] = true
			}
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(found)), " ")
}

// TestThreat_T21_EveryRouteForEveryRole sends everything that people can do in Slack for everybody who could try, with buttons that are sealed as if the bot
// had drawn them for this very person: what happens is what testdata/matrix.golden says, line by line, and for whom a line does not name, nothing does. The
// routes come from the bot's own table and from the words that it compares, so that a new one has no line and is red. That no page, API, hook, command or
// clock has another way in is TestThreat_T21_OnlyTheRulesWriteDecisions; the rows of machines are in TestThreat_T21_EveryDoorForEveryProof.
func TestThreat_T21_EveryRouteForEveryRole(t *testing.T) {
	t.Parallel()
	x := newMatrix(t)
	var routes []string
	for kind, names := range x.bot.Routes() {
		for _, n := range names {
			if kind == "command" {
				routes = append(routes, n)
				continue
			}
			if _, ok := kinds()[kind+" "+n]; !ok {
				t.Errorf("there is no row for the %s %q: say here what its value is sealed as", kind, n)
			}
			routes = append(routes, kind+" "+n)
		}
	}
	for _, v := range verbs(t) {
		if _, ok := x.typed()[v]; !ok {
			t.Errorf("there is no row for the words %q: say here what is typed", v)
		}
	}
	routes = append(routes, slices.Collect(maps.Keys(x.typed()))...)
	sort.Strings(routes)
	routes = slices.Compact(routes)
	var out strings.Builder
	for _, route := range routes {
		fmt.Fprintf(&out, "%s\n", route)
		for _, r := range roles() {
			back := x.m.kept()
			if what := x.did(route, r); what != "" {
				fmt.Fprintf(&out, "  %s: %s\n", r.name, what)
			}
			back()
		}
	}
	golden := filepath.Join("testdata", "matrix.golden")
	if *writeMatrix {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("who can do what has changed (-want +got):\n%s", d)
	}
}
