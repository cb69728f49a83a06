package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/countersign-bot/countersign/runbooks/webhook"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

const (
	feedsDir      = "feeds"
	maxFeedNote   = 4 << 20 // bytes: a feed as base64, and what is known about it
	maxValidator  = 1024    // bytes of what a host gives to ask "is it still that?"; a longer one is not kept
	fetchTogether = 8       // feeds that are asked at once
)

// feedNote is what is kept of a feed beside the database: the last good copy and how it came. It is one file, so that the copy and what is said of it
// cannot differ. The address is not in it, for it may be a secret.
type feedNote struct {
	Host     string          `json:"host"`
	At       workflows.Stamp `json:"at"`      // when the copy was last confirmed; zero: there is none
	Changed  workflows.Stamp `json:"changed"` // when it last said something else than before
	ETag     string          `json:"etag,omitempty"`
	Modified string          `json:"modified,omitempty"`
	Tried    workflows.Stamp `json:"tried"`
	Failed   string          `json:"failed,omitempty"` // why the last try gave nothing
	Body     []byte          `json:"body,omitempty"`
}

// feedStore is the folder of the copies.
type feedStore struct{ dir string }

func (c Config) feeds() feedStore {
	if c.Data == "" {
		return feedStore{}
	}
	return feedStore{filepath.Join(c.Data, feedsDir)}
}

// feedName names a feed for people and for the ledger: its host, and what tells it from others there. It does not tell the rest of the address.
func feedName(address string) string {
	if address == "" {
		return ""
	}
	host := "somewhere"
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	return host + "#" + feedKey(address)[:12]
}

func feedKey(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:16])
}

// note reads what is kept of a feed. What cannot be read counts as nothing: it is fetched again.
func (d feedStore) note(address string) feedNote {
	var x feedNote
	if d.dir == "" {
		return x
	}
	f, err := os.Open(filepath.Join(d.dir, feedKey(address)+".json"))
	if err != nil {
		return x
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxFeedNote+1))
	if err != nil || len(b) > maxFeedNote || json.Unmarshal(b, &x) != nil {
		return feedNote{}
	}
	return x
}

// copyOf is the last good copy of a feed; nil: there is none.
func (d feedStore) copyOf(address string) []byte { return d.note(address).Body }

// feedAges implements desk.Feeds for a folder that nobody serves: when each of its feeds was last read by the bot whose copies are here.
type feedAges map[string]workflows.Stamp

// ReadAt implements desk.Feeds.
func (a feedAges) ReadAt(feed string) workflows.Stamp { return a[feed] }

// ages reads how old the copies of the feeds of a folder are.
func (d feedStore) ages(p spec.Policies) feedAges {
	out := feedAges{}
	for _, r := range p.Rotations {
		out[feedName(r.Feed)] = d.note(r.Feed).At
	}
	for _, c := range p.Calendars {
		out[feedName(c.Feed)] = d.note(c.Feed).At
	}
	return out
}

// put keeps a note, whole or not at all.
func (d feedStore) put(address string, x feedNote) error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(x)
	if err != nil {
		return err
	}
	return writeKey(filepath.Join(d.dir, feedKey(address)+".json"), string(b))
}

// prune removes copies of feeds that the folder does not name any more: they may hold names of people.
func (d feedStore) prune(addresses []string) error {
	keep := map[string]bool{}
	for _, a := range addresses {
		keep[feedKey(a)+".json"] = true
	}
	list, err := os.ReadDir(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range list {
		if !keep[e.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(d.dir, e.Name())))
		}
	}
	return err
}

// feedCaller asks feeds: over TLS, without redirects, no addresses inside unless that is allowed, bounded in time and size.
type feedCaller struct{ client *http.Client }

func newFeedCaller(reach, roots string) (feedCaller, error) {
	var pool *x509.CertPool
	if roots != "" {
		pem, err := os.ReadFile(roots)
		if err != nil {
			return feedCaller{}, fmt.Errorf("reading certificates: %w", err)
		}
		if pool = x509.NewCertPool(); !pool.AppendCertsFromPEM(pem) {
			return feedCaller{}, fmt.Errorf("reading certificates: %s holds none", roots)
		}
	}
	client, err := webhook.Caller(reach, pool)
	return feedCaller{client}, err
}

// feedAnswer is what a feed says.
type feedAnswer struct {
	body           []byte // nil: what was known still holds
	etag, modified string
}

// get asks for a feed, and for nothing if it is still what it was. No error holds the address.
func (c feedCaller) get(ctx context.Context, u *url.URL, etag, modified string) (feedAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return feedAnswer{}, errors.New("the address of the feed cannot be asked")
	}
	req.Header.Set("Accept", "text/calendar")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	if modified != "" {
		req.Header.Set("If-Modified-Since", modified)
	}
	res, err := c.client.Do(req)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // without the address
		}
		return feedAnswer{}, fmt.Errorf("asking %s: %w", u.Host, err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	if res.StatusCode == http.StatusNotModified && (etag != "" || modified != "") {
		return feedAnswer{etag: etag, modified: modified}, nil
	}
	if res.StatusCode != http.StatusOK {
		return feedAnswer{}, fmt.Errorf("asking %s: it answered %d; a feed that has moved is not followed", u.Host, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxFetched+1))
	if err != nil {
		return feedAnswer{}, fmt.Errorf("reading the feed of %s: %w", u.Host, err)
	}
	if len(body) > maxFetched {
		return feedAnswer{}, fmt.Errorf("the feed of %s is larger than %d KiB", u.Host, maxFetched>>10)
	}
	if len(body) == 0 {
		return feedAnswer{}, fmt.Errorf("the feed of %s is empty", u.Host)
	}
	return feedAnswer{body, validator(res.Header.Get("ETag")), validator(res.Header.Get("Last-Modified"))}, nil
}

func validator(s string) string {
	if len(s) > maxValidator {
		return ""
	}
	return s
}

const (
	feedsEvery    = 15 * time.Minute // real time: what a calendar of shifts changes at night is known before anybody is asked in the morning
	feedsHush     = time.Hour        // that a feed may fail before people hear of it: hosts are restarted
	feedsPatience = 20 * time.Second // that a start or a reload waits for feeds nobody has read yet
)

// copies are those of the bot's data folder, where one is named: by a flag, or by the environment.
func (p proc) copies(data string) feedStore {
	c, err := loadConfig(p.env)
	if data != "" {
		c = Config{Data: data}
	} else if err != nil {
		return feedStore{}
	}
	return c.feeds()
}
