package slacksim

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// call is one Web API request with its arguments, whatever way they came.
type call struct {
	w      *Workspace
	r      *http.Request
	method string
	token  string
	args   Object
	base   string
}

// method is one row of the Web API: who may call it with which scopes, and what it does. do runs with the workspace's lock held.
type method struct {
	do     func(*call) Object
	scopes []string // any one of them is enough; nil needs none
	app    bool     // wants the app-level token
	open   bool     // wants no token
	tier   int      // calls a minute
}

// methods is the whole Web API of the simulator.
func methods() map[string]method {
	read := []string{"channels:read", "groups:read", "im:read", "mpim:read"}
	history := []string{"channels:history", "groups:history", "im:history", "mpim:history"}
	write := []string{"chat:write"}
	return map[string]method{
		"auth.test":                    {do: authTest, tier: 300},
		"oauth.v2.access":              {do: oauthAccess, open: true, tier: 300},
		"apps.connections.open":        {do: connectionsOpen, app: true, tier: 50},
		"chat.postMessage":             {do: chatPostMessage, scopes: write, tier: 300},
		"chat.update":                  {do: chatUpdate, scopes: write, tier: 50},
		"chat.delete":                  {do: chatDelete, scopes: write, tier: 50},
		"chat.postEphemeral":           {do: chatPostEphemeral, scopes: write, tier: 100},
		"chat.getPermalink":            {do: chatGetPermalink, tier: 300},
		"conversations.open":           {do: conversationsOpen, scopes: []string{"im:write", "mpim:write", "channels:manage", "groups:write"}, tier: 50},
		"conversations.info":           {do: conversationsInfo, scopes: read, tier: 50},
		"conversations.members":        {do: conversationsMembers, scopes: read, tier: 100},
		"conversations.list":           {do: conversationsList, scopes: read, tier: 20},
		"conversations.history":        {do: conversationsHistory, scopes: history, tier: 50},
		"conversations.replies":        {do: conversationsReplies, scopes: history, tier: 50},
		"conversations.join":           {do: conversationsJoin, scopes: []string{"channels:join"}, tier: 50},
		"users.info":                   {do: usersInfo, scopes: []string{"users:read"}, tier: 100},
		"users.list":                   {do: usersList, scopes: []string{"users:read"}, tier: 20},
		"users.lookupByEmail":          {do: usersLookupByEmail, scopes: []string{"users:read.email"}, tier: 50},
		"dnd.info":                     {do: dndInfo, scopes: []string{"dnd:read"}, tier: 50},
		"usergroups.list":              {do: usergroupsList, scopes: []string{"usergroups:read"}, tier: 20},
		"usergroups.users.list":        {do: usergroupsUsersList, scopes: []string{"usergroups:read"}, tier: 20},
		"views.open":                   {do: viewsOpen, tier: 100},
		"views.push":                   {do: viewsPush, tier: 100},
		"views.update":                 {do: viewsUpdate, tier: 100},
		"views.publish":                {do: viewsPublish, tier: 100},
		"reactions.add":                {do: reactionsAdd, scopes: []string{"reactions:write"}, tier: 50},
		"team.info":                    {do: teamInfo, scopes: []string{"team:read"}, tier: 50},
		"bots.info":                    {do: botsInfo, scopes: []string{"users:read"}, tier: 50},
		"files.getUploadURLExternal":   {do: filesGetUploadURL, scopes: []string{"files:write"}, tier: 100},
		"files.completeUploadExternal": {do: filesCompleteUpload, scopes: []string{"files:write"}, tier: 100},

		"functions.completeSuccess":             {do: functionsCompleteSuccess, tier: 50},
		"functions.completeError":               {do: functionsCompleteError, tier: 50},
		"assistant.threads.setSuggestedPrompts": {do: assistantSuggest, scopes: []string{"assistant:write"}, tier: 50},
	}
}

