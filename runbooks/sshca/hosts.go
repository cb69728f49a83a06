package sshca

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

const hostsFile = "hosts.json"

var hostName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// hosts remembers which list each host says it has in place. It is less precious than the register: when it is lost,
// revocations stay unconfirmed until the hosts report again.
type hosts struct {
	expected []string
	known    map[string]hostReport
}

// hostReport is the last word of one host.
type hostReport struct {
	Have  uint64 `json:"have"`            // version in place; 0: none
	Seen  int64  `json:"seen"`            // Unix seconds
	Tells bool   `json:"tells,omitempty"` // it tells who is logged in, see told.go
	Sudo  []rule `json:"sudo,omitempty"`  // of grants whose rule of sudo it was given and has not said to be gone
}

// rule names a rule of sudo on a host.
type rule = workflows.GrantID

// Host is what is known about one host.
type Host struct {
	Name string
	Have uint64    // version of the list it has in place
	Seen time.Time // when it last said so; zero: never
}

func loadHosts(dir *os.Root, expected []string) (*hosts, error) {
	h := &hosts{known: map[string]hostReport{}, expected: slices.Compact(slices.Sorted(slices.Values(expected)))}
	for _, name := range h.expected {
		if !isHostName(name) {
			return nil, fmt.Errorf("reading the hosts: %q cannot be a host's name", name)
		}
	}
	raw, err := runbooks.ReadFile(dir, hostsFile, maxRegister)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the hosts: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&h.known); err != nil {
		// Losing the reports is safe, refusing to start would stop revocations.
		h.known = map[string]hostReport{}
	}
	return h, nil
}

func isHostName(name string) bool { return len(name) <= maxHostName && hostName.MatchString(name) }

// report takes a host's word and tells whether it was taken, and whether it must be written now: only when a version
// moved, since the time alone would write the file at every pull of every host.
func (h *hosts) report(name string, have, current uint64, now time.Time) (taken, moved bool) {
	old, known := h.known[name]
	before := old.Have
	switch {
	case !isHostName(name):
		return false, false
	case len(h.expected) > 0 && !slices.Contains(h.expected, name):
		return false, false
	case !known && len(h.known) >= maxHosts:
		return false, false
	case have > current:
		// A version that was never made: from another CA, or from before the register was lost. It confirms nothing.
		have = 0
	}
	old.Have, old.Seen = have, now.Unix()
	h.known[name] = old
	return true, !known || before != have
}

// all lists the hosts that count, by name.
func (h *hosts) all() []Host {
	names := h.expected
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(h.known))
	}
	out := make([]Host, 0, len(names))
	for _, name := range names {
		host := Host{Name: name}
		if r, ok := h.known[name]; ok {
			host.Have, host.Seen = r.Have, time.Unix(r.Seen, 0).UTC()
		}
		out = append(out, host)
	}
	return out
}

// confirm is the presence of a serial that was first listed in the given version.
// Of a grant that holds on a group of hosts alone, only those count.
func (h *hosts) confirm(group []string, version uint64, now time.Time) (runbooks.Presence, error) {
	all := h.all()
	if len(group) > 0 {
		all = slices.DeleteFunc(all, func(x Host) bool { return !slices.Contains(group, x.Name) })
	}
	if len(all) == 0 {
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, nil,
			"no host has pulled the revocation list yet, so nobody can say that the certificate is refused")
	}
	missing := slices.DeleteFunc(slices.Clone(all), func(x Host) bool { return x.Have >= version })
	if len(missing) == 0 {
		return runbooks.Absent, nil
	}
	var words []string
	for _, x := range missing[:min(len(missing), namedHosts)] {
		words = append(words, x.Name+" ("+lastSeen(x, now)+")")
	}
	if n := len(missing) - namedHosts; n > 0 {
		words = append(words, fmt.Sprintf("%d more", n))
	}
	return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, nil,
		"%d of %d hosts have not pulled the list with this certificate: %s", len(missing), len(all), strings.Join(words, ", "))
}

func lastSeen(x Host, now time.Time) string {
	if x.Seen.IsZero() {
		return "never seen"
	}
	return "last seen " + max(0, now.Sub(x.Seen)).Round(time.Second).String() + " ago"
}

// Hosts lists the hosts that count for Check and what they have, by name.
func (c *Connector) Hosts() []Host {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hosts.all()
}

// saveHosts writes the reports; the caller holds mu.
func (c *Connector) saveHosts() error {
	raw, err := json.Marshal(c.hosts.known)
	if err != nil {
		return fmt.Errorf("encoding the hosts: %w", err)
	}
	return runbooks.ReplaceFile(c.dir, hostsFile, raw, 0o600)
}
