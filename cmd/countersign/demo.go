package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

//go:embed demo
var demoFiles embed.FS

const demoOrigin = "demo.invalid/countersign/demo"

// demo is the whole product on one machine: a Slack workspace, a host to log in to, and the bot as a child process, the same
// `serve` that a company runs.
type demo struct {
	dir    string
	out    io.Writer
	log    *slog.Logger
	clock  *demoClock
	slack  *slacksim.Workspace
	web    net.Listener
	host   *demoHost
	portal *demoPortal
	child  *child
	people map[string]demoPerson
}

func demoCommand(ctx context.Context, p proc) error {
	flags := p.flags("demo", "[-dir DIR] [-fresh] [-play] [-listen ADDR]")
	dir := flags.String("dir", "", "folder for the demo's state; default: one in your cache folder, or a new one with -play")
	fresh := flags.Bool("fresh", false, "empty the folder first")
	play := flags.Bool("play", false, "act the whole story and print it; exit 0 only if every step held")
	kill := flags.String("kill", "", "with -play: end the bot with SIGKILL at this step, or at every step with \"all\", and start it again")
	listen := flags.String("listen", "127.0.0.1:8480", "address of the page; port 0 takes a free one")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	if steps := (&story{}).steps(); *kill != "" && *kill != "all" && !hasStep(steps, *kill) {
		return usageError{fmt.Sprintf("there is no step %q; there are: %s", *kill, stepIDs(steps))}
	}
	folder, remove, err := demoDir(*dir, *fresh, *play)
	if err != nil {
		return err
	}
	defer remove()
	if *play && *listen == "127.0.0.1:8480" {
		*listen = "127.0.0.1:0"
	}
	d, err := newDemo(ctx, p, folder, *listen)
	if err != nil {
		return err
	}
	defer d.close()
	if *play {
		return d.play(ctx, *kill)
	}
	d.welcome()
	<-ctx.Done()
	fmt.Fprintln(p.out, "\nStopping. The state stays in", folder)
	return nil
}

// demoDir makes the folder; a story played without a name for it gets one that goes away.
func demoDir(dir string, fresh, play bool) (string, func(), error) {
	keep := func() {}
	switch {
	case dir == "" && play:
		tmp, err := os.MkdirTemp("", "countersign-demo-")
		if err != nil {
			return "", keep, fmt.Errorf("making a folder for the story: %w", err)
		}
		return tmp, func() { os.RemoveAll(tmp) }, nil
	case dir == "":
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", keep, hint(fmt.Errorf("finding your cache folder: %w", err), "name a folder with -dir")
		}
		dir = filepath.Join(cache, "countersign-demo")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", keep, fmt.Errorf("naming the demo's folder: %w", err)
	}
	if fresh {
		if err := emptyDemo(dir); err != nil {
			return "", keep, err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", keep, fmt.Errorf("making the demo's folder: %w", err)
	}
	return dir, keep, nil
}

// emptyDemo removes what a demo writes, and nothing else: somebody may have named a folder of their own.
func emptyDemo(dir string) error {
	for _, name := range []string{"data", "config", "host", "clock", "people", "serve.log", "slack.json", demoInventoryFile} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("emptying the demo's folder: %w", err)
		}
	}
	return nil
}

func newDemo(ctx context.Context, p proc, dir, listen string) (*demo, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	files, err := demoOperator()
	if err != nil {
		return nil, err
	}
	return newDemoOf(ctx, p, demoSetup{exe: exe, dir: dir, listen: listen, files: files})
}

// demoSetup is what can differ between demos.
type demoSetup struct {
	exe    string // the bot
	dir    string
	listen string
	files  map[string]string // further files of the configuration, or other contents for those there are
	env    map[string]string // further settings of the bot
	more   []slacksim.User   // further people of the workspace
	busy   bool              // the workspace answers 429 to calls that come faster than Slack takes them
}

// crowd is a workspace with what else this demo wants of it.
func (setup demoSetup) crowd(c slacksim.Config) slacksim.Config {
	c.Users, c.EnforceRates = append(c.Users, setup.more...), setup.busy
	return c
}

