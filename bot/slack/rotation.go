package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Tokens is what an app with token rotation has: a bot token for some hours, and a refresh token that can be exchanged once for the next two.
type Tokens struct {
	Seed    string    `json:"seed"`    // SHA-256 of the refresh token an operator gave: another one begins anew
	Access  string    `json:"access"`  // xoxe.xoxb-…
	Refresh string    `json:"refresh"` // xoxe-…
	Until   time.Time `json:"until"`   // when Access ends
	// Asked is when Refresh was sent to Slack and the answer is not stored yet. Found at a start, it means that Refresh may be used up.
	Asked time.Time `json:"asked,omitzero"`
}

// RotationOptions configure a Rotation. Refresh, ClientID, ClientSecret and Save are required.
type RotationOptions struct {
	Refresh, ClientID, ClientSecret string // what an operator gave
	Access                          string // the bot token given beside it, used until the first exchange; may be empty
	Stored                          Tokens // what Save was given last; the zero value when there is nothing
	// Save keeps tokens so that they survive a crash. New tokens are used only after it returned nil.
	Save          func(Tokens) error
	OnLost        func(error) // told once for each run of refusals: an operator must act. It must not block; nil for nobody
	APIURL        string      // empty: https://slack.com/api/
	AllowLoopback bool
	DialContext   func(ctx context.Context, network, addr string) (net.Conn, error)
	Log           *slog.Logger
}

// Rotation keeps a bot token that ends good. Slack revokes a refresh token with its first use, so what it answers is stored before it is used, and
// only one process may hold one.
type Rotation struct {
	opt  RotationOptions
	base *url.URL
	http *http.Client
	seed string

	one sync.Mutex // one exchange at a time

	mu      sync.Mutex
	now     Tokens // in use, and stored
	unsaved Tokens // Slack gave them, Save failed: the old refresh token is used up, so these are all we have
	err     error  // of the last exchange; nil when it went well
	lost    bool   // Slack refuses: trying again is of no use
}

// NewRotation checks the options; nothing is called before Refresh or Run.
func NewRotation(opt RotationOptions) (*Rotation, error) {
	if opt.Refresh == "" || opt.ClientID == "" || opt.ClientSecret == "" || opt.Save == nil {
		return nil, errors.New("making a token rotation: a refresh token, a client id, its secret and a place to keep tokens are needed")
	}
	base, err := apiBase(opt.APIURL, opt.AllowLoopback)
	if err != nil {
		return nil, fmt.Errorf("making a token rotation: %w", err)
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	r := &Rotation{opt: opt, base: base, http: guardedClient(nil, nil, opt.DialContext), seed: SeedOf(opt.Refresh), now: opt.Stored}
	if r.now.Seed != r.seed {
		r.now = Tokens{Seed: r.seed, Access: opt.Access, Refresh: opt.Refresh}
	}
	return r, nil
}

// SeedOf names a refresh token without telling it.
func SeedOf(refresh string) string {
	sum := sha256.Sum256([]byte(refresh))
	return hex.EncodeToString(sum[:])
}

// Token is the bot token to use now. Tokens that could not be stored are used only when the old one has ended.
func (r *Rotation) Token() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unsaved.Access != "" && !time.Now().Before(r.now.Until) {
		return r.unsaved.Access
	}
	return r.now.Access
}

// RotationStatus is how the exchange of tokens stands.
type RotationStatus struct {
	Until time.Time // when the token in use ends; zero before the first exchange
	Next  time.Time // when the next exchange is due
	Lost  bool      // Slack refuses to exchange it: an operator must act before Until
	Err   error     // of the last exchange, or of storing what it gave
}

// Status is a snapshot.
func (r *Rotation) Status() RotationStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := RotationStatus{Until: r.now.Until, Lost: r.lost, Err: r.err}
	if !s.Until.IsZero() {
		s.Next = s.Until.Add(-refreshAhead)
	}
	return s
}

// Due says whether the token ends within two hours, or it is not known when.
func (r *Rotation) Due() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unsaved.Access != "" || !time.Now().Before(r.now.Until.Add(-refreshAhead))
}

