package slacksim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Object is one JSON object as Slack's documentation draws it. Objects handed out by the workspace are shared: read, do not write.
type Object = map[string]any

// Config seeds a workspace. The zero value of every field has a usable default; New returns an error for contradictions only.
type Config struct {
	Team     Team
	Users    []User
	Channels []Channel
	Groups   []Group
	App      App

	// BaseURL is how clients reach the handler, for example "http://127.0.0.1:4003". When empty it is taken from the Host
	// header of the latest request.
	BaseURL string
	// Clock is Slack's idea of now: message timestamps and the expiry of triggers and response_urls. Network deadlines use
	// real time. Default time.Now.
	Clock func() time.Time
	// Seed makes ids, the choice of a connection and chaos repeatable.
	Seed uint64

	// RequestURL switches from Socket Mode to signed HTTP requests: commands, interactions and events are posted there.
	RequestURL string
	// HTTPClient posts to RequestURL. Default: a client with the acknowledgement time-out.
	HTTPClient *http.Client

	AckTimeout   time.Duration   // default 3 s
	EventRetries []time.Duration // waits before each retry of an event; default at once, 1 min, 5 min
	PingEvery    time.Duration   // WebSocket pings; default 5 s
	EnforceRates bool            // answer 429 by Slack's published tiers and one message per second and channel

	// Banner and Panel belong to whoever hosts the page: links in its top bar, and a drawer showing Panel at /panel/.
	Banner     []Link
	Panel      http.Handler
	PanelTitle string
}

// Team is the workspace itself.
type Team struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Domain string `json:"domain"`
}

// Link is one entry of the page's top bar. A Link without URL is shown as plain text.
type Link struct {
	Text string `json:"text"`
	URL  string `json:"url"`
}

// User is a member. Name is the handle; ID is derived from it when empty, so that seeds are stable.
type User struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	RealName string `json:"real_name"`
	Title    string `json:"title,omitempty"`
	Email    string `json:"email,omitempty"`
	TZ       string `json:"tz"`     // IANA name; default UTC
	Locale   string `json:"locale"` // default en-US
	// TeamID differs from the workspace's for people who come in through a shared channel.
	TeamID string `json:"team_id"`

	Admin            bool `json:"is_admin,omitempty"`
	Owner            bool `json:"is_owner,omitempty"`
	Bot              bool `json:"is_bot,omitempty"`
	WorkflowBot      bool `json:"is_workflow_bot,omitempty"`
	ConnectorBot     bool `json:"is_connector_bot,omitempty"`
	Restricted       bool `json:"is_restricted,omitempty"`
	UltraRestricted  bool `json:"is_ultra_restricted,omitempty"`
	Deleted          bool `json:"deleted,omitempty"`
	Stranger         bool `json:"is_stranger,omitempty"`
	EmailUnconfirmed bool `json:"is_email_unconfirmed,omitempty"`
	// DoNotDisturb makes dnd.info say that notifications are paused.
	DoNotDisturb bool `json:"dnd,omitempty"`

	updated int64
}

// Channel is a public or private channel. Members are user ids or names. Direct messages come into being by themselves.
type Channel struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Topic     string   `json:"topic,omitempty"`
	Private   bool     `json:"is_private,omitempty"`
	ExtShared bool     `json:"is_ext_shared,omitempty"`
	Archived  bool     `json:"is_archived,omitempty"`
	Members   []string `json:"members"`
}

// Group is a user group such as @dba.
type Group struct {
	ID       string   `json:"id"`
	Handle   string   `json:"handle"`
	Name     string   `json:"name"`
	Disabled bool     `json:"disabled,omitempty"`
	Members  []string `json:"members"`
}

// App is the one app installed in the workspace.
type App struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	BotUserID     string `json:"bot_user_id"`
	BotID         string `json:"bot_id"`
	BotToken      string `json:"-"` // default xoxb-…, derived from the seed
	AppToken      string `json:"-"` // default xapp-…
	SigningSecret string `json:"-"`
	// ClientID, ClientSecret and RefreshToken are for apps with token rotation; without a RefreshToken bot tokens do not end.
	ClientID     string   `json:"-"`
	ClientSecret string   `json:"-"`
	RefreshToken string   `json:"-"` // xoxe-…; good for one oauth.v2.access
	VerifyToken  string   `json:"-"` // the legacy "token" field of payloads
	Scopes       []string `json:"scopes"`
	// Events lists the subscribed event types; empty means every type the simulator can send.
	Events   []string  `json:"events,omitempty"`
	Commands []Command `json:"commands"`
	// Shortcuts lists global shortcuts, MessageShortcuts those of a message's menu.
	Shortcuts        []Shortcut `json:"shortcuts,omitempty"`
	MessageShortcuts []Shortcut `json:"message_shortcuts,omitempty"`
}

