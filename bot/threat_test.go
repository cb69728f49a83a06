package bot_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
)

// votes is how many decisions a request has on record.
func (w *world) votes(id workflows.RequestID) int {
	n := 0
	for _, st := range w.state(id).State.Stages {
		n += len(st.Votes)
	}
	return n
}

// buttonValue is the value of a message's button.
func buttonValue(t testing.TB, m slacksim.Message, action string) string {
	t.Helper()
	for _, b := range m.Blocks {
		list, _ := b["elements"].([]any)
		for _, e := range list {
			if o, _ := e.(slacksim.Object); o["action_id"] == action {
				s, _ := o["value"].(string)
				return s
			}
		}
	}
	t.Fatalf("no button %q on %v", action, m.ActionIDs())
	return ""
}

// T13: a value that was altered, of another button, of another request, or sent from another message decides nothing and is recorded.
func TestThreat_T13_ButtonsAreNotTrusted(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	first := w.card("access")
	other := w.ask("kenji", "another deploy hotfix")
	second := w.card("access")
	mine := w.dmWith("jonas", "deploy hotfix now")
	approve := buttonValue(t, first, "request.approve")
	raw, err := base64.RawURLEncoding.DecodeString(approve)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) string {
		b := slices.Clone(raw)
		b[i] ^= 1
		return base64.RawURLEncoding.EncodeToString(b)
	}
	cases := map[string]slacksim.Press{
		"another request's card": {Channel: second.Channel, TS: second.TS, Value: approve},
		"a direct message":       {Channel: mine.Channel, TS: mine.TS, Value: approve},
		"deny sent as approve":   {Channel: first.Channel, TS: first.TS, Value: buttonValue(t, first, "request.deny")},
		"no value":               {Channel: first.Channel, TS: first.TS, Value: "x"},
		"padding":                {Channel: first.Channel, TS: first.TS, Value: approve + "="},
		"longer":                 {Channel: first.Channel, TS: first.TS, Value: approve + strings.Repeat("A", 600)},
	}
	for i := range raw {
		cases[fmt.Sprintf("byte %d", i)] = slacksim.Press{Channel: first.Channel, TS: first.TS, Value: flip(i)}
	}
	for name, p := range cases {
		p.User, p.ActionID, p.Confirmed = "jonas", "request.approve", true
		before := len(w.refusals(workflows.SystemStream))
		w.do(w.sim.Click(w.ctx, p))
		got := w.refusals(workflows.SystemStream)
		if len(got) != before+1 || got[before] != workflows.CodeTampered {
			t.Errorf("%s: recorded %v", name, got[before:])
		}
	}
	if n := w.votes(id) + w.votes(other); n != 0 {
		t.Fatalf("%d decisions were taken", n)
	}
	wantIn(t, w.heard("jonas"), "does not belong to the message")
	w.click("jonas", first, "request.approve")
	if w.votes(id) != 1 {
		t.Error("the untouched button does not work")
	}
}

