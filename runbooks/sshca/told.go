package sshca

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// PathHost takes what a host tells of itself, and answers what it is to do: see Report and Orders.
const PathHost = "/sshca/host"

// Report is what a host tells once a minute: who is logged in or was, which keys open it beside the CA's certificates, and which
// rules of sudo it has in place.
type Report struct {
	Host     string              `json:"host"`
	Nonce    string              `json:"nonce"` // ties the answer to this question
	Sessions []HostSession       `json:"sessions"`
	Keys     []LooseKey          `json:"keys"`
	Sudo     []workflows.GrantID `json:"sudo"`
}

// HostSession is a login with one of our certificates, as sshd's log tells it.
type HostSession struct {
	Serial uint64    `json:"serial"`
	User   string    `json:"user"`
	From   string    `json:"from"`  // address:port
	Since  time.Time `json:"since"` // zero: the log has no times
	Live   bool      `json:"live"`
	Ended  time.Time `json:"ended"` // zero while it lives, or when the log does not tell
}

// LooseKey is a key in somebody's authorized_keys: it opens the host whatever the CA says, and does not end.
type LooseKey struct {
	User        string `json:"user"`
	File        string `json:"file"`
	Fingerprint string `json:"fingerprint"`
}

// Orders are what a host is to do: the rules of sudo to have in place, and whose sessions are over.
type Orders struct {
	Sudo []SudoRule `json:"sudo"`
	End  []uint64   `json:"end"` // serials of certificates that are revoked or over, of sessions that the host told
}

// told is what hosts told since the start. What a host does not tell again within tellsFor is not believed any more.
type told struct {
	hosts *hosts
	last  map[string]heard
}

type heard struct {
	at     time.Time
	report Report
}

func newTold(h *hosts) *told { return &told{hosts: h, last: map[string]heard{}} }

// sudoOn names the hosts that were given a grant's rule of sudo and have not said that it is gone.
func (t *told) sudoOn(id workflows.GrantID) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(t.hosts.known)) {
		if slices.Contains(t.hosts.known[name].Sudo, id) {
			out = append(out, name)
		}
	}
	return out
}

// silent names a host that tells of its sessions and has not done so lately: nothing can be said of what goes on there.
func (t *told) silent(group []string, now time.Time) (name string, any bool) {
	for _, name := range slices.Sorted(maps.Keys(t.hosts.known)) {
		if !t.hosts.known[name].Tells || len(group) > 0 && !slices.Contains(group, name) {
			continue
		}
		any = true
		if x, ok := t.last[name]; !ok || now.Sub(x.at) > tellsFor {
			return name, any
		}
	}
	return "", any
}

// serveHost takes a host's report. Without a token nobody is believed: sessions are evidence, and rules of sudo name people.
func (c *Connector) serveHost(w http.ResponseWriter, r *http.Request) {
	if c.token.IsZero() || !c.isBelieved(r) {
		http.Error(w, "hosts that tell of their sessions need the token of this bot", http.StatusUnauthorized)
		return
	}
	var in Report
	if err := json.NewDecoder(io.LimitReader(r.Body, maxReport)).Decode(&in); err != nil || len(in.Sessions) > maxTold || len(in.Keys) > maxTold || len(in.Nonce) > 64 {
		http.Error(w, "the report cannot be read", http.StatusBadRequest)
		return
	}
	orders, err := c.hear(in)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	body, err := json.Marshal(orders)
	if err == nil {
		var signature string
		if signature, err = c.authority.signList(body, in.Nonce); err == nil {
			w.Header().Set(headerSignature, signature)
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body)
			return
		}
	}
	http.Error(w, "the answer could not be made", http.StatusInternalServerError)
}

