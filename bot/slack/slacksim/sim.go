package slacksim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"
)

// mountSim serves the control API: what the browser page and a demo in another process use. It is for whoever started the
// simulator; requests made by foreign web pages are refused.
func (w *Workspace) mountSim(mux *http.ServeMux) {
	mux.HandleFunc("GET /sim/state", w.serveState)
	mux.HandleFunc("GET /sim/events", w.serveChanges)
	mux.HandleFunc("GET /sim/live", w.serveLive)
	mux.HandleFunc("GET /sim/messages", w.serveMessages)
	mux.HandleFunc("GET /sim/traffic", func(rw http.ResponseWriter, _ *http.Request) { writeJSON(rw, w.Traffic()) })
	mux.HandleFunc("GET /sim/faults", func(rw http.ResponseWriter, _ *http.Request) { writeJSON(rw, w.Faults()) })
	mux.HandleFunc("GET /sim/stats", func(rw http.ResponseWriter, _ *http.Request) { writeJSON(rw, w.SocketStats()) })
	mux.HandleFunc("POST /sim/act", w.serveAct)
	mux.HandleFunc("POST /sim/admin", w.serveAdmin)
}

func writeJSON(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	_, _ = rw.Write(encode(v)) // the client is gone: nobody to tell
}

// readCommand decodes the body of a control request. A JSON content type cannot be sent across origins without the browser asking
// first, and nobody answers that question; the Origin check says the same again.
func readCommand(rw http.ResponseWriter, r *http.Request, into any) bool {
	if o := r.Header.Get("Origin"); o != "" {
		if u, err := url.Parse(o); err != nil || u.Host != r.Host {
			http.Error(rw, "a page of another site may not act here", http.StatusForbidden)
			return false
		}
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		http.Error(rw, "the body must be application/json", http.StatusUnsupportedMediaType)
		return false
	}
	data, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		http.Error(rw, "reading the command: "+err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

// Action is one act in the JSON form of POST /sim/act. Do is one of command, click, select, suggest, submit, close, home, shortcut,
// message_shortcut, post, react, read; the other fields are those of the Go method of that name.
type Action struct {
	Do        string                    `json:"do"`
	User      string                    `json:"user"`
	Channel   string                    `json:"channel,omitempty"`
	TS        string                    `json:"ts,omitempty"`
	Thread    string                    `json:"thread,omitempty"`
	Home      bool                      `json:"home,omitempty"`
	ActionID  string                    `json:"action_id,omitempty"`
	BlockID   string                    `json:"block_id,omitempty"`
	Values    []string                  `json:"values,omitempty"`
	Confirmed bool                      `json:"confirmed,omitempty"`
	Value     string                    `json:"value,omitempty"`
	Command   string                    `json:"command,omitempty"`
	Text      string                    `json:"text,omitempty"`
	Callback  string                    `json:"callback_id,omitempty"`
	Entered   map[string]map[string]any `json:"entered,omitempty"`
}

// ActionResult is the answer of POST /sim/act: Delivery in JSON.
type ActionResult struct {
	OK      bool              `json:"ok"`
	Acked   bool              `json:"acked"`
	Local   bool              `json:"local,omitempty"`
	Error   string            `json:"error,omitempty"`
	Code    string            `json:"code,omitempty"` // operation_timeout, dispatch_failed, bad_response, needs_confirm, invalid_form, not_there, deactivated
	Fields  map[string]string `json:"fields,omitempty"`
	Payload json.RawMessage   `json:"payload,omitempty"`
	TS      string            `json:"ts,omitempty"`
	Options []Object          `json:"options,omitempty"`
}

func (w *Workspace) serveAct(rw http.ResponseWriter, r *http.Request) {
	var a Action
	if readCommand(rw, r, &a) {
		writeJSON(rw, w.Do(r.Context(), a))
	}
}

// Do carries out one act given as data. It is what POST /sim/act calls.
func (w *Workspace) Do(ctx context.Context, a Action) ActionResult {
	p := Press{
		User: a.User, Channel: a.Channel, TS: a.TS, Home: a.Home, ActionID: a.ActionID, BlockID: a.BlockID, Values: a.Values,
		Confirmed: a.Confirmed, Value: a.Value,
	}
	var d Delivery
	var options []Object
	switch a.Do {
	case "command":
		d = w.Command(ctx, a.User, a.Channel, a.Command, a.Text)
	case "click":
		d = w.Click(ctx, p)
	case "select":
		d = w.Select(ctx, p)
	case "suggest":
		options, d = w.Suggest(ctx, p, a.Text)
	case "submit":
		d = w.SubmitView(ctx, a.User, a.Entered)
	case "close":
		d = w.CloseView(ctx, a.User)
	case "home":
		d = w.OpenHome(ctx, a.User)
	case "shortcut":
		d = w.Shortcut(ctx, a.User, a.Callback)
	case "message_shortcut":
		d = w.MessageShortcut(ctx, a.User, a.Channel, a.TS, a.Callback)
	case "post":
		d = w.Post(ctx, a.User, a.Channel, a.Text, a.Thread)
	case "react":
		d = w.React(ctx, a.User, a.Channel, a.TS, a.Text)
	case "read":
		w.MarkRead(a.User, a.Channel)
		d = Delivery{Local: true}
	default:
		d = Delivery{Err: fmt.Errorf("unknown act %q", a.Do)}
	}
	return d.result(options)
}

func (d Delivery) result(options []Object) ActionResult {
	r := ActionResult{
		OK: d.Err == nil, Acked: d.Acked, Local: d.Local, Payload: d.AckPayload, TS: d.TS, Fields: d.Errors, Options: options,
	}
	if d.Err == nil {
		return r
	}
	r.Error = d.Err.Error()
	var form *FormError
	if errors.As(d.Err, &form) {
		r.Fields = form.Fields
	}
	for code, known := range map[string]error{
		"operation_timeout": ErrOperationTimeout, "dispatch_failed": ErrDispatchFailed, "bad_response": ErrBadResponse,
		"needs_confirm": ErrNeedsConfirm, "invalid_form": ErrInvalidForm, "not_there": ErrNotThere, "deactivated": ErrDeactivated,
	} {
		if errors.Is(d.Err, known) {
			r.Code = code
		}
	}
	return r
}

// admin is the body of POST /sim/admin: what an administrator, or fate, does to the workspace.
type admin struct {
	Do      string          `json:"do"`
	User    string          `json:"user"`
	Channel string          `json:"channel"`
	Group   string          `json:"group"`
	Members []string        `json:"members"`
	Fields  json.RawMessage `json:"fields"` // of User, for set_user and add_user
	Fault   Fault           `json:"fault"`
	Chaos   Chaos           `json:"chaos"`
	Count   int             `json:"count"`
	GraceMS int             `json:"grace_ms"`
}

func (w *Workspace) serveAdmin(rw http.ResponseWriter, r *http.Request) {
	var a admin
	if !readCommand(rw, r, &a) {
		return
	}
	if err := w.administer(a); err != nil {
		rw.WriteHeader(http.StatusUnprocessableEntity)
		writeJSON(rw, Object{"ok": false, "error": err.Error()})
		return
	}
	writeJSON(rw, Object{"ok": true})
}

func (w *Workspace) administer(a admin) error {
	switch a.Do {
	case "set_user":
		var bad error
		err := w.SetUser(a.User, func(u *User) { bad = json.Unmarshal(a.Fields, u) })
		return errors.Join(err, bad)
	case "add_user":
		var u User
		if err := json.Unmarshal(a.Fields, &u); err != nil {
			return fmt.Errorf("reading the user: %w", err)
		}
		_, err := w.AddUser(u)
		return err
	case "set_group":
		return w.SetGroup(a.Group, a.Members...)
	case "archive":
		return w.ArchiveChannel(a.Channel, a.User)
	case "share":
		return w.ShareChannel(a.Channel)
	case "join":
		return w.Join(a.User, a.Channel)
	case "leave":
		return w.Leave(a.User, a.Channel)
	}
	return w.misbehave(a)
}

func (w *Workspace) misbehave(a admin) error {
	switch a.Do {
	case "revoke":
		w.RevokeTokens()
	case "uninstall":
		w.Uninstall()
	case "inject":
		w.Inject(a.Fault)
	case "clear_faults":
		w.ClearFaults()
	case "chaos":
		w.SetChaos(a.Chaos)
	case "ghosts":
		w.SetGhosts(a.Count)
	case "cut":
		w.CutConnections()
	case "warn":
		w.WarnConnections(time.Duration(a.GraceMS) * time.Millisecond)
	case "refresh":
		w.RefreshConnections()
	case "disable_link":
		w.DisableLink()
	default:
		return fmt.Errorf("unknown command %q", a.Do)
	}
	return nil
}

func (w *Workspace) serveMessages(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case q.Get("dm") != "":
		writeJSON(rw, nonNil(w.DM(q.Get("dm"))))
	case q.Get("thread") != "":
		writeJSON(rw, nonNil(w.Thread(q.Get("channel"), q.Get("thread"))))
	case q.Get("for") != "":
		writeJSON(rw, nonNil(w.Ephemerals(q.Get("for"), q.Get("channel"))))
	default:
		writeJSON(rw, nonNil(w.Messages(q.Get("channel"))))
	}
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// serveChanges streams one server-sent event per change, the workspace's revision as data.
func (w *Workspace) serveChanges(rw http.ResponseWriter, r *http.Request) {
	flusher, ok := rw.(http.Flusher)
	if !ok {
		http.Error(rw, "streaming is not possible here", http.StatusNotImplemented)
		return
	}
	if !w.subscribe(1) {
		http.Error(rw, "too many pages are listening", http.StatusServiceUnavailable)
		return
	}
	defer w.subscribe(-1)
	rw.Header().Set("Content-Type", "text/event-stream")
	rw.Header().Set("Cache-Control", "no-store")
	idle := time.NewTicker(httpIdle)
	defer idle.Stop()
	last := uint64(0)
	for {
		w.mu.Lock()
		rev, changed := w.rev, w.changed
		w.mu.Unlock()
		line := ": still here\n\n"
		if rev != last {
			last, line = rev, fmt.Sprintf("data: %d\n\n", rev)
		}
		if _, err := io.WriteString(rw, line); err != nil {
			return
		}
		flusher.Flush()
		select {
		case <-changed:
		case <-idle.C:
		case <-r.Context().Done():
			return
		case <-w.ctx.Done():
			return
		}
	}
}

// subscribe counts listening pages and reports whether there is room for one more.
func (w *Workspace) subscribe(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n > 0 && w.listeners >= maxSubscribers {
		return false
	}
	w.listeners += n
	return true
}

// serveState is everything the page shows to one user who looks at one place.
func (w *Workspace) serveState(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	user := w.UserID(orString(q.Get("user"), firstPerson(w.cfg.Users)))
	if user == "" {
		http.Error(rw, "no such user", http.StatusNotFound)
		return
	}
	channel := q.Get("channel")
	home, hasHome := w.Home(user)
	state := Object{
		"team": w.cfg.Team, "app": w.cfg.App, "banner": nonNil(w.cfg.Banner), "panel": w.cfg.Panel != nil, "panel_title": w.cfg.PanelTitle,
		"me": user, "views": nonNil(w.Views(user)), "notices": nonNil(w.Notices(user)), "home": nil, "dm": w.DMChannel(user),
	}
	if hasHome {
		state["home"] = home
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	state["now"], state["rev"] = w.now().UnixMilli(), w.rev
	state["connections"] = len(w.sockets.conns)
	w.describe(state, w.findUserID(user), channel, q.Get("thread"))
	writeJSON(rw, state)
}

func firstPerson(users []User) string {
	if len(users) == 0 {
		return ""
	}
	return users[0].Name
}

// describe adds users, channels and the messages of one place. The lock is held.
func (w *Workspace) describe(state Object, me *User, where, thread string) {
	users := []User{}
	for _, u := range w.users {
		users = append(users, *u)
	}
	groups := []Group{}
	for _, g := range w.groups {
		groups = append(groups, g.Group)
	}
	list := []Object{}
	for _, id := range w.order {
		if c := w.channels[id]; c.sees(me) {
			list = append(list, w.describeChannel(c, me))
		}
	}
	state["users"], state["groups"], state["channels"] = users, groups, list
	state["messages"], state["thread"] = []Object{}, []Object{}
	c := w.findChannel(where)
	if c == nil || !c.sees(me) {
		return
	}
	state["channel"] = w.describeChannel(c, me)
	state["messages"] = c.describeMessages(me.ID, "")
	if thread != "" {
		state["thread"] = c.describeMessages(me.ID, thread)
	}
}

func (w *Workspace) describeChannel(c *channel, me *User) Object {
	unread := 0
	for _, m := range c.messages {
		if m.TS > c.read[me.ID] && m.User != me.ID {
			unread++
		}
	}
	return Object{
		"id": c.ID, "name": c.Name, "kind": c.kind(), "topic": c.Topic, "archived": c.Archived, "ext_shared": c.ExtShared,
		"member": c.has(me.ID), "members": len(c.Members), "unread": unread, "with_app": c.im != "",
	}
}

// describeMessages lists what one user sees: the messages of a channel, or of one thread, with what only they see between them.
func (c *channel) describeMessages(user, thread string) []Object {
	out := []Object{}
	recent := c.messages
	if thread == "" {
		recent = recent[max(0, len(recent)-maxPageMessages):]
	}
	for _, m := range slices.Concat(recent, c.ephemeral[user]) {
		inThread := m.ThreadTS != "" && m.ThreadTS != m.TS
		if thread == "" && inThread && !m.Broadcast {
			continue
		}
		if thread != "" && m.TS != thread && m.ThreadTS != thread {
			continue
		}
		out = append(out, c.describeMessage(m))
	}
	sort.Slice(out, func(i, j int) bool { return out[i]["ts"].(string) < out[j]["ts"].(string) })
	return out
}

func (c *channel) describeMessage(m *Message) Object {
	replies, last := 0, ""
	var who []string
	for _, r := range c.messages {
		if r.ThreadTS == m.TS && r.TS != m.TS {
			replies, last = replies+1, r.TS
			if !slices.Contains(who, r.User) {
				who = append(who, r.User)
			}
		}
	}
	return Object{
		"ts": m.TS, "user": m.User, "text": m.Text, "blocks": m.Blocks, "attachments": m.Attachments, "bot": m.BotID != "",
		"thread_ts": m.ThreadTS, "edited": m.EditedTS != "", "ephemeral": m.Ephemeral, "reactions": m.Reactions,
		"replies": replies, "last_reply": last, "reply_users": nonNil(who), "broadcast": m.Broadcast,
	}
}