// newDemoOf starts everything.
func newDemoOf(ctx context.Context, p proc, setup demoSetup) (d *demo, err error) {
	dir := setup.dir
	d = &demo{dir: dir, out: p.out, log: slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.clock, err = newDemoClock(filepath.Join(dir, "clock")); err != nil {
		return d, err
	}
	if d.host, err = newDemoHost(filepath.Join(dir, "host"), d.clock); err != nil {
		return d, err
	}
	if err = writeDemoConfig(filepath.Join(dir, "config"), d.host.port()); err != nil {
		return d, err
	}
	if err = writeDemoInventory(dir, d.clock.Now().Wall); err != nil {
		return d, err
	}
	if d.portal, err = newDemoPortal(filepath.Join(dir, "host")); err != nil {
		return d, err
	}
	if err = d.portal.configure(filepath.Join(dir, "config"), filepath.Join(dir, "host")); err != nil {
		return d, err
	}
	for name, text := range setup.files {
		if err = os.WriteFile(filepath.Join(dir, "config", name), []byte(text), 0o600); err != nil {
			return d, fmt.Errorf("writing the demo's configuration: %w", err)
		}
	}
	if d.people, err = demoPeople(filepath.Join(dir, "config"), filepath.Join(dir, "people")); err != nil {
		return d, err
	}
	if d.web, err = net.Listen("tcp", setup.listen); err != nil {
		return d, hint(fmt.Errorf("opening the page's address: %w", err), "name another with -listen, or -listen 127.0.0.1:0")
	}
	if d.slack, err = slacksim.New(setup.crowd(d.workspace())); err != nil {
		return d, fmt.Errorf("starting the workspace: %w", err)
	}
	if err = d.remember(); err != nil {
		return d, err
	}
	go d.serveWeb(ctx)
	env := d.childEnv()
	maps.Copy(env, setup.env)
	if d.child, err = newChild(setup.exe, dir, env); err != nil {
		return d, err
	}
	fmt.Fprintln(d.out, "Starting the workspace, the bastion and the bot …")
	if err = d.child.start(ctx); err != nil {
		return d, err
	}
	return d, d.host.trust(ctx, d.child.url())
}

// memory is where the workspace's messages outlive the demo: cards of open requests go on being the same cards.
func (d *demo) memory() string { return filepath.Join(d.dir, "slack.json") }

func (d *demo) remember() error {
	f, err := os.Open(d.memory())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the workspace's messages: %w", err)
	}
	defer f.Close()
	if err := d.slack.Restore(f); err != nil {
		return hint(fmt.Errorf("reading the workspace's messages: %w", err), "start with -fresh to begin anew")
	}
	return nil
}

func (d *demo) save() error {
	f, err := os.OpenFile(d.memory()+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(d.slack.Save(f), f.Close()); err != nil {
		return err
	}
	return os.Rename(d.memory()+".new", d.memory())
}

func (d *demo) serveWeb(ctx context.Context) {
	srv := &http.Server{Handler: d.slack.Handler(), ReadHeaderTimeout: readHeaderTimeout}
	context.AfterFunc(ctx, func() { srv.Close() })
	if err := srv.Serve(d.web); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) && ctx.Err() == nil {
		d.log.Warn("the page stopped", "err", err)
	}
}

func (d *demo) pageURL() string { return "http://" + d.web.Addr().String() + "/" }

func (d *demo) childEnv() map[string]string {
	app := d.slack.App()
	return map[string]string{
		"CONFIG": filepath.Join(d.dir, "config"), "DATA": filepath.Join(d.dir, "data"), "LEDGER_ORIGIN": demoOrigin,
		"SLACK_BOT_TOKEN": app.BotToken, "SLACK_APP_TOKEN": app.AppToken, "SLACK_API_URL": d.pageURL() + "api/",
		"DEMO_CLOCK": d.clock.file, "LOG_FORMAT": "text",
	}
}

func (d *demo) close() {
	if d.child != nil {
		d.child.stop()
	}
	if d.host != nil {
		d.host.close()
	}
	d.portal.close()
	if d.slack != nil {
		if err := d.save(); err != nil {
			d.log.Warn("the workspace's messages were not kept", "err", err)
		}
		d.slack.Close()
	}
	if d.web != nil {
		d.web.Close()
	}
}

func (d *demo) welcome() {
	fmt.Fprintf(d.out, `
Countersign is running, with a Slack workspace and a bastion of its own.

  Open          %s
  The bot       %s   (readyz, metrics, sshca/krl)
  Its ledger    %s
  Its log       %s

On the page you can be any of six people. Be Maya and type /access, or "/access request".
Access to the supplier portal (%s) comes with a password that is handed over once.
Be Kenji and type "/breakglass web-outage INC-1" once Frida and Sofia approved that runbook ("/access request runbook-approval"):
Sofia and Priya are paged; move the clock five minutes, and Jonas and Frida are; at 06:00 UTC who comes on shift gets what is open.
The drawer on the right moves the clock, gives you SSH keys, logs in to the bastion and verifies the ledger.

From another shell of yours you are Frida, owner and auditor:

  export COUNTERSIGN_DATA=%s COUNTERSIGN_LEDGER_ORIGIN=%s
  countersign list
  countersign identities import %s -source cmdb
  countersign identities report
  countersign ledger verify

Press Ctrl-C to stop.
`, d.pageURL(), d.child.url(), filepath.Join(d.dir, "data"), filepath.Join(d.dir, "serve.log"), d.portal.url, filepath.Join(d.dir, "data"), demoOrigin,
		filepath.Join(d.dir, demoInventoryFile))
}

// writeDemoConfig writes the embedded company, with the port that the bastion got.
func writeDemoConfig(dir, port string) error {
	from, err := fs.Sub(demoFiles, "demo/org")
	if err != nil {
		return err
	}
	return fs.WalkDir(from, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if e.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		b, err := fs.ReadFile(from, path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, []byte(strings.ReplaceAll(string(b), "{{PORT}}", port)), 0o600)
	})
}

// advance moves product time for the bot, the workspace and the bastion at once.
func (d *demo) advance(ctx context.Context, by time.Duration) error {
	if by <= 0 || by > 400*24*time.Hour {
		return fmt.Errorf("the clock moves forward by up to 400 days, not by %v", by)
	}
	if err := d.clock.advance(by); err != nil {
		return err
	}
	if _, err := callControl(ctx, d.child.socket(), "/clock"); err != nil {
		return fmt.Errorf("telling the bot that the clock moved: %w", err)
	}
	return nil
}
