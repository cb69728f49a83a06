package main_test

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browser is a headless Chromium on the page of a demo.
type browser struct {
	t      *testing.T
	ctx    context.Context
	shots  string
	all    bool // pictures in every theme and width
	people map[string]string

	mu    sync.Mutex
	wrong []string // what the page wrote to the console as an error
}

const (
	browserPatience = 60 * time.Second // a slow machine with two noisy cores; a fast one waits milliseconds
	clickTries      = 5
)

func openBrowser(t *testing.T) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("starts the demo and a browser")
	}
	binary, err := exec.LookPath("chromium")
	if err != nil {
		t.Skipf("no browser here: %v", err)
	}
	b := &browser{t: t, shots: os.Getenv("COUNTERSIGN_SCREENSHOTS"), people: map[string]string{
		"maya": "Maya Chen", "jonas": "Jonas Weber", "sofia": "Sofia Rossi", "priya": "Priya Nair", "kenji": "Kenji Mori", "frida": "Frida Lund",
	}}
	if b.all = b.shots != ""; !b.all {
		b.shots = t.TempDir()
	}
	if err := os.MkdirAll(b.shots, 0o755); err != nil {
		t.Fatal(err)
	}
	url := startDemo(t)
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(binary), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1400, 900), chromedp.Env("TZ=UTC"),
	}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage"} {
		opts = append(opts, chromedp.Flag(flag, true))
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	b.ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(func() { chromedp.Cancel(b.ctx); stop() })
	go b.hear(chromedp.Console(b.ctx))
	t.Cleanup(b.quiet)
	b.do(chromedp.EmulateViewport(1400, 900), chromedp.Navigate(url+"?theme=light"))
	return b
}

// startDemo runs the demo as a process, as a reader of the README does, and returns the page's address.
func startDemo(t *testing.T) string {
	t.Helper()
	program, err := os.Executable() // TestMain makes the test binary into the program
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	demo := exec.Command(program, "demo", "-dir", filepath.Join(dir, "state"), "-fresh", "-listen", "127.0.0.1:0")
	demo.Stderr = os.Stderr
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		demo.Process.Signal(os.Interrupt)
		demo.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "state", "serve.log"))
			t.Logf("the bot's log:\n%s", log)
		}
	})
	address := regexp.MustCompile(`Open +(http://\S+)`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			go func() {
				for lines.Scan() { // a full pipe would stop the demo
				}
			}()
			return m[1]
		}
	}
	t.Fatal("the demo ended without saying where its page is")
	return ""
}

// hear keeps what the page wrote to its console as an error, and exceptions that nothing caught.
func (b *browser) hear(messages iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range messages {
		if err != nil {
			return // the browser has ended
		}
		if m.IsException() || m.Type == chromedp.ConsoleError {
			b.mu.Lock()
			b.wrong = append(b.wrong, m.String()+" "+m.URL)
			b.mu.Unlock()
		}
	}
}

func (b *browser) quiet() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.wrong {
		b.t.Errorf("the page wrote to its console: %s", w)
	}
}

// spot names an element: the last one of sel within the last one of in that shows all words; in the panel's frame or in the page.
type spot struct {
	frame   bool
	in, sel string
	words   []string
}

func testidCSS(id string) string { return fmt.Sprintf("[data-testid=%q]", id) }
func testid(id string) spot      { return spot{sel: testidCSS(id)} }

// at is a part of the element.
func (s spot) at(sel string) spot { s.sel = sel; return s }

// card is the newest message of the app with these words.
func (b *browser) card(words ...string) spot { return spot{in: "article.msg.bot", words: words} }

// findJS returns where the middle of a spot is, once it is there, drawn and not covered. For a click it also watches whether one arrives there.
const findJS = `(frame, within, sel, words, hit) => {
	const host = frame ? document.querySelector("#drawer iframe") : null;
	const doc = frame ? host?.contentDocument : document;
	if (!doc) return null;
	const shown = (el) => el.getClientRects().length && words.every((w) => el.innerText.includes(w));
	const root = within ? [...doc.querySelectorAll(within)].filter(shown).at(-1) : doc;
	const el = root && sel ? [...root.querySelectorAll(sel)].at(-1) : root;
	if (!el || !el.getClientRects().length) return null;
	if (!hit) return {X: 0, Y: 0, OK: true};
	if (el.disabled) return null;
	el.scrollIntoView({block: "nearest", inline: "nearest"});
	const r = el.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + Math.min(r.height / 2, 200);
	const top = doc.elementFromPoint(x, y);
	if (!top || !(el.contains(top) || top.contains(el) && top.matches("label"))) return null;
	const f = host ? host.getBoundingClientRect() : {x: 0, y: 0};
	if (window.spied) window.spied.doc.removeEventListener("click", window.spied.see, true);
	const see = (e) => { window.landed ||= Boolean(e.target.closest?.(sel || within)); };
	doc.addEventListener("click", see, true);
	window.spied = {doc, see};
	window.landed = false;
	return {X: x + f.x, Y: y + f.y, OK: true};
}`