// Command is a registered slash command.
type Command struct {
	Name        string `json:"name"` // with the slash
	Description string `json:"description"`
	Hint        string `json:"hint"`
}

// Shortcut is a registered shortcut.
type Shortcut struct {
	CallbackID string `json:"callback_id"`
	Name       string `json:"name"`
}

// Workspace is a running Slack workspace. All methods may be called from any goroutine.
type Workspace struct {
	cfg    Config
	rules  *rules
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup
	// spawning orders the start of goroutines against Close: a WaitGroup may not grow while it is waited for.
	spawning sync.Mutex

	mu         sync.Mutex
	rng        *rand.Rand
	base       string
	epoch      int64 // the clock when the workspace began
	serial     uint64
	lastTS     int64
	users      []*User
	channels   map[string]*channel
	order      []string // channel ids as seeded, then as opened
	groups     []*group
	homes      map[string]*view
	executions []*Execution
	stacks     map[string][]*view
	triggers   map[string]*trigger
	triggerQ   []string
	responses  map[string]*response
	responseQ  []string
	uploads    map[string]*upload
	uploadQ    []string
	notices    map[string][]Notice
	revoked    bool
	rotated    rotated

	sockets sockets
	faults  faultBook
	rates   rateBook
	traffic traffic
	changed chan struct{}
	rev     uint64

	listeners int // pages
}

// New builds a workspace from its seed. Nothing listens until Handler is served.
func New(cfg Config) (*Workspace, error) {
	cfg = withDefaults(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	w := &Workspace{
		cfg: cfg, epoch: cfg.Clock().UnixNano(), rules: newRules(), ctx: ctx, cancel: cancel, base: cfg.BaseURL,
		rng:      rand.New(rand.NewPCG(cfg.Seed, 0x51ac)),
		channels: map[string]*channel{}, homes: map[string]*view{}, stacks: map[string][]*view{},
		triggers: map[string]*trigger{}, responses: map[string]*response{}, uploads: map[string]*upload{},
		notices: map[string][]Notice{}, changed: make(chan struct{}),
		rates: rateBook{buckets: map[string]*bucket{}},
	}
	w.sockets.init()
	w.seedApp()
	if err := w.seed(); err != nil {
		cancel()
		return nil, fmt.Errorf("seeding the workspace: %w", err)
	}
	return w, nil
}

func withDefaults(cfg Config) Config {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.AckTimeout == 0 {
		cfg.AckTimeout = defaultAckTimeout
	}
	if cfg.EventRetries == nil {
		cfg.EventRetries = []time.Duration{0, time.Minute, 5 * time.Minute}
	}
	if cfg.PingEvery == 0 {
		cfg.PingEvery = defaultPingEvery
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Timeout: cfg.AckTimeout}
	}
	cfg.Team.Name = orString(cfg.Team.Name, "Example")
	cfg.Team.Domain = orString(cfg.Team.Domain, "example")
	cfg.PanelTitle = orString(cfg.PanelTitle, "Panel")
	return cfg
}

func (w *Workspace) seedApp() {
	t, a := &w.cfg.Team, &w.cfg.App
	t.ID = orString(t.ID, w.stableID("T", t.Domain))
	a.Name = orString(a.Name, "app")
	a.ID = orString(a.ID, w.stableID("A", a.Name))
	a.BotUserID = orString(a.BotUserID, w.stableID("U", "bot "+a.Name))
	a.BotID = orString(a.BotID, w.stableID("B", a.Name))
	a.BotToken = orString(a.BotToken, "xoxb-"+strings.ToLower(w.stableID("", "bot token")))
	a.AppToken = orString(a.AppToken, "xapp-1-"+a.ID+"-"+strings.ToLower(w.stableID("", "app token")))
	a.SigningSecret = orString(a.SigningSecret, strings.ToLower(w.stableID("", "signing secret")))
	a.VerifyToken = orString(a.VerifyToken, "legacy-fixed-value")
	if a.Scopes == nil {
		a.Scopes = allScopes()
	}
}

func (w *Workspace) seed() error {
	bot := User{
		ID: w.cfg.App.BotUserID, Name: strings.ToLower(w.cfg.App.Name), RealName: w.cfg.App.Name, Bot: true,
	}
	for _, u := range append(append([]User{}, w.cfg.Users...), bot) {
		if _, err := w.addUser(u); err != nil {
			return err
		}
	}
	for _, c := range w.cfg.Channels {
		if err := w.addChannel(c); err != nil {
			return err
		}
	}
	for _, g := range w.cfg.Groups {
		members, err := w.memberIDs(g.Members)
		if err != nil {
			return fmt.Errorf("group %q: %w", g.Handle, err)
		}
		g.ID, g.Members = orString(g.ID, w.stableID("S", g.Handle)), members
		g.Name = orString(g.Name, g.Handle)
		w.groups = append(w.groups, &group{Group: g, created: w.now().Unix(), updated: w.now().Unix()})
	}
	return nil
}

