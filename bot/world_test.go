package bot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

const secret = "0123456789abcdef0123456789abcdef"

// world is a whole bot on an embedded Slack: what people do there travels as signed requests through the real adapter.
type world struct {
	acts     int         // of people in Slack, that went through
	reader   desk.Reader // nil: targets are not asked
	t        testing.TB
	ctx      context.Context
	sim      *slacksim.Workspace
	m        *memory
	bot      *bot.Bot
	desk     *desk.Desk
	identity *bot.Identity
	sender   *slack.Sender
	policy   *desk.Policy
	people   map[string]workflows.PersonID
	log      *bytes.Buffer
	failing  bool // the target makes no access
	stuck    bool // the target takes nothing back
	presence string
	real     atomic.Int64 // what Identity thinks the time is: nanoseconds since 1970; what an event began may still ask
	names    *slack.Names
	health   func(context.Context) []bot.Condition
	handler  http.Handler
	deaf     atomic.Bool // what the workspace sends does not arrive
}

// listedPeople are those of the people file; gus, eve and the others of the workspace are not.
var listedPeople = []struct{ key, name string }{
	{"maya", "Maya Chen"}, {"jonas", "Jonas Weber"}, {"sofia", "Sofia Rossi"}, {"priya", "Priya Nair"}, {"kenji", "Kenji Mori"}, {"gus", "Gus Guest"},
}

func workspace() slacksim.Config {
	users := []slacksim.User{
		{Name: "maya", RealName: "Maya Chen", Email: "maya@example.com", TZ: "America/New_York"},
		{Name: "jonas", RealName: "Jonas Weber", Email: "jonas@example.com", TZ: "Europe/Berlin"},
		{Name: "sofia", RealName: "Sofia Rossi", Email: "sofia@example.com", TZ: "Europe/Rome"},
		{Name: "priya", RealName: "Priya Nair", Email: "priya@example.com", TZ: "Asia/Kolkata"},
		{Name: "kenji", RealName: "Kenji Mori", Email: "kenji@example.com", TZ: "Asia/Tokyo"},
		{Name: "gus", RealName: "Gus Guest", Email: "gus@agency.example", Restricted: true},
		{Name: "eve", RealName: "Eve Newcomer", Email: "eve@example.com"},
		{Name: "sam", RealName: "Sam Stranger", TeamID: "T0OTHERSIDE", Stranger: true},
	}
	all := []string{"maya", "jonas", "sofia", "priya", "kenji", "gus", "eve", "countersign"}
	return slacksim.Config{
		Team: slacksim.Team{Name: "Example", Domain: "example"}, Users: users, Seed: 11,
		Channels: []slacksim.Channel{
			{Name: "access", Members: all}, {Name: "incidents", Members: all}, {Name: "general", Members: all},
		},
		Groups: []slacksim.Group{{Handle: "security", Name: "Security", Members: []string{"sofia", "priya"}}},
		App: slacksim.App{
			Name: "Countersign", SigningSecret: secret,
			Commands: []slacksim.Command{{Name: "/access"}, {Name: "/breakglass"}, {Name: "/incident"}},
		},
	}
}

// start makes the world; change may alter the workspace and the documents before anything is loaded.
func start(t testing.TB, change func(*slacksim.Config, *desk.Policy, *world)) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), m: newMemory(), people: map[string]workflows.PersonID{}, log: new(bytes.Buffer), presence: "absent"}
	w.real.Store(time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC).UnixNano())
	cfg := workspace()
	cfg.Clock = w.m.clock
	cfg.RequestURL = "http://bot.invalid/"
	cfg.HTTPClient = &http.Client{Transport: w}
	for _, p := range listedPeople {
		id, err := tables{w.m}.EnsurePerson(w.ctx, "people:"+p.key)
		if err != nil {
			t.Fatal(err)
		}
		w.people[p.key] = id
	}
	w.policy = w.documents()
	if change != nil {
		change(&cfg, w.policy, w)
	}
	sim, err := slacksim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.sim = sim
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(func() { sim.Close(); srv.CloseClientConnections(); srv.Close() })
	w.connect(srv.URL)
	return w
}

// RoundTrip carries the workspace's requests to the bot, by what they hold to the path that takes it.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if w.deaf.Load() {
		return httptest.NewRecorder().Result(), nil
	}
	path := slack.Routes()[0]
	switch {
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		path = slack.Routes()[2]
	case bytes.HasPrefix(body, []byte("payload=")):
		path = slack.Routes()[1]
	}
	req := r.Clone(r.Context())
	req.URL.Path, req.RequestURI, req.Body = path, path, io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, req)
	return rec.Result(), nil
}