type point struct {
	X, Y float64
	OK   bool
}

func (b *browser) find(s spot, hit bool) point {
	b.t.Helper()
	words := s.words
	if words == nil {
		words = []string{}
	}
	p, err := chromedp.Run(b.ctx, chromedp.PollFunction[point](findJS, chromedp.WithPollingInterval(40*time.Millisecond),
		chromedp.WithPollingTimeout(browserPatience), chromedp.WithPollingArgs(s.frame, s.in, s.sel, words, hit)))
	if err != nil {
		b.fail("waited in vain for %+v: %v", s, err)
	}
	return p
}

// see waits until the spot is drawn.
func (b *browser) see(s spot) { b.t.Helper(); b.find(s, false) }

// click waits until a mouse would hit the spot, and clicks there. A page that is drawn anew between the button's going down and its coming up makes
// no click at all, and one that grows in between moves the spot away: a person would click again, and so does this.
func (b *browser) click(s spot) {
	b.t.Helper()
	for range clickTries {
		p := b.find(s, true)
		b.do(chromedp.MouseClickXY(p.X, p.Y))
		missed, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("window.landed === false")) // undefined: the click opened another page
		if err != nil {
			b.fail("looking whether the click on %+v arrived: %v", s, err)
		}
		if !missed {
			return
		}
	}
	b.fail("%d clicks on %+v did not arrive", clickTries, s)
}

// true waits until an expression of the page is.
func (b *browser) true(what, expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(40*time.Millisecond), chromedp.WithPollingTimeout(browserPatience))); err != nil {
		b.fail("waited in vain until %s: %v", what, err)
	}
}

func (b *browser) gone(sel string) {
	b.t.Helper()
	b.true(sel+" is gone", fmt.Sprintf("!document.querySelector(%q)", sel))
}

// typeInto replaces what stands in an input.
func (b *browser) typeInto(s spot, text string) {
	b.t.Helper()
	b.click(s)
	b.true("the input has the focus", fmt.Sprintf("document.activeElement.matches(%q)", s.sel))
	b.do(chromedp.Evaluate[chromedp.Void]("document.activeElement.select()"))
	b.typed(text)
}

// typed inserts text where the focus is.
func (b *browser) typed(text string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: text})
	if err != nil {
		b.fail("typing: %v", err)
	}
}

func (b *browser) key(k string) { b.t.Helper(); b.do(chromedp.KeyEvent(k)) }

// tabTo presses Tab until the element has the focus: everything must be within reach of a keyboard.
func (b *browser) tabTo(sel string) {
	b.t.Helper()
	for range 80 {
		here, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", sel)))
		if err != nil {
			b.fail("looking where the focus is: %v", err)
		}
		if here {
			return
		}
		b.key(kb.Tab)
	}
	b.fail("the Tab key does not reach %s", sel)
}

// trapped goes around with the Tab key, both ways, and finds the focus within the modal at every step.
func (b *browser) trapped() {
	b.t.Helper()
	for i := range 24 {
		if i < 12 {
			b.key(kb.Tab)
		} else {
			b.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
		}
		b.true("the focus is within the modal", `document.querySelector("#modal").contains(document.activeElement)`)
	}
}

// become switches the user by the menu in the corner.
func (b *browser) become(who string) {
	b.t.Helper()
	b.click(testid("user-switcher"))
	b.click(testid("user-" + who))
	b.see(spot{in: testidCSS("user-switcher"), words: []string{b.people[who]}})
}

// enter goes to a channel and waits until its composer is there.
func (b *browser) enter(channel string) {
	b.t.Helper()
	b.click(testid("channel-" + channel))
	b.true("#"+channel+" is open", fmt.Sprintf(`document.querySelector("[data-testid=composer]")?.getAttribute("aria-label") === "Message #%s"`, channel))
}

// command types a slash command in the channel.
func (b *browser) command(text string) {
	b.t.Helper()
	b.typeInto(testid("composer"), text)
	b.key(kb.Enter)
}

// panel opens the drawer.
func (b *browser) panel() {
	b.t.Helper()
	open, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`!document.querySelector("#drawer").hidden`))
	if err != nil {
		b.fail("looking for the panel: %v", err)
	}
	if !open {
		b.click(testid("panel-toggle"))
	}
	b.see(spot{frame: true, in: testidCSS("now"), words: []string{":"}})
}

// publicKey is the key of whoever one is, as the panel shows it.
func (b *browser) publicKey() string {
	b.t.Helper()
	key, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`(async () => {
		const me = document.querySelector("[data-testid=user-switcher] strong").innerText;
		const s = await (await fetch("/panel/state")).json();
		return s.people.find((p) => p.name === me).public;
	})()`, chromedp.EvalAwaitPromise))
	if err != nil || !strings.HasPrefix(key, "ssh-ed25519 ") {
		b.fail("reading the public key: %q, %v", key, err)
	}
	return key
}

