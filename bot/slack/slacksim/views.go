package slacksim

import (
	"encoding/json"
	"maps"
	"slices"
)

type view struct {
	id, user, kind, callbackID, externalID, metadata, hash string
	rootID, previousID                                     string
	title, submit, close                                   Object
	blocks                                                 []Object
	state                                                  values
	clearOnClose, notifyOnClose                            bool
	offered                                                suggestions
	errors                                                 map[string]string
	notice                                                 string
}

func (v *view) seen() View {
	return View{
		ID: v.id, Type: v.kind, CallbackID: v.callbackID, ExternalID: v.externalID, PrivateMetadata: v.metadata, Hash: v.hash,
		Title: textOf(v.title), Submit: textOf(v.submit), Close: textOf(v.close), Blocks: v.blocks,
		State: v.state.clone(), Errors: maps.Clone(v.errors), Notice: v.notice,
	}
}

func textOf(o Object) string {
	s, _ := o["text"].(string)
	return s
}

// object is the view in the form Slack puts it into answers and payloads.
func (w *Workspace) viewObject(v *view) Object {
	o := Object{
		"id": v.id, "team_id": w.actorTeam(v.user), "type": v.kind, "blocks": anyList(v.blocks), "private_metadata": v.metadata,
		"callback_id": v.callbackID, "state": Object{"values": v.state.plainObject()}, "hash": v.hash,
		"clear_on_close": v.clearOnClose, "notify_on_close": v.notifyOnClose, "root_view_id": v.rootID,
		"app_id": w.cfg.App.ID, "external_id": v.externalID, "app_installed_team_id": w.cfg.Team.ID, "bot_id": w.cfg.App.BotID,
		"title": Object{"type": "plain_text", "text": "View Title", "emoji": true}, "submit": nil, "close": nil, "previous_view_id": nil,
	}
	if v.title != nil {
		o["title"] = v.title
	}
	if v.submit != nil {
		o["submit"] = v.submit
	}
	if v.close != nil {
		o["close"] = v.close
	}
	if v.previousID != "" {
		o["previous_view_id"] = v.previousID
	}
	return o
}

func anyList[T any](list []T) []any {
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = e
	}
	return out
}

// viewRule is the frame of a view; its blocks are checked apart, because their limits differ by kind.
func viewRule(kind string) objRule {
	fields := map[string]rule{
		"type": strRule{oneOf: []string{kind}}, "blocks": anyRule{}, "callback_id": strRule{max: maxID},
		"private_metadata": strRule{max: maxPrivateMetadata}, "external_id": strRule{max: maxID},
	}
	if kind == "home" {
		return objRule{fields: fields, required: []string{"type", "blocks"}}
	}
	maps.Copy(fields, map[string]rule{
		"title": plain(maxViewTitle), "submit": plain(maxViewTitle), "close": plain(maxViewTitle),
		"clear_on_close": boolRule{}, "notify_on_close": boolRule{}, "submit_disabled": boolRule{},
	})
	return objRule{fields: fields, required: []string{"type", "title", "blocks"}}
}

// checkView validates a modal ("modal") or Home tab ("home") and answers Slack's messages.
func (r *rules) checkView(kind string, o Object) []string {
	blocks, ok := asList(o["blocks"])
	if !ok {
		return []string{"[ERROR] must provide an array of objects [json-pointer:/view/blocks]"}
	}
	c := r.checkBlocks(blocks, maxViewBlocks, "/view/blocks", nil)
	viewRule(kind).check(c, "/view", withoutNulls(o))
	if kind == "modal" && c.inputs > 0 && o["submit"] == nil {
		c.fail("/view", "missing required field: submit (the view has input blocks)")
	}
	return c.messages
}

func withoutNulls(o Object) Object {
	out := Object{}
	for k, v := range o {
		if v != nil {
			out[k] = v
		}
	}
	return out
}

// makeView turns an accepted view object into a view. Fields and what the user typed are kept from before where ids agree.
func (w *Workspace) makeView(user string, o Object, before *view) *view {
	blocks, _ := asList(o["blocks"])
	str := func(key string) string { s, _ := o[key].(string); return s }
	obj := func(key string) Object {
		t, _ := w.normal(o[key]).(Object)
		return t
	}
	v := &view{
		id: w.freshID("V"), user: user, kind: str("type"), callbackID: str("callback_id"), externalID: str("external_id"),
		metadata: str("private_metadata"), title: obj("title"), submit: obj("submit"), close: obj("close"),
		blocks: w.normalise(blocks), clearOnClose: o["clear_on_close"] == true, notifyOnClose: o["notify_on_close"] == true,
		hash: w.viewHash(), offered: suggestions{},
	}
	v.rootID = v.id
	var kept values
	if before != nil {
		v.id, v.rootID, v.previousID, kept, v.offered = before.id, before.rootID, before.previousID, before.state, before.offered
	}
	v.state = initialValues(v.blocks, kept)
	return v
}

// decodeView reads the view argument, which is JSON text in a form body and an object in a JSON body.
func decodeView(raw any) (Object, int, bool) {
	switch v := raw.(type) {
	case Object:
		data, err := json.Marshal(v)
		return v, len(data), err == nil
	case string:
		var o Object
		err := json.Unmarshal([]byte(v), &o)
		return o, len(v), err == nil && o != nil
	}
	return nil, 0, false
}

func (w *Workspace) externalIDTaken(id string, except *view) bool {
	if id == "" {
		return false
	}
	for _, v := range w.allViews() {
		if v.externalID == id && (except == nil || v.id != except.id) {
			return true
		}
	}
	return false
}

func (w *Workspace) allViews() []*view {
	var out []*view
	for _, u := range slices.Sorted(maps.Keys(w.stacks)) {
		out = append(out, w.stacks[u]...)
	}
	for _, u := range slices.Sorted(maps.Keys(w.homes)) {
		out = append(out, w.homes[u])
	}
	return out
}

func (w *Workspace) top(user string) *view {
	if s := w.stacks[user]; len(s) > 0 {
		return s[len(s)-1]
	}
	return nil
}

// replace puts the new version of a view where the old one with the same id stands.
func (w *Workspace) replace(v *view) bool {
	if h := w.homes[v.user]; h != nil && h.id == v.id {
		w.homes[v.user] = v
		return true
	}
	for i, old := range w.stacks[v.user] {
		if old.id == v.id {
			w.stacks[v.user][i] = v
			return true
		}
	}
	return false
}

func (w *Workspace) push(user string, v *view) {
	if t := w.top(user); t != nil {
		v.rootID, v.previousID = t.rootID, t.id
	}
	w.stacks[user] = append(w.stacks[user], v)
}

func (w *Workspace) pop(user string) {
	if s := w.stacks[user]; len(s) > 0 {
		w.stacks[user] = s[:len(s)-1]
	}
}