// T13: no change to any part of a button's value yields another decision.
func TestThreat_T13_AnyOtherValueIsForeign(t *testing.T) {
	seal := &bot.Buttons{Key: make([]byte, 32)}
	rapid.Check(t, func(t *rapid.T) {
		x := bot.Button{
			Kind: 'a', ID: rapid.StringMatching(`r_[a-z0-9]{26}`).Draw(t, "id"), Stage: rapid.IntRange(0, 255).Draw(t, "stage"),
			Shown: rapid.SampledFrom([]string{"", strings.Repeat("ab", 16)}).Draw(t, "shown"),
		}
		reader := workflows.PersonID(rapid.SampledFrom([]string{"", "p_1", "p_2"}).Draw(t, "reader"))
		v := seal.Value(x, reader)
		if got, err := seal.Open(v, 'a', reader); err != nil || got != x {
			t.Fatalf("%+v came back as %+v, %v", x, got, err)
		}
		if x.Shown == "" && len(v) > 75 {
			t.Fatalf("%d characters do not fit a menu", len(v))
		}
		changed := []byte(v)
		changed[rapid.IntRange(0, len(v)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("ABCabc019-_=. ")).Draw(t, "to")
		if string(changed) != v {
			if got, err := seal.Open(string(changed), 'a', reader); err == nil {
				t.Fatalf("%q was taken as %+v", changed, got)
			}
		}
		if _, err := seal.Open(v, 'a', reader+"x"); err == nil {
			t.Fatal("another reader's button was taken")
		}
		if _, err := seal.Open(v, 'd', reader); err == nil {
			t.Fatal("a button of another kind was taken")
		}
		if _, err := (&bot.Buttons{Key: []byte(strings.Repeat("k", 32))}).Open(v, 'a', reader); err == nil {
			t.Fatal("a button of another key was taken")
		}
	})
}

// T13: the metadata of a modal is a button too.
func TestThreat_T13_ModalMetadataIsNotTrusted(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	w.click("jonas", card, "request.deny")
	v, _ := w.sim.View("jonas")
	for name, meta := range map[string]string{"empty": "", "a card's button": buttonValue(t, card, "request.deny"), "the approve button": buttonValue(t, card, "request.approve")} {
		in := slack.Interaction{
			Kind: slack.KindViewSubmission, TeamID: w.sim.Team().ID, UserID: w.sim.UserID("jonas"), InboxID: w.row("forged " + name), CallbackID: "request.deny",
			View: &slack.View{ID: v.ID, PrivateMetadata: meta, Values: []slack.Input{{BlockID: "reason", ActionID: "value", Value: "because"}}},
		}
		if _, err := w.bot.Handle(w.ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	// somebody else's modal
	in := slack.Interaction{
		Kind: slack.KindViewSubmission, TeamID: w.sim.Team().ID, UserID: w.sim.UserID("sofia"), InboxID: w.row("stolen"), CallbackID: "request.deny",
		View: &slack.View{ID: v.ID, PrivateMetadata: v.PrivateMetadata, Values: []slack.Input{{BlockID: "reason", ActionID: "value", Value: "because"}}},
	}
	if _, err := w.bot.Handle(w.ctx, in); err != nil {
		t.Fatal(err)
	}
	if got := w.refusals(workflows.SystemStream); !slices.Equal(got, []string{"tampered", "tampered", "tampered", "tampered"}) || w.votes(id) != 0 {
		t.Errorf("recorded %v, %d votes", got, w.votes(id))
	}
}

// row makes an inbox row for an interaction that a test makes up.
func (w *world) row(key string) string {
	w.t.Helper()
	id, _, err := w.m.Put(w.ctx, slack.Received{Transport: "test", Kind: "test", Keys: []string{key}})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// Who may not decide clicks, hears why, and it is recorded; nothing else happens.
func TestWrongPeopleAreRefused(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	stream := workflows.RequestStream(id)
	for _, c := range []struct{ user, code, says string }{
		{"maya", workflows.CodeSelfApproval, "You stand behind this request yourself"},
		{"sofia", workflows.CodeNotApprover, "not among those asked to decide stage 1 (owner)"},
		{"gus", workflows.CodeUnknown, "There is no such request, or it is not yours to see"}, // sees the card, is not asked
		{"eve", workflows.CodeUnknown, "There is no such request, or it is not yours to see"},
		{"jonas", workflows.CodeGuest, "Guests and people from other organisations"}, // is asked, and became a guest
	} {
		if c.code == workflows.CodeGuest {
			if err := w.sim.SetUser(c.user, func(u *slacksim.User) { u.Restricted = true }); err != nil {
				t.Fatal(err)
			}
			w.identity.Forget(w.sim.UserID(c.user))
		}
		w.click(c.user, w.card("access"), "request.approve")
		wantIn(t, w.heard(c.user), "Not done", c.says)
		got := w.refusals(stream)
		if c.code == workflows.CodeUnknown {
			got = w.refusals(workflows.SystemStream)
		}
		if len(got) == 0 || got[len(got)-1] != c.code {
			t.Errorf("%s: recorded %v", c.user, got)
		}
	}
	if w.votes(id) != 0 {
		t.Error("somebody's click counted")
	}
}

// Every click counts once: the same person twice, the same click twice, and after the end not at all.
func TestDuplicateAndStaleClicks(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultDuplicate, Match: "interactive"})
	w.click("jonas", card, "request.approve")
	if w.votes(id) != 1 {
		t.Fatalf("a click that came twice made %d votes", w.votes(id))
	}
	w.run()
	// jonas' screen is behind: the old card says stage 1
	w.do(w.sim.Click(w.ctx, slacksim.Press{User: "jonas", Channel: card.Channel, TS: card.TS, ActionID: "request.approve", Confirmed: true, From: &card}))
	w.do(w.sim.Click(w.ctx, slacksim.Press{User: "sofia", Channel: card.Channel, TS: card.TS, ActionID: "request.approve", Confirmed: true, From: &card}))
	wantIn(t, w.heard("sofia"), "What you were shown is not what would be decided now")
	w.m.pass(5 * time.Hour)
	w.do(w.sim.Click(w.ctx, slacksim.Press{User: "sofia", Channel: card.Channel, TS: card.TS, ActionID: "request.approve", Confirmed: true, From: &card}))
	wantIn(t, w.heard("sofia"), "deadline of this stage had passed")
	w.run()
	w.do(w.sim.Click(w.ctx, slacksim.Press{User: "sofia", Channel: card.Channel, TS: card.TS, ActionID: "request.approve", Confirmed: true, From: &card}))
	wantIn(t, w.heard("sofia"), "already timed out")
	if w.votes(id) != 1 {
		t.Errorf("%d votes", w.votes(id))
	}
	if diff := cmp.Diff([]string{workflows.CodeAlreadyVoted, workflows.CodeStale, workflows.CodeLate, workflows.CodeDecided}, w.refusals(workflows.RequestStream(id))); diff != "" {
		t.Error(diff)
	}
}

// R97: a decision is bound to exactly what was shown: what is on record is the digest of the request and the hash of what the button showed,
// and a button that showed something else is refused.
func TestReq_R97_ADecisionIsBoundToWhatWasShown(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	seal := &bot.Buttons{Key: []byte("a key for tests with 32 bytes ...")}
	refused := 0
	for name, shown := range map[string]string{"nothing": "", "something else": strings.Repeat("ab", 16)} {
		forged := seal.Value(bot.Button{Kind: 'a', ID: string(id), Shown: shown}, "")
		w.do(w.sim.Click(w.ctx, slacksim.Press{User: "jonas", Channel: card.Channel, TS: card.TS, ActionID: "request.approve", Confirmed: true, Value: forged}))
		refused++
		if got := w.refusals(workflows.RequestStream(id)); len(got) != refused || got[len(got)-1] != workflows.CodeStale || w.votes(id) != 0 {
			t.Errorf("%s shown: recorded %v, %d votes", name, got, w.votes(id))
		}
	}
	w.click("jonas", card, "request.approve")
	s := w.state(id).State
	vote, _ := w.lastVote(id)
	if vote.Digest != s.Asked.Digest || vote.Shown != s.Shown(0) || vote.Authn != "slack-click" {
		t.Errorf("recorded %+v", vote)
	}
}

// R2: words, reactions and forwarded cards decide nothing.
func TestReq_R2_OnlyASignedActCounts(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	before := w.m.index
	for _, text := range []string{"approved", "LGTM :+1:", "/access approve", "<@" + w.sim.App().BotUserID + "> approve " + string(id)} {
		w.do(w.sim.Post(w.ctx, "jonas", "access", text, card.TS))
		w.do(w.sim.Post(w.ctx, "jonas", "access", text, ""))
	}
	for _, r := range []string{"white_check_mark", "+1"} {
		w.do(w.sim.React(w.ctx, "jonas", card.Channel, card.TS, r))
	}
	w.run()
	if w.m.index != before || w.votes(id) != 0 {
		t.Errorf("%d entries were added, %d votes", w.m.index-before, w.votes(id))
	}
}

// T08: who acts is the payload's own user, whatever else it names.
func TestThreat_T08_TheActorIsThePayloadsUser(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	value := buttonValue(t, card, "request.approve")
	jonas, gus := w.sim.UserID("jonas"), w.sim.UserID("gus")
	raw, err := json.Marshal(map[string]any{
		"type": "block_actions", "api_app_id": w.sim.App().ID, "team": map[string]any{"id": w.sim.Team().ID}, "trigger_id": "1.2.3",
		"user":           map[string]any{"id": gus, "username": "jonas", "name": "Jonas Weber", "team_id": w.sim.Team().ID},
		"authorizations": []any{map[string]any{"user_id": jonas, "team_id": w.sim.Team().ID}}, "installed_by": jonas,
		"container": map[string]any{"type": "message", "channel_id": card.Channel, "message_ts": card.TS},
		"message":   map[string]any{"user": jonas, "ts": card.TS}, "channel": map[string]any{"id": card.Channel},
		"actions": []any{map[string]any{"type": "button", "action_id": "request.approve", "block_id": "buttons", "action_ts": "1.1", "value": value, "user": jonas}},
	})
	if err != nil {
		t.Fatal(err)
	}
	in, err := slack.Decode("interactive", raw)
	if err != nil {
		t.Fatal(err)
	}
	in.InboxID = w.row("t08")
	if _, err := w.bot.Handle(w.ctx, in); err != nil {
		t.Fatal(err)
	}
	if got := w.refusals(workflows.SystemStream); !slices.Equal(got, []string{workflows.CodeUnknown}) || w.votes(id) != 0 {
		t.Errorf("recorded %v, %d votes", got, w.votes(id))
	}
}

// T06: names, pictures and look-alikes change nothing: only workspace and user id say who somebody is.
func TestThreat_T06_NamesDecideNothing(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	for user, name := range map[string]string{"gus": "Jonas Weber", "eve": "Jоnas Weber", "sofia": "jonas"} {
		if err := w.sim.SetUser(user, func(u *slacksim.User) { u.RealName, u.Email = name, "jonas@example.com" }); err != nil {
			t.Fatal(err)
		}
		w.identity.Forget(w.sim.UserID(user))
		w.click(user, w.card("access"), "request.approve")
	}
	if err := w.sim.SetUser("jonas", func(u *slacksim.User) { u.RealName, u.Email = "Maya Chen", "maya@example.com" }); err != nil {
		t.Fatal(err)
	}
	if w.votes(id) != 0 {
		t.Fatal("a name was taken for a person")
	}
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	if w.votes(id) != 1 {
		t.Error("the renamed approver cannot decide")
	}
	wantIn(t, w.card("access").Visible(), "<@"+w.sim.UserID("jonas")+"> (Jonas Weber)")
}

// T09, T10: every flag that Slack has for accounts that must not decide, in every combination; and no answer is no.
func TestThreat_T09_T10_FlagMatrix(t *testing.T) {
	flags := []string{
		"is_bot", "is_workflow_bot", "is_connector_bot", "is_app_user", "deleted", "is_restricted", "is_ultra_restricted", "is_stranger", "is_invited_user",
	}
	var answer func() (int, string)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		code, body := answer()
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(code)
		fmt.Fprint(rw, body)
	}))
	defer srv.Close()
	sender, err := slack.NewSender(slack.SenderOptions{Token: "xoxb-test", APIURL: srv.URL + "/api/", AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory()
	now := time.Now()
	id := bot.NewIdentity(bot.IdentityConfig{
		Slack: sender, Accounts: tables{m}, Persons: tables{m}, Installation: slack.Installation{AppID: "A1", TeamID: "T1"}, Now: func() time.Time { return now },
	})
	id.SetPeople([]bot.Listed{{Person: "p_1", Name: "Jonas", Slack: "U1"}})
	by, err := id.Resolve(t.Context(), slack.Interaction{TeamID: "T1", UserID: "U1"})
	if err != nil || by.Person != "p_1" {
		t.Fatal(by, err)
	}
	ask := func() (workflows.Standing, error) {
		id.Forget("U1")
		return id.Standing(t.Context(), by)
	}
	for set := range 1 << len(flags) {
		user := map[string]any{"id": "U1", "team_id": "T1", "is_email_confirmed": true}
		for i, f := range flags {
			user[f] = set&(1<<i) != 0
		}
		answer = func() (int, string) { return 200, body(t, user) }
		s, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		if refused := s.Refusal() != nil; refused != (set != 0) {
			t.Fatalf("flags %09b: refused %v", set, refused)
		}
	}
	for name, user := range map[string]map[string]any{
		"another workspace": {"id": "U1", "team_id": "T2"}, "unconfirmed": {"id": "U1", "team_id": "T1", "is_email_confirmed": false},
		"no workspace": {"id": "U1"},
	} {
		answer = func() (int, string) { return 200, body(t, user) }
		if s, err := ask(); err == nil && s.Refusal() == nil {
			t.Errorf("%s: may decide", name)
		}
	}
	for name, a := range map[string]func() (int, string){
		"error 500": func() (int, string) { return 500, "" }, "not found": func() (int, string) { return 200, `{"ok":false,"error":"user_not_found"}` },
		"rate limited": func() (int, string) { return 429, "" }, "another user": func() (int, string) { return 200, body(t, map[string]any{"id": "U2", "team_id": "T1"}) },
		"no JSON": func() (int, string) { return 200, "<html>" }, "empty": func() (int, string) { return 200, `{"ok":true}` },
	} {
		answer = a
		if s, err := ask(); err == nil && s.Refusal() == nil {
			t.Errorf("%s: may decide", name)
		}
	}
	// USLACKBOT carries no flag, and somebody of another organisation keeps their own workspace.
	for name, in := range map[string]slack.Interaction{
		"slackbot": {TeamID: "T1", UserID: "USLACKBOT"}, "external": {TeamID: "T1", UserTeamID: "T2", UserID: "U1"}, "external by mark": {TeamID: "T9", UserID: "U1", External: true},
	} {
		answer = func() (int, string) { return 200, body(t, map[string]any{"id": in.UserID, "team_id": "T1"}) }
		who, err := id.Resolve(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := id.Standing(t.Context(), who); err != nil || s.Refusal() == nil || who.Person == "p_1" {
			t.Errorf("%s: %+v %+v %v", name, who, s, err)
		}
	}
}

func body(t *testing.T, user map[string]any) string {
	b, err := json.Marshal(map[string]any{"ok": true, "user": user})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// T10: what is known about a person is at most a minute old when it decides, and less when Slack says that they changed.
func TestThreat_T10_StandingIsFresh(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	w.click("jonas", card, "request.deny") // asks about jonas
	events := len(w.m.inbox)
	if err := w.sim.SetUser("jonas", func(u *slacksim.User) { u.Restricted = true }); err != nil {
		t.Fatal(err)
	}
	if err := w.sim.Until(w.ctx, func() bool {
		w.m.mu.Lock()
		defer w.m.mu.Unlock()
		return len(w.m.inbox) > events && w.m.inbox[len(w.m.inbox)-1].done
	}); err != nil {
		t.Fatal(err)
	}
	w.click("jonas", card, "request.approve")
	wantIn(t, w.heard("jonas"), "Guests")
	if err := w.sim.SetUser("jonas", func(u *slacksim.User) { u.Restricted = false }); err != nil {
		t.Fatal(err)
	}
	w.real.Add(int64(61 * time.Second))
	w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultError, Match: "users.info", Count: -1, Code: "internal_error"})
	w.click("jonas", card, "request.approve")
	wantIn(t, w.heard("jonas"), "could not check who you are")
	if w.votes(id) != 0 {
		t.Error("a click counted although nobody could be asked")
	}
}

// T14: what a form did not offer is not taken, and is said beside the input.
func TestThreat_T14_OptionsThatWereNotOffered(t *testing.T) {
	w := start(t, nil)
	v := w.policy.Workflows["bastion-shell"]
	meta := fmt.Sprintf(`{"w":"bastion-shell","p":%q}`, v.Hash)
	for name, c := range map[string]struct {
		meta, entitlement, subject, duration string
		says                                 string
	}{
		"index beyond":     {meta, "7", "", "1h", "errors"},
		"negative":         {meta, "-1", "", "1h", "errors"},
		"a name":           {meta, "bastion/root", "", "1h", "errors"},
		"somebody else":    {meta, "0", string(w.people["jonas"]), "1h", "Not done"},
		"unknown identity": {meta, "0", "svc-root", "1h", "Not done"},
		"another version":  {`{"w":"bastion-shell","p":"sha256:0"}`, "0", "", "1h", "changed while your form was open"},
		"no such chain":    {`{"w":"root-for-all","p":""}`, "0", "", "1h", "no such chain"},
		"no metadata":      {"", "0", "", "1h", "does not belong"},
		"too long":         {meta, "0", "", "9999d", "errors"},
	} {
		in := slack.Interaction{
			Kind: slack.KindViewSubmission, TeamID: w.sim.Team().ID, UserID: w.sim.UserID("maya"), CallbackID: "form.fill", InboxID: w.row(name),
			View: &slack.View{ID: "V1", PrivateMetadata: c.meta, Values: []slack.Input{
				{BlockID: "entitlement", ActionID: "value", Value: c.entitlement},
				{BlockID: "subject", ActionID: "value", Value: c.subject},
				{BlockID: "duration", ActionID: "value", Value: c.duration},
				{BlockID: "reason", ActionID: "value", Value: "a reason of some length"},
				{BlockID: "field:ticket", ActionID: "value", Value: "OPS-1"},
				{BlockID: "field:admin", ActionID: "value", Value: "yes"},
			}},
		}
		reply, err := w.bot.Handle(w.ctx, in)
		if err != nil {
			t.Fatal(name, err)
		}
		b, err := json.Marshal(reply.Payload)
		if err != nil {
			t.Fatal(err)
		}
		wantIn(t, string(b), c.says)
	}
	if ids, _ := w.m.List(w.ctx, workflows.ListAll, "", 0); len(ids) != 0 {
		t.Errorf("requests came of it: %v", ids)
	}
}

// T17: a form that shows an older version of the chain is refused and has to be opened again.
func TestThreat_T17_TheChainChangedWhileTheFormWasOpen(t *testing.T) {
	w := start(t, nil)
	w.command("maya", "/access", "request bastion-shell")
	p := w.documents()
	tighter := *p.Workflows["bastion-shell"].Workflow
	tighter.Longest = 1800
	w.add(p, tighter)
	if err := w.desk.Load(w.ctx, p); err != nil {
		t.Fatal(err)
	}
	w.do(w.sim.SubmitView(w.ctx, "maya", map[string]map[string]any{
		"entitlement": {"value": "0"}, "duration": {"value": "1h"}, "reason": {"value": "deploy hotfix now"}, "field:ticket": {"value": "OPS-12"},
	}))
	v, _ := w.sim.View("maya")
	wantIn(t, v.Visible(), "This chain changed while your form was open", "Open the form again")
	if got := w.refusals(workflows.SystemStream); !slices.Equal(got, []string{workflows.CodeFormChanged}) {
		t.Errorf("recorded %v", got)
	}
}

// T11: no card goes into a channel that another organisation can see, and one that became shared decides nothing any more.
func TestThreat_T11_SharedChannels(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	if err := w.sim.ShareChannel("access"); err != nil {
		t.Fatal(err)
	}
	w.real.Add(int64(6 * time.Minute))
	w.click("jonas", card, "request.approve")
	wantIn(t, w.heard("jonas"), "shared with another organisation")
	if w.votes(id) != 0 {
		t.Error("a click in a shared channel counted")
	}
	w.click("jonas", w.dm("jonas"), "request.approve")
	if w.votes(id) != 1 {
		t.Error("the copy in the direct message does not work")
	}
	cards := len(w.sim.Messages("access"))
	second := w.ask("kenji", "another deploy hotfix")
	if n := len(w.sim.Messages("access")); n != cards {
		t.Errorf("%d messages were posted into a shared channel", n-cards)
	}
	if d := w.state(second).State.Delivered[workflows.NoticeCard]; d.OK || !strings.Contains(d.Why, "shared with another organisation") {
		t.Errorf("the card's delivery: %+v", d)
	}
}