// Run exchanges the token ahead of its end until ctx ends. It looks at the wall clock every minute: a timer would not count while a machine sleeps.
func (r *Rotation) Run(ctx context.Context) error {
	pause := refreshLook
	for {
		if r.Due() {
			if err := r.Refresh(ctx); err == nil {
				pause = refreshLook
			} else if pause = min(2*pause, refreshPause); ctx.Err() == nil {
				r.opt.Log.Error("the Slack token could not be exchanged", "err", err, "again_in", pause.String())
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// Refresh exchanges the refresh token now: it stores that it asks, asks, stores the answer and only then uses it. Errors are those of the Sender,
// *Permanent and *Auth meaning that Slack refuses this refresh token or this app's secret.
func (r *Rotation) Refresh(ctx context.Context) error { return r.refresh(ctx, "") }

// refresh exchanges the token in use; where ended is given, only if that is still the one.
func (r *Rotation) refresh(ctx context.Context, ended string) error {
	r.one.Lock()
	defer r.one.Unlock()
	if ended != "" && r.Token() != ended {
		return nil
	}
	err := r.exchange(ctx)
	r.mu.Lock()
	r.err = err
	lost := refused(err)
	tell := lost && !r.lost && r.opt.OnLost != nil
	r.lost = lost
	r.mu.Unlock()
	if tell {
		r.opt.OnLost(err)
	}
	return err
}

// Renew exchanges the refresh token because Slack says that a token has ended, whatever this machine's clock thinks of it. Where somebody else has
// exchanged it since, there is nothing to do; where Slack refuses to, it is not asked again for every call.
func (r *Rotation) Renew(ctx context.Context, ended string) error {
	r.mu.Lock()
	now, lost, err := r.now.Access, r.lost, r.err
	r.mu.Unlock()
	switch {
	case now != ended:
		return nil
	case lost:
		return err
	}
	return r.refresh(context.WithoutCancel(ctx), ended)
}

func refused(err error) bool {
	var no *Permanent
	var auth *Auth
	return errors.As(err, &no) || errors.As(err, &auth)
}

func (r *Rotation) exchange(ctx context.Context) error {
	r.mu.Lock()
	next, old := r.unsaved, r.now
	r.mu.Unlock()
	if next.Access == "" {
		if err := ctx.Err(); err != nil {
			return err
		}
		old.Asked = time.Now().UTC()
		if err := r.opt.Save(old); err != nil { // where nothing can be stored, the one refresh token must not be spent
			return fmt.Errorf("storing that the Slack token is exchanged: %w", err)
		}
		var err error
		if next, err = r.ask(context.WithoutCancel(ctx), old.Refresh); err != nil { // whoever stops now must not lose what Slack answers
			return err
		}
		r.mu.Lock()
		r.unsaved = next
		r.mu.Unlock()
	}
	if err := r.opt.Save(next); err != nil {
		return fmt.Errorf("storing the new Slack tokens, which are in memory only: %w", err)
	}
	r.mu.Lock()
	r.now, r.unsaved = next, Tokens{}
	r.mu.Unlock()
	r.opt.Log.Info("the Slack token was exchanged", "until", next.Until)
	return nil
}

// ask calls oauth.v2.access. The secrets travel in the form, as Slack wants them; nothing prints it.
func (r *Rotation) ask(ctx context.Context, refresh string) (Tokens, error) {
	const method = "oauth.v2.access"
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {r.opt.ClientID}, "client_secret": {r.opt.ClientSecret}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base.String()+method, strings.NewReader(form.Encode()))
	if err != nil {
		return Tokens{}, translate(method, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	at := time.Now()
	resp, err := r.http.Do(req)
	if err != nil {
		return Tokens{}, translate(method, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Tokens{}, &Ambiguous{Method: method, Err: err}
	}
	return r.read(body, at)
}

// read takes the new tokens out of an answer that says yes. One without all of its parts cannot be used, and Slack may have spent the old token.
func (r *Rotation) read(body []byte, at time.Time) (Tokens, error) {
	var a struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Expires int64  `json:"expires_in"` // seconds
		Kind    string `json:"token_type"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return Tokens{}, &Ambiguous{Method: "oauth.v2.access", Err: errNotJSON}
	}
	if a.Access == "" || a.Refresh == "" || a.Expires <= 0 || a.Kind != "" && a.Kind != "bot" {
		return Tokens{}, &Ambiguous{Method: "oauth.v2.access", Code: "no_tokens"}
	}
	life := min(time.Duration(min(a.Expires, int64(maxTokenLife/time.Second)))*time.Second, maxTokenLife)
	return Tokens{Seed: r.seed, Access: a.Access, Refresh: a.Refresh, Until: at.Add(life).UTC()}, nil
}