func (w *world) connect(url string) {
	w.t.Helper()
	app := w.sim.App()
	sender, err := slack.NewSender(slack.SenderOptions{Token: app.BotToken, APIURL: url + "/api/", AllowLoopback: true})
	if err != nil {
		w.t.Fatal(err)
	}
	me, err := sender.AuthTest(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sender, w.names = sender, slack.NewNames(sender)
	log := slog.New(slog.NewTextHandler(w.log, nil))
	w.identity = bot.NewIdentity(bot.IdentityConfig{
		Slack: sender, Accounts: tables{w.m}, Persons: tables{w.m}, Finder: w.names, Installation: me.Installation,
		Now: func() time.Time { return time.Unix(0, w.real.Load()).UTC() }, Log: log,
	})
	w.list()
	w.desk = desk.New(desk.Config{Ledger: w.m, Directory: w.identity, IDs: w.m, Log: log, Reader: w.reader})
	w.bot, err = bot.New(bot.Config{
		Desk: w.desk, Slack: sender, Identity: w.identity, Surfaces: w.m, Inbox: w.m, Histories: w.m, Finder: w.names,
		Buttons: &bot.Buttons{Key: []byte("a key for tests with 32 bytes ...")}, BotUser: me.UserID,
		Now:    func() workflows.Stamp { return workflows.StampOf(w.m.clock()) },
		Whose:  prints{},
		Health: w.health,
		Leaves: func(string) string { return "Sessions that are already open stay open." }, Log: log,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.bot.Close)
	if err := w.desk.Load(w.ctx, w.policy); err != nil {
		w.t.Fatal(err)
	}
	intake, err := slack.NewIntake(slack.IntakeOptions{Inbox: w.m, Handler: w.bot, Installation: me.Installation, Late: w.bot.Late, Wanted: w.bot.Wanted, Censor: bot.CensorLeaks(prints{}.Keys), Log: log})
	if err != nil {
		w.t.Fatal(err)
	}
	verifier, err := slack.NewVerifier(secret, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.handler, err = slack.NewReceiver(slack.ReceiverOptions{Intake: intake, Verifier: verifier, Log: log}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) list() {
	var out []bot.Listed
	for _, p := range listedPeople {
		out = append(out, bot.Listed{Person: w.people[p.key], Name: p.name, Slack: w.sim.UserID(p.key)})
	}
	w.identity.SetPeople(out)
}

// documents are the policy: a two-stage chain on a bastion, a chain that approves runbooks, a runbook.
func (w *world) documents() *desk.Policy {
	p := w.people
	bastion := workflows.Entitlement{
		Target: "bastion", ID: "shell", TargetTitle: "Bastion hosts", Title: "shell", Description: "A shell", BusinessTask: "Deploy and repair",
		Owner: p["jonas"], Environment: "production", DataClass: "internal", ReviewDate: "2027-05-01", Connector: "sshca",
		Params: map[string][]string{"principals": {"deploy"}},
	}
	root := bastion
	root.ID, root.Title = "root", "root shell"
	chain := workflows.Workflow{
		ID: "bastion-shell", Title: "Shell on a bastion", Purpose: "Deploy and repair", Kind: workflows.KindCredential, Owner: p["jonas"],
		Ask: workflows.Selector{Anyone: true}, For: []string{workflows.ForSelf}, Entitlements: []workflows.Entitlement{bastion},
		Fields: []workflows.Field{
			{Name: "ticket", Label: "Ticket", Type: workflows.FieldTicket, Pattern: "OPS-[0-9]+"},
			{Name: "note", Label: "Note", Type: workflows.FieldText, Optional: true},
		},
		Longest: 4 * 3600, Usual: 3600, ReasonMin: 10, Channel: "#access", SeenBy: workflows.SeenByParties,
		Stages: []workflows.Stage{
			{Name: "owner", Approvers: workflows.Selector{TargetOwner: true}, Quorum: 1, Timeout: 4 * 3600},
			{
				Name: "security", Approvers: workflows.Selector{ChatGroups: []string{"@security"}}, Quorum: 1, Timeout: 4 * 3600, Remind: 1800,
				Escalate: &workflows.Escalation{After: 3600, Approvers: workflows.Selector{People: []workflows.PersonID{p["kenji"]}}},
			},
		},
	}
	approve := workflows.Workflow{
		ID: "approve-runbook", Title: "Approve a runbook", Kind: workflows.KindPreapprove, Owner: p["jonas"], Ask: workflows.Selector{Anyone: true},
		Longest: 30 * 24 * 3600, Usual: 30 * 24 * 3600, ReasonMin: 10, Channel: "#access", Uses: 3,
		Stages: []workflows.Stage{{Name: "owner", Approvers: workflows.Selector{People: []workflows.PersonID{p["jonas"]}}, Quorum: 1, Timeout: 3600}},
	}
	text := []byte("# Restart the database\n\n1. Look at the dashboard.\n2. Restart.\n")
	book := incidents.Runbook{
		ID: "restart-db", Title: "Restart the database", Purpose: "It hangs", Owner: p["jonas"],
		Invokers: workflows.Selector{People: []workflows.PersonID{p["maya"], p["kenji"]}}, Grant: root, Longest: 3600, IncidentPattern: "INC-[0-9]{1,7}",
		Skips: "bastion-shell", Notify: "#incidents", Reviewers: workflows.Selector{People: []workflows.PersonID{p["sofia"], p["priya"]}},
		ReviewDue: 24 * 3600, Document: workflows.HashDocument(text),
	}
	out := &desk.Policy{
		Workflows: map[workflows.WorkflowID]desk.Version{}, Runbooks: map[workflows.RunbookID]desk.Book{},
		People: map[workflows.PersonID]desk.Person{}, Groups: map[string][]workflows.PersonID{}, Identities: map[workflows.IdentityID]desk.Identity{},
		Hours:  map[workflows.PersonID]*calendar.Hours{},
		Roles:  map[string]workflows.Selector{desk.RoleSecurity: {People: []workflows.PersonID{p["sofia"]}}},
		Loaded: workflows.PolicyLoaded{Workflows: map[string]workflows.DocHash{}, Sources: map[string]workflows.DocHash{}, Version: "test"},
	}
	for _, x := range listedPeople {
		out.People[p[x.key]] = desk.Person{ID: p[x.key], Key: x.key, Name: x.name, Zone: "UTC"}
	}
	w.add(out, chain)
	w.add(out, approve)
	out.Runbooks[book.ID] = desk.Book{Runbook: book, Hash: workflows.HashDocument([]byte(book.ID)), Text: text}
	return out
}

// add puts a workflow into a policy, with its document.
func (w *world) add(p *desk.Policy, x workflows.Workflow) {
	b, err := json.Marshal(x)
	if err != nil {
		w.t.Fatal(err)
	}
	h := workflows.HashDocument(b)
	p.Workflows[x.ID] = desk.Version{Workflow: &x, Hash: h}
	p.Loaded.Workflows[string(x.ID)] = h
	p.Documents = append(p.Documents, workflows.Document{Hash: h, Kind: "policy", Bytes: b})
}

const maxRounds = 200

// run does everything that is due, as the jobs loop would, until nothing is.
func (w *world) run() {
	w.t.Helper()
	for range maxRounds {
		if !w.round() {
			return
		}
	}
	w.t.Fatalf("the jobs do not come to rest: %v", w.m.due())
}

func (w *world) round() bool {
	w.t.Helper()
	moved := false
	for stream, list := range w.m.due() {
		for _, j := range list {
			before := w.m.index
			w.job(stream, j)
			moved = moved || w.m.index != before
		}
	}
	for _, f := range w.m.behind() {
		moved = true
		if err := w.bot.Paint(w.ctx, f); err != nil {
			w.t.Fatalf("painting %+v: %v", f, err)
		}
	}
	return moved
}

func (w *world) job(stream workflows.StreamID, j workflows.Job) {
	w.t.Helper()
	var err error
	id := workflows.GrantID(j.Key)
	cause := workflows.Cause("job/" + string(stream) + "/" + j.Kind + "/" + j.Key)
	switch j.Kind {
	case workflows.JobNotice:
		err = w.bot.Notify(w.ctx, stream, j.Key, cause, 0)
		if err != nil && strings.Contains(err.Error(), "not sent yet") {
			return // a checklist stands under the message that told of the use; the job comes again
		}
	case workflows.JobWake:
		err = w.desk.Tick(w.ctx, stream)
	case workflows.JobStart:
		err = w.start(stream, id, cause)
	case workflows.JobRevoke:
		if !w.stuck {
			err = w.desk.GrantRevoked(w.ctx, cause, stream, grants.Revoked{Grant: id, Presence: w.presence, Leaves: "Sessions that are already open stay open."})
		}
	}
	if err != nil {
		w.t.Fatalf("job %s %s of %s: %v", j.Kind, j.Key, stream, err)
	}
}

const certificate = "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIH test"

func (w *world) start(stream workflows.StreamID, id workflows.GrantID, cause workflows.Cause) error {
	hold, due, err := w.desk.Due(w.ctx, stream, workflows.JobStart, id)
	if err != nil || !due {
		return err
	}
	if w.failing {
		return w.desk.GrantFailed(w.ctx, cause, stream, hold, "The target refused: no such principal.")
	}
	use, err := json.Marshal(map[string]any{
		"steps": []string{"Save the certificate beside your key.", "Log in."}, "command": "ssh -i ~/.ssh/id_ed25519 deploy@bastion.example.com",
		"host": "bastion.example.com", "files": map[string]string{"id_ed25519-cert.pub": certificate},
	})
	if err != nil {
		return err
	}
	return w.desk.GrantStarted(w.ctx, cause, stream, grants.Started{Grant: id, Ref: "serial 1", Use: string(use)})
}

// do fails the test when an act of a person did not go through.
func (w *world) do(d slacksim.Delivery) slacksim.Delivery {
	w.t.Helper()
	if d.Err != nil {
		w.t.Fatalf("acting in Slack: %v %v\nlog:\n%s", d.Err, d.Errors, w.log)
	}
	w.acts++
	return d
}

func (w *world) command(user, name, text string) slacksim.Delivery {
	w.t.Helper()
	return w.do(w.sim.Command(w.ctx, user, "access", name, text))
}

// glass breaks the glass: what somebody types, and the one screen before it is done. It gives what that screen says.
func (w *world) glass(user, text string, values map[string]map[string]any) string {
	w.t.Helper()
	w.command(user, "/breakglass", text)
	v, ok := w.sim.View(user)
	if !ok {
		w.t.Fatalf("no screen opened for %q: %s", text, w.heard(user))
	}
	w.do(w.sim.SubmitView(w.ctx, user, values))
	return v.Visible()
}

// heard is the newest thing that only this person sees in #access.
func (w *world) heard(user string) string {
	w.t.Helper()
	list := w.sim.Ephemerals(user, "access")
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1].Visible()
}

// ask sends the request form and gives the request's id.
func (w *world) ask(user, reason string) workflows.RequestID {
	w.t.Helper()
	w.m.pass(time.Second) // so that the newest request is the newest
	w.command(user, "/access", "request bastion-shell")
	d := w.do(w.sim.SubmitView(w.ctx, user, map[string]map[string]any{
		"entitlement": {"value": "0"}, "duration": {"value": "1h"}, "reason": {"value": reason}, "field:ticket": {"value": "OPS-12"},
	}))
	if len(d.Errors) > 0 {
		w.t.Fatalf("the form came back: %v", d.Errors)
	}
	w.run()
	ids, err := w.m.List(w.ctx, workflows.ListMine, string(w.people[user]), 1)
	if err != nil || len(ids) == 0 {
		v, _ := w.sim.View(user)
		w.t.Fatalf("no request came of it: %v\n%s\n%s", err, v.Visible(), w.log)
	}
	return workflows.RequestID(ids[0].Rest())
}

// card is the newest message of a channel that has blocks.
func (w *world) card(channel string) slacksim.Message {
	w.t.Helper()
	list := w.sim.Messages(channel)
	for i := len(list) - 1; i >= 0; i-- {
		if len(list[i].Blocks) > 0 && list[i].ThreadTS == "" {
			return list[i]
		}
	}
	w.t.Fatalf("no card in %s; log:\n%s", channel, w.log)
	return slacksim.Message{}
}

func (w *world) dm(user string) slacksim.Message {
	w.t.Helper()
	list := w.sim.DM(user)
	if len(list) == 0 {
		w.t.Fatalf("%s was told nothing; log:\n%s", user, w.log)
	}
	return list[len(list)-1]
}

func (w *world) click(user string, m slacksim.Message, action string) slacksim.Delivery {
	w.t.Helper()
	return w.do(w.sim.Click(w.ctx, slacksim.Press{User: user, Channel: m.Channel, TS: m.TS, ActionID: action, Confirmed: true}))
}

func (w *world) state(id workflows.RequestID) desk.View {
	w.t.Helper()
	v, err := w.desk.Look(w.ctx, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// refusals lists the codes recorded on a stream.
func (w *world) refusals(s workflows.StreamID) []string {
	var out []string
	h, _ := w.m.History(w.ctx, s)
	for _, r := range h {
		if e, ok := r.Event.(workflows.Refused); ok {
			out = append(out, e.Code)
		}
	}
	return out
}

func wantIn(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}
