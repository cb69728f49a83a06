package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/spec"
)

const alarmFeed = "feed.unread"

// feedKeeper asks the feeds that the folder names, keeps the last good copy of each, and has the desk go by what is new.
type feedKeeper struct {
	store  feedStore
	caller feedCaller
	clock  jobs.Clock
	log    *slog.Logger

	turn   sync.Mutex // held over a round
	mu     sync.Mutex // guards what follows
	folder *spec.Folder
	notes  map[string]feedNote // by address, without their bodies
	told   map[string]string   // by feedName: the day on which people were told
	byName map[string]string   // address by feedName
}

// openFeeds reads what is kept of the feeds of a folder. It asks nobody.
func openFeeds(c Config, clock jobs.Clock, log *slog.Logger) (*feedKeeper, error) {
	caller, err := newFeedCaller(c.FeedReach, c.FeedRoots)
	if err != nil {
		return nil, fmt.Errorf("%s_FEED_REACH, %s_FEED_CA: %w", prefix, prefix, err)
	}
	return &feedKeeper{store: c.feeds(), caller: caller, clock: clock, log: log, notes: map[string]feedNote{}, told: map[string]string{}, byName: map[string]string{}}, nil
}

// read loads a folder with the copies of its feeds. Those that nobody has read yet are asked first, for a short while: a rotation that begins
// without anybody would send its first requests to the fallback.
func (k *feedKeeper) read(ctx context.Context, dir string) (*spec.Folder, error) {
	folder, err := readFolderFed(dir, k.store)
	if err != nil {
		return nil, err
	}
	k.turn.Lock()
	defer k.turn.Unlock()
	k.follow(folder)
	var fresh []spec.Feed
	for _, f := range folder.Feeds() {
		if k.noteOf(f.Address).At == 0 {
			fresh = append(fresh, f)
		}
	}
	if len(fresh) == 0 {
		return folder, nil
	}
	ctx, cancel := context.WithTimeout(ctx, feedsPatience)
	defer cancel()
	if !k.ask(ctx, folder, fresh) {
		return folder, nil
	}
	folder, err = folder.Refeed(k.store.copyOf)
	if err == nil {
		k.follow(folder)
	}
	return folder, err
}

// follow takes a folder as the one whose feeds are kept.
func (k *feedKeeper) follow(folder *spec.Folder) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.folder = folder
	notes, names := map[string]feedNote{}, map[string]string{}
	var addresses []string
	for _, f := range folder.Feeds() {
		addresses = append(addresses, f.Address)
		x, ok := k.notes[f.Address]
		if !ok {
			x = k.store.note(f.Address)
			x.Body = nil
		}
		notes[f.Address], names[feedName(f.Address)] = x, f.Address
	}
	k.notes, k.byName = notes, names
	if err := k.store.prune(addresses); err != nil {
		k.log.Warn("the copy of a feed that is no longer named stays", "err", err)
	}
}

func (k *feedKeeper) noteOf(address string) feedNote {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.notes[address]
}

// ReadAt implements desk.Feeds.
func (k *feedKeeper) ReadAt(name string) workflows.Stamp {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.notes[k.byName[name]].At
}

// round asks every feed. changed is the folder with what is new in them, nil when nothing is.
func (k *feedKeeper) round(ctx context.Context) (changed *spec.Folder, err error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	k.mu.Lock()
	folder := k.folder
	k.mu.Unlock()
	if folder == nil {
		return nil, nil
	}
	feeds := folder.Feeds()
	if !k.ask(ctx, folder, feeds) {
		return nil, nil
	}
	if folder, err = folder.Refeed(k.store.copyOf); err != nil {
		return nil, fmt.Errorf("with what the feeds say now: %w", err)
	}
	k.follow(folder)
	return folder, nil
}

// ask asks some feeds, a few at once, and tells whether any says something else than before. The caller holds the turn.
func (k *feedKeeper) ask(ctx context.Context, folder *spec.Folder, feeds []spec.Feed) bool {
	var wg sync.WaitGroup
	news := make([]bool, len(feeds))
	slots := make(chan struct{}, fetchTogether)
	for i, f := range feeds {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			news[i] = k.one(ctx, folder, f)
		})
	}
	wg.Wait()
	for _, n := range news {
		if n {
			return true
		}
	}
	return false
}