// hear takes a report in and gives the orders. What a host was ordered to put in place is written down before it hears of it.
func (c *Connector) hear(in Report) (Orders, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	have := c.hosts.known[in.Host].Have
	if taken, _ := c.hosts.report(in.Host, have, c.reg.Version, now); !taken {
		return Orders{}, fmt.Errorf("%.64q is none of this bot's hosts", in.Host)
	}
	orders := Orders{Sudo: c.sudoRules(in.Host), End: c.over(in.Sessions)}
	x := c.hosts.known[in.Host]
	x.Tells, x.Sudo = true, slices.Clone(in.Sudo)
	for _, r := range orders.Sudo {
		if !slices.Contains(x.Sudo, r.Grant) {
			x.Sudo = append(x.Sudo, r.Grant)
		}
	}
	c.hosts.known[in.Host] = x
	if err := c.saveHosts(); err != nil {
		return Orders{}, fmt.Errorf("the report could not be written down")
	}
	c.told.last[in.Host] = heard{now, in}
	return orders, nil
}

// over are the certificates behind live sessions that are revoked or have ended.
func (c *Connector) over(sessions []HostSession) []uint64 {
	var out []uint64
	for _, s := range sessions {
		x, known := c.reg.Issued[s.Serial]
		_, revoked := c.reg.find(s.Serial)
		if s.Live && (revoked || known && !c.now().Before(time.Unix(x.Until, 0))) && !slices.Contains(out, s.Serial) {
			out = append(out, s.Serial)
		}
	}
	return out
}

// TellsSessions says whether any host tells who is logged in.
func (c *Connector) TellsSessions() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, any := c.told.silent(nil, c.now())
	return any
}

// ListSessions gives the logins with the grant's certificate that hosts tell of.
func (c *Connector) ListSessions(ctx context.Context, g runbooks.Grant) ([]runbooks.Session, error) {
	all, err := c.sessions(ctx, g)
	return slices.DeleteFunc(all, func(s runbooks.Session) bool { return !s.Ended.IsZero() }), err
}

// PastSessions gives those that are over, too, as far as the hosts' logs reach.
func (c *Connector) PastSessions(ctx context.Context, g runbooks.Grant, since time.Time) iter.Seq2[runbooks.Session, error] {
	return func(yield func(runbooks.Session, error) bool) {
		all, err := c.sessions(ctx, g)
		if err != nil {
			yield(runbooks.Session{}, err)
			return
		}
		for _, s := range all {
			if (s.Since.IsZero() || !s.Since.Before(since)) && !yield(s, nil) {
				return
			}
		}
	}
}

func (c *Connector) sessions(ctx context.Context, g runbooks.Grant) ([]runbooks.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, runbooks.Errorf(runbooks.Retry, err, "the call was cut short")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch name, any := c.told.silent(c.groups[one(g.Params, ParamHostGroup)], c.now()); {
	case !any:
		return nil, nil
	case name != "":
		return nil, runbooks.Errorf(runbooks.Retry, nil, "the host %.64s has not told of its sessions for some minutes", name)
	}
	var out []runbooks.Session
	serial := Serial(g.ID)
	for _, host := range slices.Sorted(maps.Keys(c.told.last)) {
		x := c.told.last[host]
		for _, s := range x.report.Sessions {
			if s.Serial != serial {
				continue
			}
			one := runbooks.Session{Ref: host + " " + s.From, Login: s.User, From: hostOf(s.From), With: "sshd on " + host, Since: s.Since, Ended: s.Ended}
			if !s.Live && one.Ended.IsZero() {
				one.Ended = x.at
			}
			out = append(out, one)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Since.Compare(out[j].Since) < 0 })
	return out, nil
}

// hostOf is an address without its port.
func hostOf(from string) string {
	if i := strings.LastIndexByte(from, ':'); i > 0 {
		return from[:i]
	}
	return from
}

// looseKeys are the keys beside the CA that hosts told of, by host.
func (c *Connector) looseKeys() iter.Seq2[string, LooseKey] {
	return func(yield func(string, LooseKey) bool) {
		for _, host := range slices.Sorted(maps.Keys(c.told.last)) {
			for _, k := range c.told.last[host].report.Keys {
				if !yield(host, k) {
					return
				}
			}
		}
	}
}