func (w *Workspace) addUser(u User) (*User, error) {
	if u.Name == "" {
		return nil, fmt.Errorf("user %q: a name is required", u.ID)
	}
	u.ID = orString(u.ID, w.stableID("U", u.Name))
	u.RealName = orString(u.RealName, u.Name)
	u.TZ = orString(u.TZ, "UTC")
	u.Locale = orString(u.Locale, "en-US")
	u.TeamID = orString(u.TeamID, w.cfg.Team.ID)
	if _, err := time.LoadLocation(u.TZ); err != nil {
		return nil, fmt.Errorf("user %q: time zone %q: %w", u.Name, u.TZ, err)
	}
	if w.findUser(u.ID) != nil || w.findUser(u.Name) != nil {
		return nil, fmt.Errorf("user %q: named twice", u.Name)
	}
	u.updated = w.now().Unix()
	w.users = append(w.users, &u)
	return &u, nil
}

func (w *Workspace) addChannel(c Channel) error {
	members, err := w.memberIDs(c.Members)
	if err != nil {
		return fmt.Errorf("channel %q: %w", c.Name, err)
	}
	if w.findChannel(c.Name) != nil {
		return fmt.Errorf("channel %q: named twice", c.Name)
	}
	c.ID, c.Members = orString(c.ID, w.stableID("C", c.Name)), members
	w.channels[c.ID] = &channel{Channel: c, created: w.now().Unix(), read: map[string]string{}, ephemeral: map[string][]*Message{}}
	w.order = append(w.order, c.ID)
	return nil
}

func (w *Workspace) memberIDs(refs []string) ([]string, error) {
	var ids []string
	for _, ref := range refs {
		u := w.findUser(ref)
		if u == nil {
			return nil, fmt.Errorf("member %q: no such user", ref)
		}
		ids = append(ids, u.ID)
	}
	return ids, nil
}

// Close ends every connection and waits for the workspace's goroutines.
func (w *Workspace) Close() {
	w.spawning.Lock()
	w.cancel()
	w.spawning.Unlock()
	w.mu.Lock()
	conns := w.sockets.open()
	w.mu.Unlock()
	for _, c := range conns {
		c.cut()
	}
	w.wait.Wait()
}

// App tells the ids and tokens the app needs to connect, as filled in from the seed.
func (w *Workspace) App() App { return w.cfg.App }

// Team tells the workspace's id, name and domain, as filled in from the seed.
func (w *Workspace) Team() Team { return w.cfg.Team }

// UserID resolves a handle (or an id) to the user's id, "" when there is none.
func (w *Workspace) UserID(ref string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.findUser(ref); u != nil {
		return u.ID
	}
	return ""
}

// ChannelID resolves a channel name with or without "#" (or an id) to the channel's id, "" when there is none.
func (w *Workspace) ChannelID(ref string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.findChannel(ref); c != nil {
		return c.ID
	}
	return ""
}

// User returns the user with this id or handle as it is now.
func (w *Workspace) User(ref string) (User, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.findUser(ref); u != nil {
		return *u, true
	}
	return User{}, false
}

// Until waits for a change after which ok is true. It looks at once, then after every change of the workspace, and returns the
// context's error when that ends first. ok runs without the workspace's lock and may call its methods.
func (w *Workspace) Until(ctx context.Context, ok func() bool) error {
	for {
		w.mu.Lock()
		changed := w.changed
		w.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the workspace to change: %w", ctx.Err())
		case <-w.ctx.Done():
			return fmt.Errorf("waiting for the workspace to change: %w", errClosed)
		}
	}
}

// touch tells Until and the browser pages that something changed. The lock is held.
func (w *Workspace) touch() {
	w.rev++
	w.wake()
}

// wake lets Until look again without troubling the pages. The lock is held.
func (w *Workspace) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *Workspace) now() time.Time { return w.cfg.Clock() }

// spawn runs f in a goroutine that Close waits for; f must end when w.ctx does. After Close nothing is started any more.
func (w *Workspace) spawn(f func()) {
	w.spawning.Lock()
	defer w.spawning.Unlock()
	if w.ctx.Err() == nil {
		w.wait.Go(f)
	}
}

func (w *Workspace) findUser(ref string) *User {
	ref = strings.TrimPrefix(ref, "@")
	for _, u := range w.users {
		if u.ID == ref || u.Name == ref {
			return u
		}
	}
	return nil
}

func (w *Workspace) findChannel(ref string) *channel {
	ref = strings.TrimPrefix(ref, "#")
	if c := w.channels[ref]; c != nil {
		return c
	}
	for _, id := range w.order {
		if c := w.channels[id]; c.Name == ref && ref != "" {
			return c
		}
	}
	return nil
}

func orString(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