// one asks a feed and keeps what it says, if that is good; else the last good copy stays.
func (k *feedKeeper) one(ctx context.Context, folder *spec.Folder, f spec.Feed) (news bool) {
	x := k.store.note(f.Address)
	x.Tried = workflows.StampOf(k.clock.Now().Wall)
	fail := func(err error) {
		x.Failed = err.Error()
		k.log.WarnContext(ctx, "a feed of shifts or holidays gave nothing that can be used; the last good copy stays", "feed", feedName(f.Address), "err", err)
	}
	u, err := url.Parse(f.Address)
	if err != nil {
		fail(fmt.Errorf("its address is none"))
		return false
	}
	x.Host = u.Host
	etag, modified := x.ETag, x.Modified
	if x.Body == nil {
		etag, modified = "", ""
	}
	got, err := k.caller.get(ctx, u, etag, modified)
	if err == nil && got.body != nil {
		err = folder.TryFeed(f, got.body, x.Tried)
	}
	if ctx.Err() != nil && err != nil {
		return false // we stop, or waited long enough: that says nothing about the feed
	}
	switch {
	case err != nil:
		fail(err)
	case got.body == nil:
		x.At, x.Failed = x.Tried, ""
	default:
		news = !bytes.Equal(got.body, x.Body)
		x.At, x.Failed, x.ETag, x.Modified, x.Body = x.Tried, "", got.etag, got.modified, got.body
		if news {
			x.Changed = x.Tried
		}
	}
	if err := k.store.put(f.Address, x); err != nil {
		k.log.ErrorContext(ctx, "what a feed says cannot be kept", "feed", feedName(f.Address), "err", err)
		return false
	}
	x.Body = nil
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notes[f.Address] = x
	return news
}

// feedStatus is how a feed stands, for people and programs.
type feedStatus struct {
	Feed    string           `json:"feed"` // host and what tells it from others there
	Uses    []string         `json:"uses"`
	At      *workflows.Stamp `json:"read_at,omitempty"` // nil: never
	Changed *workflows.Stamp `json:"changed_at,omitempty"`
	Failed  string           `json:"failed,omitempty"`    // why the last try gave nothing
	Strange []string         `json:"not_named,omitempty"` // entries of people whom the rotation does not name; nobody is on shift by them
	OK      bool             `json:"ok"`
	Say     string           `json:"say"` // words, in English

	words screens.Sentence

	address string
}

// feedsStatus says how the feeds of a folder stand.
func feedsStatus(folder *spec.Folder, note func(address string) feedNote, now workflows.Stamp) (out []feedStatus) {
	for _, f := range folder.Feeds() {
		x := note(f.Address)
		s := feedStatus{address: f.Address, Feed: feedName(f.Address), Failed: x.Failed, OK: x.Failed == "" && x.At != 0 && now.Sub(x.At) < fetchedStale}
		for _, u := range f.Uses {
			s.Uses = append(s.Uses, u.String())
		}
		what := strings.Join(s.Uses, ", ")
		switch {
		case x.At == 0 && x.Failed == "":
			s.words = screens.Sentencef("%s: the feed at %s was never read here, so it counts as empty", what, hostOf(s.Feed))
		case x.At == 0:
			s.words = screens.Sentencef("%s: the feed at %s was never read, so it counts as empty: %s", what, hostOf(s.Feed), x.Failed)
		default:
			s.At, s.Changed = &x.At, &x.Changed
			s.words = screens.Sentencef("%s: the feed at %s was read %s ago", what, hostOf(s.Feed), lasting(now.Sub(x.At)))
			if x.Failed != "" {
				s.words = screens.Joined("; ", s.words, screens.Sentencef("since then it gave nothing that can be used, and the last good copy stands: %s", x.Failed))
			}
		}
		if s.Strange = folder.Strange(f); len(s.Strange) > 0 {
			s.words = screens.Joined("; ", s.words, strangers(s.Strange))
		}
		s.Say = s.words.String()
		out = append(out, s)
	}
	return out
}

// strangers are entries of a feed that name somebody whom the rotation does not.
func strangers(list []string) screens.Sentence {
	if len(list) == 1 {
		return screens.Sentencef("1 entry of it names others than the rotation does, and counts as nobody's shift (%s)", list[0])
	}
	return screens.Sentencef("%d entries of it name others than the rotation does, and count as nobody's shift (%s)", len(list), list[0])
}

