package slacksim

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// response is a response_url: five uses within thirty minutes.
type response struct {
	id, user, channel, ts string
	uses                  int
	until                 time.Time
}

// responseURL makes a response_url for an act of user in channel, on the message ts when there is one. The lock is held.
func (w *Workspace) responseURL(kind, user, channel, ts string) string {
	r := &response{id: w.freshHex(24), user: user, channel: channel, ts: ts, until: w.now().Add(responseLife)}
	w.responses[r.id] = r
	w.responseQ = append(w.responseQ, r.id)
	if len(w.responseQ) > maxResponses {
		delete(w.responses, w.responseQ[0])
		w.responseQ = w.responseQ[1:]
	}
	return w.base + "/response/" + r.id + "?kind=" + kind
}

func (w *Workspace) serveResponse(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		http.Error(rw, "request_entity_too_large", http.StatusRequestEntityTooLarge)
		return
	}
	c := &call{w: w, r: r, method: "response_url", base: w.baseOf(r)}
	fault := w.takeFault(func(f *Fault) bool { return f.isAPI() && f.Match != "" && f.matches("response_url") })
	if fault != nil && !fault.After && fault.answersAPI() {
		w.answerFault(rw, r, c, fault, nil)
		return
	}
	if fault != nil {
		w.pause(r.Context(), fault.delay())
	}
	answer, status := w.respond(strings.TrimPrefix(r.URL.Path, "/response/"), body)
	if fault != nil && fault.answersAPI() {
		w.answerFault(rw, r, c, fault, answer)
		return
	}
	w.record(Record{Kind: "response_url", From: "app", Name: "response_url", Request: string(body), Response: string(encode(answer)), Status: status})
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = rw.Write(encode(answer)) // the client is gone: nobody to tell
}

func (w *Workspace) respond(id string, body []byte) (Object, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.responses[id]
	switch {
	case r == nil:
		return fail("invalid_url"), http.StatusNotFound
	case w.now().After(r.until):
		return fail("expired_url"), http.StatusNotFound
	case r.uses >= responseUses:
		return fail("used_url"), http.StatusNotFound
	}
	var o Object
	if json.Unmarshal(body, &o) != nil || o == nil {
		return fail("invalid_payload"), http.StatusBadRequest
	}
	if code := w.reply(r, o); code != nil {
		return code, http.StatusOK
	}
	r.uses++
	return Object{"ok": true}, http.StatusOK
}

// reply carries out what a response_url or the answer of a command says: delete, replace, or a new message for one or all.
func (w *Workspace) reply(r *response, o Object) Object {
	ch := w.channels[r.channel]
	if ch == nil {
		return fail("channel_not_found")
	}
	if o["delete_original"] == true {
		ch.remove(r.ts)
		ch.dropEphemeral(r.user, r.ts)
		w.touch()
		return nil
	}
	d, problem := w.readDraft(&call{w: w, args: o}, maxPostText, true)
	if problem != nil {
		return problem
	}
	original := ch.findEphemeral(r.user, r.ts)
	if original == nil {
		original = ch.find(r.ts)
	}
	if o["replace_original"] == true && original != nil {
		d.hasBlocks = true // a replacement replaces the blocks too
		w.rewrite(original, d)
		w.touch()
		return nil
	}
	if o["response_type"] == "in_channel" {
		m := w.botMessage(ch, d)
		m.ThreadTS, _ = o["thread_ts"].(string)
		ch.add(m)
		w.touch()
		return nil
	}
	m := w.ephemeral(ch, r.user, d)
	m.ThreadTS, _ = o["thread_ts"].(string)
	return nil
}

func (c *channel) dropEphemeral(user, ts string) {
	list := c.ephemeral[user]
	for i, m := range list {
		if m.TS == ts {
			c.ephemeral[user] = append(list[:i:i], list[i+1:]...)
			return
		}
	}
}
