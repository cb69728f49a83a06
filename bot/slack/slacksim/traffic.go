package slacksim

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Record is one exchange between Slack and the app, bodies included and tokens left out.
type Record struct {
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"` // api, response_url, socket, http
	From     string    `json:"from"` // "app" or "slack": who started it
	Name     string    `json:"name"` // Web API method, envelope type
	Request  string    `json:"request"`
	Response string    `json:"response,omitempty"`
	Status   int       `json:"status,omitempty"`
	Fault    string    `json:"fault,omitempty"`
}

// traffic keeps the latest exchanges within two bounds, number and bytes.
type traffic struct {
	list  []Record
	bytes int
}

func (r Record) size() int { return len(r.Request) + len(r.Response) + len(r.Name) }

func (w *Workspace) record(r Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recordLocked(r)
}

func (w *Workspace) recordLocked(r Record) {
	r.At = w.now()
	t := &w.traffic
	t.list, t.bytes = append(t.list, r), t.bytes+r.size()
	if len(t.list) <= maxTraffic && t.bytes <= maxTrafficBytes {
		return
	}
	// An eighth more than needed goes, so that the copy is made once in many records.
	drop := 0
	for drop < len(t.list)-1 && (len(t.list)-drop > maxTraffic*7/8 || t.bytes > maxTrafficBytes*7/8) {
		t.bytes -= t.list[drop].size()
		drop++
	}
	t.list = slices.Clone(t.list[drop:])
}

// Traffic returns the latest exchanges, oldest first.
func (w *Workspace) Traffic() []Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.traffic.list)
}

// Calls returns the recorded Web API calls of one method, oldest first.
func (w *Workspace) Calls(method string) []Record {
	return slices.DeleteFunc(w.Traffic(), func(r Record) bool { return r.Kind != "api" || r.Name != method })
}

// TrafficContains finds the first recorded exchange in which the text occurs, plain or as JSON writes it: the canary test for secrets.
func (w *Workspace) TrafficContains(text string) (Record, bool) {
	quoted, _ := json.Marshal(text) // a string always marshals
	needles := []string{text, strings.Trim(string(quoted), `"`)}
	for _, r := range w.Traffic() {
		for _, n := range needles {
			if strings.Contains(r.Request, n) || strings.Contains(r.Response, n) {
				return r, true
			}
		}
	}
	return Record{}, false
}

// redactArgs writes the arguments of a call for the record. The token is no argument any more.
func redactArgs(args Object) string {
	flat := Object{}
	maps.Copy(flat, args)
	for k, v := range flat {
		var inner any
		if s, ok := v.(string); ok && (strings.HasPrefix(s, "[") || strings.HasPrefix(s, "{")) && json.Unmarshal([]byte(s), &inner) == nil {
			flat[k] = inner
		}
	}
	return string(encode(flat))
}

// formValues reads a form body; the query is read elsewhere and never mixed in here.
func formValues(r *http.Request, body []byte) map[string]string {
	out := map[string]string{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		r.Body = readCloser(body)
		if r.ParseMultipartForm(maxBody) == nil {
			for k, v := range r.MultipartForm.Value {
				out[k] = v[0]
			}
		}
		return out
	}
	vals, _ := url.ParseQuery(string(body)) // the pairs before an error are kept, as net/http does
	for k, v := range vals {
		out[k] = v[0]
	}
	return out
}
