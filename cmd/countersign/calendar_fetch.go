package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/spec"
)

const (
	calendarUsage = "feeds [DIR] [-json]; refresh; or fetch DIR/calendars/NAME.ics -from URL|@FILE [-reach public|private|loopback] [-ca FILE] [-json]"

	maxFetched    = 1 << 20              // bytes of a feed: as much as the calendar reads
	maxFeedURL    = 2048                 // bytes of its address: some carry long secrets
	fetchTime     = 30 * time.Second     // for the whole of it
	fetchedAhead  = 366 * 24 * time.Hour // a feed without anything in the coming year is taken for broken
	fetchedStale  = 48 * time.Hour       // a nightly fetch that failed twice
	suffixFetched = ".fetched"
)

// calendarCommand is about iCalendar feeds that others keep. Those that the folder names by their address the bot reads by itself; fetch keeps a
// file of the folder like a feed whose address is a secret, or that people want to look at before it governs.
func calendarCommand(ctx context.Context, p proc) error {
	flags := p.flags("calendar", calendarUsage)
	var f feedFetch
	flags.StringVar(&f.from, "from", "", "`address` of the feed (https); @FILE: the file holds it, since many such addresses are secrets")
	flags.StringVar(&f.reach, "reach", "public", "which addresses may be called: public, private (networks of your own as well) or loopback (this machine)")
	flags.StringVar(&f.roots, "ca", "", "certificate authorities in this PEM `file`, instead of the system's")
	asJSON := flags.Bool("json", false, "print what was done, or how the feeds stand, as JSON")
	words, err := p.parseMixed(flags, 1, 2)
	if err != nil {
		return err
	}
	switch {
	case words[0] == "feeds":
		return p.listFeeds(words[1:], *asJSON)
	case words[0] == "refresh" && len(words) == 1:
		return p.refreshFeeds(ctx)
	case words[0] == "fetch" && len(words) == 2:
		return p.fetchFeed(ctx, f, words, *asJSON)
	case words[0] == "fetch":
		return usageError{"the file is missing: countersign calendar fetch DIR/calendars/NAME.ics"}
	}
	return usageError{"there is no calendar " + strings.Join(words, " ") + ": feeds, refresh or fetch"}
}

// listFeeds says how the feeds stand that a folder names, by what the bot keeps of them.
func (p proc) listFeeds(words []string, asJSON bool) error {
	dir, err := p.folderNamed(words)
	if err != nil {
		return err
	}
	copies := p.copies("")
	folder, err := readFolderFed(dir, copies)
	if err != nil {
		return err
	}
	list := feedsStatus(folder, copies.note, workflows.StampOf(time.Now()))
	if asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string][]feedStatus{"feeds": append([]feedStatus{}, list...)})
	}
	if len(list) == 0 {
		fmt.Fprintf(p.out, "%s names no feed: every rotation and holiday stands in the folder.\n", dir)
	}
	for _, f := range list {
		mark := "ok    "
		if !f.OK {
			mark = "NOT OK"
		}
		fmt.Fprintf(p.out, "%s  %s\n", mark, f.Say)
	}
	if copies.dir == "" && len(list) > 0 {
		fmt.Fprintf(p.err, "hint: set %s_DATA to the bot's data folder, where its copies lie\n", prefix)
	}
	return nil
}

// refreshFeeds has the running bot ask all feeds now.
func (p proc) refreshFeeds(ctx context.Context) error {
	c, err := loadConfig(p.env)
	if err != nil {
		return err
	}
	if c.Data == "" {
		return hint(errors.New("no data folder is named"), "set %s_DATA to that of the running bot", prefix)
	}
	text, err := callControl(ctx, c.socketPath(), "/feeds")
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.out, text)
	return err
}

func (p proc) fetchFeed(ctx context.Context, f feedFetch, words []string, asJSON bool) error {
	if f.file = words[1]; f.from == "" {
		return usageError{"-from is missing: the address of the feed"}
	}
	done, err := f.fetch(ctx, workflows.StampOf(time.Now()))
	if err != nil {
		return hint(fmt.Errorf("%s stays as it is: %w", f.file, err), "the bot goes on with the last good copy; countersign doctor says when that is getting old")
	}
	if asJSON {
		return json.NewEncoder(p.out).Encode(done)
	}
	if !done.Changed {
		fmt.Fprintf(p.out, "%s is as %s has it.\n", f.file, done.Host)
		return nil
	}
	fmt.Fprintf(p.out, "%s was replaced by what %s has: %d occurrences in the coming year, the next from %s. Run countersign reload to have the bot read it.\n", f.file, done.Host, done.Ahead, done.Next)
	return nil
}

// feedFetch is one order to fetch.
type feedFetch struct{ file, from, reach, roots string }

// fetched says what a fetch found. It is printed, and lies beside the file for doctor; the address does not, for it may be a secret.
type fetched struct {
	Host    string          `json:"host"`
	At      workflows.Stamp `json:"at"`
	SHA256  string          `json:"sha256"`
	Ahead   int             `json:"ahead"` // occurrences in the coming year
	Next    workflows.Stamp `json:"next"`  // when the first of these begins or began
	Changed bool            `json:"changed"`
}