// closeModal closes what is open, if something is.
func (b *browser) closeModal() {
	b.t.Helper()
	b.true("the form is answered", `!document.querySelector("#modal[open] [data-testid=modal-submit]")`)
	open, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`!!document.querySelector("#modal[open]")`))
	if err != nil {
		b.fail("looking for a modal: %v", err)
	}
	if open {
		b.click(testid("modal-close"))
		b.gone("#modal[open]")
	}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.fail("driving the browser: %v", err)
	}
}

func (b *browser) fail(format string, args ...any) {
	b.t.Helper()
	file := filepath.Join(b.shots, "failed.png")
	if png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot()); err == nil {
		os.WriteFile(file, png, 0o644)
	}
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	b.t.Fatalf(format+"\nThe page (%s) says:\n%s", append(args, file, text)...)
}

// shoot writes a picture of the page; with COUNTERSIGN_SCREENSHOTS in both themes and three widths, else one.
func (b *browser) shoot(name string) {
	b.t.Helper()
	b.frame(name, "light", 1400, 900)
	b.audit(name)
	b.theme("dark")
	b.audit(name + " in the dark")
	if b.all {
		b.frame(name, "dark", 1400, 900)
		b.frame(name, "dark", 1000, 700)
		b.frame(name, "light", 1000, 700)
		b.audit(name + " in a small window")
		b.frame(name, "light", 390, 844)
		b.audit(name + " on a phone")
		b.do(chromedp.EmulateViewport(1400, 900), chromedp.Evaluate[chromedp.Void](`document.querySelector("#drawer").style.display = ""`))
	}
	b.theme("light")
}

// auditJS lists what a person with weak eyes, a screen reader or a small window could not use: text below the contrast of WCAG AA,
// controls without a name, and a page that is wider than its window.
const auditJS = `(() => {
	const wrong = [];
	const parse = (c) => { const n = c.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
	const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3]));
	const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
	const ground = (el) => { if (!el) return [255, 255, 255]; const c = parse(getComputedStyle(el).backgroundColor); return c[3] === 1 ? c.slice(0, 3) : over(c, ground(el.parentElement)); };
	const faint = (el) => el ? Number(getComputedStyle(el).opacity) * faint(el.parentElement) : 1;
	const look = (doc, where) => {
		const walk = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT);
		for (let n = walk.nextNode(); n; n = walk.nextNode()) {
			const el = n.parentElement;
			if (!n.data.trim() || !el.checkVisibility() || el.closest("[inert], [aria-hidden], :disabled, script, style, option, .skip, .toast")) continue;
			const s = getComputedStyle(el), under = ground(el), fg = parse(s.color);
			const a = light(over([...fg.slice(0, 3), fg[3] * faint(el)], under)), b = light(under);
			const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05), size = parseFloat(s.fontSize);
			if (ratio < (size >= 24 || size >= 18.66 && s.fontWeight >= 700 ? 3 : 4.5)) wrong.push(where + "contrast " + ratio.toFixed(1) + " of \"" + n.data.trim().slice(0, 30) + "\"");
		}
		for (const el of doc.querySelectorAll("button, a[href], input, select, textarea, iframe, dialog[open]")) {
			const named = el.getAttribute("aria-label") || el.title || el.labels?.length || el.getAttribute("aria-labelledby") || el.innerText?.trim();
			if (!named && el.checkVisibility()) wrong.push(where + "no name on " + el.outerHTML.slice(0, 80));
		}
		if (doc.documentElement.scrollWidth > doc.documentElement.clientWidth) wrong.push(where + "wider than the window");
	};
	look(document, "");
	const frame = document.querySelector("#drawer:not([hidden]) iframe");
	if (frame?.checkVisibility()) look(frame.contentDocument, "panel: ");
	return [...new Set(wrong)];
})()`

func (b *browser) audit(where string) {
	b.t.Helper()
	wrong, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](auditJS))
	if err != nil {
		b.fail("looking for what people cannot use: %v", err)
	}
	for _, w := range wrong {
		b.t.Errorf("%s: %s", where, w)
	}
}

func (b *browser) theme(t string) {
	b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.documentElement.dataset.theme = %q", t)))
}

func (b *browser) frame(name, theme string, width, height int64) {
	b.t.Helper()
	b.theme(theme)
	b.do(chromedp.EmulateViewport(width, height), chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		`document.querySelector("#drawer").style.display = %d < 640 ? "none" : ""`, width))) // on a phone the panel lies over everything
	b.do(chromedp.Evaluate[chromedp.Void](
		`new Promise((ok) => requestAnimationFrame(() => requestAnimationFrame(ok)))`, chromedp.EvalAwaitPromise))
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.fail("taking a picture: %v", err)
	}
	if err := os.WriteFile(filepath.Join(b.shots, fmt.Sprintf("%s-%s-%d.png", name, theme, width)), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