// allScopes is what an app gets whose seed names no scopes.
func allScopes() []string {
	set := map[string]bool{"commands": true}
	for _, m := range methods() {
		for _, s := range m.scopes {
			set[s] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func fail(code string) Object { return Object{"ok": false, "error": code} }

func failWith(code string, messages []string) Object {
	return Object{"ok": false, "error": code, "response_metadata": Object{"messages": anyList(messages)}}
}

func (w *Workspace) serveAPI(rw http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, method: strings.TrimPrefix(r.URL.Path, "/api/"), base: w.baseOf(r)}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		http.Error(rw, "request_entity_too_large", http.StatusRequestEntityTooLarge)
		return
	}
	c.args, c.token = arguments(r, body)
	fault := w.takeFault(func(f *Fault) bool { return f.isAPI() && f.matches(c.method) })
	if fault != nil && !fault.After {
		if fault.answersAPI() {
			w.answerFault(rw, r, c, fault, nil)
			return
		}
		w.pause(r.Context(), fault.delay())
	}
	answer, status := w.answer(c, rw.Header())
	if fault != nil && fault.answersAPI() {
		w.answerFault(rw, r, c, fault, answer)
		return
	}
	data := encode(answer)
	w.record(Record{Kind: "api", From: "app", Name: c.method, Request: redactArgs(c.args), Response: string(data), Status: status})
	if fault != nil && fault.Kind == FaultSlowBody {
		slowly(r.Context(), rw, data, fault.delay())
		return
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = rw.Write(data) // the client is gone: nobody to tell
}

// answer does the call and says the HTTP status, 200 for everything but a rate limit.
func (w *Workspace) answer(c *call, header http.Header) (Object, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.base = orString(w.cfg.BaseURL, c.base)
	header.Set("X-Slack-Req-Id", w.freshHex(32))
	m, known := methods()[c.method]
	if !known {
		return Object{"ok": false, "error": "unknown_method", "req_method": c.method}, http.StatusOK
	}
	if code := w.authorise(c, m); code != "" {
		return fail(code), http.StatusOK
	}
	header.Set("X-OAuth-Scopes", strings.Join(w.cfg.App.Scopes, ","))
	header.Set("X-Accepted-OAuth-Scopes", strings.Join(m.scopes, ","))
	if !m.app && len(m.scopes) > 0 && !w.hasScope(m.scopes...) {
		return w.missingScope(m.scopes...), http.StatusOK
	}
	if wait := w.overRate(c, m); wait > 0 {
		header.Set("Retry-After", strconv.Itoa(wait))
		return fail("ratelimited"), http.StatusTooManyRequests
	}
	return m.do(c), http.StatusOK
}

func (w *Workspace) authorise(c *call, m method) string {
	if m.open {
		return ""
	}
	app := w.cfg.App
	want, other := app.BotToken, app.AppToken
	if m.app {
		want, other = other, want
	}
	switch {
	case c.token == "":
		return "not_authed"
	case c.token == other:
		return "not_allowed_token_type"
	case !m.app && w.rotated.gave(c.token):
		return w.rotated.state(c.token, w.now())
	case c.token != want:
		return "invalid_auth"
	case w.revoked:
		return "token_revoked"
	}
	return ""
}

func (w *Workspace) hasScope(anyOf ...string) bool {
	return slices.ContainsFunc(anyOf, func(s string) bool { return slices.Contains(w.cfg.App.Scopes, s) })
}

func (w *Workspace) missingScope(needed ...string) Object {
	return Object{
		"ok": false, "error": "missing_scope", "needed": strings.Join(needed, ","), "provided": strings.Join(w.cfg.App.Scopes, ","),
	}
}

// arguments reads a form body, a JSON body or the query, and the token from the header or the form. Slack takes no token from a JSON body.
func arguments(r *http.Request, body []byte) (Object, string) {
	args := Object{}
	for k, v := range r.URL.Query() {
		args[k] = v[0]
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var o Object
		if json.Unmarshal(body, &o) == nil {
			maps.Copy(args, o)
		}
		delete(args, "token")
		return args, token
	}
	for k, v := range formValues(r, body) {
		args[k] = v
	}
	if s, _ := args["token"].(string); s != "" {
		token = s
	}
	delete(args, "token")
	return args, token
}

func (c *call) str(name string) string {
	switch v := c.args[name].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func (c *call) bool(name string) bool {
	s := c.str(name)
	return s == "true" || s == "1"
}

// value is an argument that is JSON: an object or list in a JSON body, text in a form. ok is false for text that is not JSON.
func (c *call) value(name string) (v any, ok bool) {
	s, isText := c.args[name].(string)
	if !isText {
		return c.args[name], true
	}
	if s == "" {
		return nil, true
	}
	err := json.Unmarshal([]byte(s), &v)
	return v, err == nil
}

func (c *call) has(name string) bool {
	_, found := c.args[name]
	return found
}

// page cuts a list by the cursor and limit arguments. Cursors are offsets in disguise.
func page[T any](c *call, list []T, most int) (part []T, next, code string) {
	from, limit := 0, defaultPage
	if cur := c.str("cursor"); cur != "" {
		if _, err := fmt.Sscanf(cur, "c%d=", &from); err != nil || from < 0 || from > len(list) {
			return nil, "", "invalid_cursor"
		}
	}
	if s := c.str("limit"); s != "" && s != "0" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, "", "invalid_limit"
		}
		limit = n
	}
	limit = min(limit, most)
	to := min(from+limit, len(list))
	if to < len(list) {
		next = fmt.Sprintf("c%d=", to)
	}
	return list[from:to], next, ""
}

func encode(o any) []byte {
	data, err := json.Marshal(o)
	if err != nil { // everything here was decoded from JSON or written as literals
		return []byte(`{"ok":false,"error":"internal_error"}`)
	}
	return data
}