func (f feedFetch) fetch(ctx context.Context, now workflows.Stamp) (fetched, error) {
	if dir := filepath.Base(filepath.Dir(f.file)); dir != "calendars" || filepath.Ext(f.file) != ".ics" {
		return fetched{}, errors.New("it is not a file such as DIR/calendars/on-call.ics of a configuration folder")
	}
	u, err := f.address()
	if err != nil {
		return fetched{}, err
	}
	body, err := f.get(ctx, u)
	if err != nil {
		return fetched{}, err
	}
	sum := sha256.Sum256(body)
	out := fetched{Host: u.Host, At: now, SHA256: hex.EncodeToString(sum[:])}
	if err := out.look(body); err != nil {
		return fetched{}, err
	}
	old, err := os.ReadFile(f.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fetched{}, err
	}
	if out.Changed = err != nil || string(old) != string(body); out.Changed {
		if err := putInto(f.file, body); err != nil {
			return fetched{}, err
		}
	}
	note, err := json.Marshal(out)
	if err != nil {
		return fetched{}, err
	}
	return out, writeWhole(beside(f.file, suffixFetched), note)
}

// address is where the feed is. No error shows it.
func (f feedFetch) address() (*url.URL, error) {
	raw := f.from
	if name, ok := strings.CutPrefix(raw, "@"); ok {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading the address of the feed: %w", err)
		}
		raw = strings.TrimSpace(string(b))
	}
	raw = strings.Replace(raw, "webcal://", "https://", 1)
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxFeedURL || u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "" || u.User != nil {
		return nil, errors.New("the address of the feed is not one such as https://calendar.example.com/on-call.ics, without a user in it")
	}
	return u, nil
}

func (f feedFetch) get(ctx context.Context, u *url.URL) ([]byte, error) {
	caller, err := newFeedCaller(f.reach, f.roots)
	if err != nil {
		return nil, err
	}
	defer caller.client.CloseIdleConnections()
	got, err := caller.get(ctx, u, "", "")
	return got.body, err
}

// look reads the feed as the bot will. One that has nothing ahead is not taken: it would leave every step that asks a rotation with nobody.
func (x *fetched) look(body []byte) error {
	feed, err := calendar.ReadICS(body, time.UTC)
	if err != nil {
		return err
	}
	events, err := feed.Between(x.At, x.At.Add(fetchedAhead))
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return fmt.Errorf("the feed of %s has nothing in the coming year", x.Host)
	}
	x.Ahead, x.Next = len(events), events[0].From
	return nil
}

// putInto replaces a calendar of a configuration folder, if the folder is good with it: an event that names nobody of people.yaml would keep the
// bot from reading anything of the folder.
func putInto(file string, body []byte) error {
	fresh := beside(file, ".new")
	if err := writeWhole(fresh, body); err != nil {
		return err
	}
	dir := filepath.Dir(filepath.Dir(file))
	with := replaced{FS: os.DirFS(dir), name: path.Join("calendars", filepath.Base(file)), by: path.Join("calendars", filepath.Base(fresh))}
	if _, err := spec.Load(with, spec.Options{Connectors: connectorNames(), Params: connectorParams()}); err != nil {
		return errors.Join(fmt.Errorf("with the feed the configuration folder would not be good:\n%w", err), os.Remove(fresh))
	}
	return os.Rename(fresh, file)
}

// beside is a hidden file next to another, which configuration folders pass over.
func beside(file, suffix string) string {
	return filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+suffix)
}

// writeWhole writes a file of a configuration folder so that it is whole or not there.
func writeWhole(name string, b []byte) error {
	if err := writeKey(name, string(b)); err != nil {
		return err
	}
	return os.Chmod(name, 0o644) // what the bot's user and those who keep the folder read; no secret is in it
}

// replaced is a folder in which one file stands for another, which need not be there.
type replaced struct {
	fs.FS
	name, by string
}

// Open implements fs.FS.
func (r replaced) Open(name string) (fs.File, error) {
	if name == r.name {
		name = r.by
	}
	return r.FS.Open(name)
}

// ReadDir implements fs.ReadDirFS.
func (r replaced) ReadDir(dir string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(r.FS, dir)
	if err != nil || dir != path.Dir(r.name) {
		return list, err
	}
	base := path.Base(r.name)
	if slices.ContainsFunc(list, func(e fs.DirEntry) bool { return e.Name() == base }) {
		return list, nil
	}
	info, err := fs.Stat(r.FS, r.by)
	if err != nil {
		return nil, err
	}
	list = append(list, renamed{fs.FileInfoToDirEntry(info), base})
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return list, nil
}

type renamed struct {
	fs.DirEntry
	name string
}

// Name implements fs.DirEntry.
func (r renamed) Name() string { return r.name }

// feeds says which calendars that are fetched have not been for a while: then the bot goes by who was on shift as the feed said it then.
func (d *doctor) feeds(now workflows.Stamp) {
	notes, err := filepath.Glob(filepath.Join(d.cfg.Config, "calendars", ".*"+suffixFetched))
	if err != nil || d.cfg.Config == "" {
		return
	}
	d.addressed(now)
	for _, note := range notes {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(note), "."), suffixFetched)
		var x fetched
		b, err := os.ReadFile(note)
		if err == nil {
			err = json.Unmarshal(b, &x)
		}
		if err != nil {
			d.say(false, fmt.Sprintf("calendar %s: when it was fetched cannot be read: %v", name, err), "fetch it again: countersign calendar fetch")
			continue
		}
		d.say(now.Sub(x.At) < fetchedStale, fmt.Sprintf("calendar %s: fetched from %s at %s", name, x.Host, x.At),
			"rotations go by what the feed said then; run countersign calendar fetch by hand and see what is wrong")
	}
}

// addressed says how the feeds stand that the bot reads by itself.
func (d *doctor) addressed(now workflows.Stamp) {
	copies := d.cfg.feeds()
	folder, err := readFolderFed(d.cfg.Config, copies)
	if err != nil {
		return // said with the folder
	}
	for _, f := range feedsStatus(folder, copies.note, now) {
		started := copies.dir != "" && copies.note(f.address).Tried != 0
		d.say(f.OK || !started, f.Say, "people are asked by the last good copy; look at the feed, then countersign calendar refresh")
	}
}
