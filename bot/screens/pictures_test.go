package screens_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/bot/screens"
)

// picture is what a browser measured of a screen that it drew.
type picture struct {
	Width, Height float64
	Wide          []string // texts of elements that stick out of their own box
	Empty         int      // buttons without words
}

// measure is run in the page: the element's size, what sticks out of it, and buttons without words. Text to copy letter by letter scrolls by itself.
const measure = `(root) => {
	const out = { Width: root.getBoundingClientRect().width, Height: root.getBoundingClientRect().height, Wide: [], Empty: 0 };
	for (const e of root.querySelectorAll("*")) {
		if (e.closest("pre, select, option, textarea, input, svg")) continue;
		if (getComputedStyle(e).overflowX !== "visible" || e.clientWidth === 0) continue;
		if (e.scrollWidth > e.clientWidth + 1) out.Wide.push(e.tagName + ": " + e.textContent.slice(0, 60));
		if (e.tagName === "BUTTON" && !e.textContent.trim() && !e.getAttribute("aria-label")) out.Empty++;
	}
	return out;
}`

// drawn opens a browser on the workspace's page as maya.
func (w *workspace) drawn(at string) *drawing {
	t := w.t
	t.Helper()
	binary, err := exec.LookPath("chromium")
	if err != nil {
		t.Skipf("no chromium on this machine: %v", err)
	}
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(binary), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 1000), chromedp.Env("TZ=UTC"),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true),
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(func() { chromedp.Cancel(ctx); stop() })
	x, tall := &drawing{t: t, ctx: ctx}, int64(1000)
	if os.Getenv("COUNTERSIGN_SCREENSHOTS") != "" {
		tall = 5000 // a picture shows what is in sight
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, tall)); err != nil { // it starts the browser, which lives as long as this context
		t.Skipf("the browser does not run here: %v", err)
	}
	x.at(w.url+"/?as=maya&theme=light&at="+at, `[data-testid="messages"]`)
	return x
}

// drawing is a browser on the page.
type drawing struct {
	t   *testing.T
	ctx context.Context
}

const drawingPatience = 90 * time.Second // a slow machine with two noisy cores; a fast one waits milliseconds

func (x *drawing) do(steps ...chromedp.Action[chromedp.Void]) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.ctx, drawingPatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		x.t.Fatal(err)
	}
}

// at opens an address and waits for an element.
func (x *drawing) at(address, css string) {
	x.t.Helper()
	x.do(chromedp.Navigate(address))
	x.until("document.querySelector(" + quoted(css) + ") !== null")
}

func (x *drawing) until(expression string) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.ctx, drawingPatience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(drawingPatience))); err != nil {
		x.t.Fatalf("waited in vain for %s: %v", expression, err)
	}
}

// one measures an element and takes its picture.
func (x *drawing) one(name, css string) {
	x.t.Helper()
	x.until("document.querySelector(" + quoted(css) + ") !== null")
	p, err := chromedp.Run(x.ctx, chromedp.Evaluate[picture](fmt.Sprintf("(%s)(document.querySelector(%s))", measure, quoted(css))))
	if err != nil {
		x.t.Fatalf("%s: %v", name, err)
	}
	shot, err := chromedp.Run(x.ctx, chromedp.Screenshot(css))
	if err != nil {
		x.t.Fatalf("%s: %v", name, err)
	}
	look(x.t, name, p, shot)
}

// look judges a picture; with COUNTERSIGN_SCREENSHOTS it is kept there.
func look(t *testing.T, name string, p picture, shot []byte) {
	t.Helper()
	if p.Width < 200 || p.Height < 20 || len(p.Wide) > 0 || p.Empty > 0 {
		t.Errorf("%s: %.0f by %.0f, %d buttons without words, sticks out: %q", name, p.Width, p.Height, p.Empty, p.Wide)
	}
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Errorf("%s: no picture: %v", name, err)
		return
	}
	colours := map[[3]uint32]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y && len(colours) < 3; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 3 {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[[3]uint32{r, g, b}] = true
		}
	}
	if len(colours) < 3 {
		t.Errorf("%s: the picture shows nothing", name)
	}
	if dir := os.Getenv("COUNTERSIGN_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), shot, 0o644); err != nil {
			t.Error(err)
		}
	}
}

// TestScreensAsPictures lets a browser draw every message, form and Home page, at its least, as usual and at its most, and in every language: each
// is drawn, nothing sticks out of its box, no button is without words. COUNTERSIGN_SCREENSHOTS names a folder that the pictures are kept in.
func TestScreensAsPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	if dir := os.Getenv("COUNTERSIGN_SCREENSHOTS"); dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	list := catalogue()
	for _, lang := range screens.Languages()[1:] {
		l := screens.Locale{Lang: lang}
		for _, s := range append(spokenScreens(l), loudScreens(l)...) {
			s.name = lang + "-" + s.name
			list = append(list, s)
		}
	}
	if os.Getenv("COUNTERSIGN_SCREENSHOTS") == "" { // 250 pictures take minutes where others work, too
		list = slices.DeleteFunc(list, func(s sample) bool { return !slices.Contains(shortList, s.name) })
		if len(list) != len(shortList) {
			t.Fatalf("%d of %d screens are there under their names", len(list), len(shortList))
		}
	}
	w := newWorkspace(t)
	x := w.drawn("access")
	for _, s := range list {
		switch s.screen.(type) {
		case screens.Message:
			w.takes(s.name, s.screen)
			posted := w.sim.Messages("access")
			ts := posted[len(posted)-1].TS
			x.one(s.name, `article[data-ts="`+ts+`"]`)
			w.call("chat.delete", "channel", w.sim.ChannelID("access"), "ts", ts) // a long page is slow to draw
		case slackgo.ModalViewRequest:
			w.takes(s.name, s.screen)
			x.one(s.name, `dialog#modal[open]`)
			w.sim.CloseView(t.Context(), "maya")
			x.until("document.querySelector('dialog#modal[open]') === null")
		case slackgo.HomeTabViewRequest:
			w.takes(s.name, s.screen)
			x.at(w.url+"/?as=maya&theme=light&at=home", `[data-testid="home"]`)
			x.one(s.name, `[data-testid="home"]`)
			x.at(w.url+"/?as=maya&theme=light&at=access", `[data-testid="messages"]`)
		}
	}
}

// shortList are the screens that are drawn whenever the tests run: the widest of each kind, and the smallest.
var shortList = []string{"card-small", "card-large", "run-large", "form-large", "home-empty", "home-large", "de-card-busy", "es-ready"}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a string never fails
	return string(b)
}