// lasting is a length of time in any language.
func lasting(d time.Duration) screens.Sentence {
	if d < time.Minute {
		return screens.Sentencef("less than a minute")
	}
	return screens.Plain(calendar.In(d))
}

func hostOf(feed string) string {
	host, _, _ := strings.Cut(feed, "#")
	return host
}

// status is feedsStatus of the folder that is in force.
func (k *feedKeeper) status() []feedStatus {
	k.mu.Lock()
	folder := k.folder
	k.mu.Unlock()
	if folder == nil {
		return nil
	}
	return feedsStatus(folder, k.noteOf, workflows.StampOf(k.clock.Now().Wall))
}

// feedHealth is a part of /access health. An old feed is no reason not to serve: its last good copy stands.
func (s *serving) feedHealth() (bool, screens.Sentence) {
	list := s.feeds.status()
	if len(list) == 0 {
		return true, screens.Sentencef("none is read: every rotation and holiday stands in the folder")
	}
	var bad, good []screens.Sentence
	for _, f := range list {
		if f.OK {
			good = append(good, f.words)
		} else {
			bad = append(bad, screens.Sentencef("OLD OR BROKEN: %s", f.words))
		}
	}
	return len(bad) == 0, screens.Joined("; ", append(bad, good...)...)
}

// keepFeeds asks the feeds again and again, loads what is new, and tells those who answer for the bot about what does not answer.
func (s *serving) keepFeeds(ctx context.Context) error {
	for {
		if _, err := s.refeed(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "what the feeds say now is not in force", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(feedsEvery):
		}
	}
}

// refeed asks every feed now, and says how they stand.
func (s *serving) refeed(ctx context.Context) (string, error) {
	folder, err := s.feeds.round(ctx)
	if err == nil && folder != nil {
		err = s.reloader.take(ctx, folder)
	}
	var lines []string
	for _, f := range s.feeds.status() {
		lines = append(lines, f.Say)
		if s.feeds.toTell(f) {
			s.tellFeed(ctx, f)
		}
	}
	if len(lines) == 0 {
		return "The folder names no feed.\n", err
	}
	return strings.Join(lines, "\n") + "\n", err
}

// toTell tells whether people are to hear of a feed now: it has given nothing for an hour, or never did, or it names people whom it may not. Each is
// told once a day.
func (k *feedKeeper) toTell(f feedStatus) bool {
	now := k.clock.Now().Wall
	broken := !f.OK && (f.At == nil || workflows.StampOf(now).Sub(*f.At) >= feedsHush)
	if !broken && len(f.Strange) == 0 {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	day := now.UTC().Format(time.DateOnly) + fmt.Sprint(broken)
	if k.told[f.Feed] == day {
		return false
	}
	k.told[f.Feed] = day
	return true
}

// tellFeed puts on record that a feed is not in order, and tells the security channel and the owners of the bot.
func (s *serving) tellFeed(ctx context.Context, f feedStatus) {
	words := screens.Sentencef("On call and holidays: %s. See countersign calendar feeds; when it is mended, countersign calendar refresh reads it at once.", f.words)
	detail := f.Failed
	if len(f.Strange) > 0 {
		detail = fmt.Sprintf("%d entries name others; %s", len(f.Strange), f.Failed)
	}
	s.alarm(alarmFeed+"/"+f.Feed, detail, words)
	for _, p := range rolesOwners(s.desk.Policy()) {
		if _, err := s.bot.Tell(ctx, p, "", words); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "an owner could not be told about a feed", "feed", f.Feed, "person", p, "err", err)
		}
	}
}

// readFolderFed loads a configuration folder with the copies of its feeds.
func readFolderFed(dir string, copies feedStore) (*spec.Folder, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, hint(fmt.Errorf("%s is not a folder", dir), "countersign init %s writes one to start from", dir)
	}
	folder, err := spec.Load(os.DirFS(dir), spec.Options{Connectors: connectorNames(), Params: connectorParams(), Feed: copies.copyOf})
	if err != nil {
		return nil, fmt.Errorf("the configuration folder %s is not good, and nothing of it is used:\n%w", dir, err)
	}
	return folder, nil
}
