package bundle_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/countersign-bot/countersign/store/ledger/bundle/page"
)

// browser is a headless Chromium that has opened the page from a file, as an auditor does.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	wrong []string // what the page wrote to its console as an error
}

const patience = 60 * time.Second // a slow machine with two noisy cores; a fast one waits milliseconds

func openPage(t *testing.T, vkey string) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	binary, err := exec.LookPath("chromium")
	if err != nil {
		t.Skipf("no browser here: %v", err)
	}
	file := filepath.Join(t.TempDir(), "verify.html")
	if err := os.WriteFile(file, page.HTML(vkey), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(binary), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900), chromedp.Env("TZ=UTC"),
	}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage"} {
		opts = append(opts, chromedp.Flag(flag, true))
	}
	b := &browser{t: t}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	b.ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(func() { chromedp.Cancel(b.ctx); stop() })
	go b.hear(chromedp.Console(b.ctx))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, w := range b.wrong {
			t.Errorf("the page wrote to its console: %s", w)
		}
	})
	b.do(chromedp.Navigate((&url.URL{Scheme: "file", Path: file}).String()))
	return b
}

func (b *browser) hear(messages iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range messages {
		if err != nil {
			return // the browser has ended
		}
		if m.IsException() || m.Type == chromedp.ConsoleError {
			b.mu.Lock()
			b.wrong = append(b.wrong, m.String())
			b.mu.Unlock()
		}
	}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for _, s := range steps {
		if _, err := chromedp.Run(b.ctx, s); err != nil {
			b.t.Fatalf("the browser: %v", err)
		}
	}
}

func (b *browser) until(what, expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(40*time.Millisecond), chromedp.WithPollingTimeout(patience))); err != nil {
		b.t.Fatalf("waited in vain until %s: %v", what, err)
	}
}

// value evaluates an expression, waiting for it if it is a promise.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("the browser: %v in %.200s", err, expression)
	}
	return v
}

// verdict is what the page says of a bundle, by the function that its button calls.
type verdict struct {
	OK        bool   `json:"ok"`
	Malformed bool   `json:"malformed"`
	Text      string `json:"text"`
	First     string `json:"first"`
	Read      int64  `json:"read"`
	Opened    int64  `json:"opened"`
	Pinned    bool   `json:"pinned"`
	Tiles     int64  `json:"tiles"`
	CheckedBy string `json:"checkedBy"`
	Custody   string `json:"custody"`
}

func (b *browser) judge(zip []byte, keys ...string) (v verdict) {
	b.t.Helper()
	if keys == nil {
		keys = []string{}
	}
	list, err := json.Marshal(keys)
	if err != nil {
		b.t.Fatal(err)
	}
	return value[verdict](b, fmt.Sprintf(`verifyBundle(Uint8Array.from(atob(%q), (c) => c.charCodeAt(0)), %s).then((r) => ({
		ok: r.ok, malformed: !!r.malformed, text: r.problems.map((p) => p.text).join(" "), first: r.problems[0]?.text ?? "", read: r.read,
		opened: r.opened, pinned: r.pinned, tiles: r.tiles, checkedBy: r.checkedBy, custody: r.custody?.exporter ?? "",
	}))`, base64.StdEncoding.EncodeToString(zip), list))
}

// sameWords is what both verifiers must say of a change: the sentence up to what depends on the language.
func sameWords(says string) string {
	return strings.ToLower(regexp.MustCompile(`["\\]`).ReplaceAllString(says, ""))
}

// TestThePageAgreesWithTheProgram asks the page about good bundles, every doctored one, every trick with zips, and single flipped bits: it
// must accept what the program accepts and refuse what it refuses, in the same words.
func TestThePageAgreesWithTheProgram(t *testing.T) {
	b := openPage(t, "")
	w := newWritten(t, 600)
	dir := w.export("b")
	for _, n := range []int{1, 2, 255, 256, 257, 600, 1100} {
		x := newWritten(t, n)
		raw, err := os.ReadFile(x.export("b.zip"))
		if err != nil {
			t.Fatal(err)
		}
		v := b.judge(raw, x.key.VKey())
		if !v.OK || v.Read != int64(n) || v.Opened != int64(len(x.openings)) || !v.Pinned || v.Tiles != int64(n/256) || v.CheckedBy != "the browser's WebCrypto" {
			t.Errorf("%d entries: %+v", n, v)
		}
		if v := b.judge(raw, testKey(t, "stranger").VKey()); v.OK || !strings.Contains(v.Text, "None of the keys you pinned") {
			t.Errorf("%d entries with another key: %+v", n, v)
		}
	}
	for _, d := range doctored(t, w) {
		c := unpack(t, dir)
		d.change(c)
		if d.sums {
			c.resum(t)
		}
		raw := c.zip(t)
		v := b.judge(raw)
		if v.OK || !strings.Contains(sameWords(v.Text), sameWords(d.says)) && d.name != "texts deeply nested" {
			t.Errorf("%s: the page says %+v; want %q", d.name, v, d.says)
		}
		path := filepath.Join(t.TempDir(), "b.zip")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, r := judge(path); r.First != nil && strings.HasPrefix(r.First.Text, "Entr") && r.First.Text != v.First && !strings.HasPrefix(v.First, "Entr") {
			t.Errorf("%s: the program names %q first, the page %q", d.name, r.First.Text, v.First)
		}
	}
	c := unpack(t, w.exportWithCustody("b"))
	if v := b.judge(c.zip(t), w.key.VKey()); !v.OK || v.Custody != "unix user ann (1000) on bot-1" {
		t.Errorf("with a note that says who made it: %+v", v)
	}
	before := sha256.Sum256(c["custody"])
	replace(c, "custody", "user ann", "user bob")
	after := sha256.Sum256(c["custody"])
	replace(c, "SHA256SUMS", hex.EncodeToString(before[:]), hex.EncodeToString(after[:]))
	if v := b.judge(c.zip(t), w.key.VKey()); v.OK || !strings.Contains(v.Text, "who made this bundle does not hold") {
		t.Errorf("with another name in it: %+v", v)
	}
	small := newWritten(t, 5)
	for _, c := range tricks(t, unpack(t, small.export("b"))) {
		if v := b.judge(c.zip); v.OK || !v.Malformed || !strings.Contains(sameWords(v.Text), sameWords(c.says)) {
			t.Errorf("%s: the page says %+v; want %q", c.name, v, c.says)
		}
	}
}

// TestThePageAgreesOnBitFlips flips single bits anywhere in a zip.
func TestThePageAgreesOnBitFlips(t *testing.T) {
	b := openPage(t, "")
	raw, err := os.ReadFile(newWritten(t, 40).export("b.zip"))
	if err != nil {
		t.Fatal(err)
	}
	for k := range 600 {
		i := k * len(raw) / 600
		flipped := append([]byte{}, raw...)
		flipped[i] ^= 1 << (k % 8)
		path := filepath.Join(t.TempDir(), "b.zip")
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		ok, text, _ := judge(path)
		if v := b.judge(flipped); v.OK != ok {
			t.Errorf("bit %d of byte %d: the page says %+v, the program %v %s", k%8, i, v, ok, text)
		}
	}
}

// TestThePageVerifiesSignaturesItself switches WebCrypto off: the page's own Ed25519, SHA-512 and SHA-256 must agree.
func TestThePageVerifiesSignaturesItself(t *testing.T) {
	b := openPage(t, "")
	w := newWritten(t, 60)
	dir := w.export("b")
	value[bool](b, `signatures.ownOnly = true`)
	if v := b.judge(unpack(t, dir).zip(t), w.key.VKey()); !v.OK || !v.Pinned || !strings.Contains(v.CheckedBy, "own code") {
		t.Errorf("%+v", v)
	}
	for _, flip := range []int{3, 11, 40} { // from the end: in s, in R, in the hint of the key
		c := unpack(t, dir)
		n := c["checkpoint"]
		if at := len(n) - 2 - flip; n[at] == 'A' {
			n[at] = 'B'
		} else {
			n[at] = 'A'
		}
		c.resum(t)
		if v := b.judge(c.zip(t)); v.OK || !strings.Contains(v.Text, "not one that the ledger's key has signed") {
			t.Errorf("a changed signature: %+v", v)
		}
	}
	if got := value[string](b, `hex(sha512(new Uint8Array(300).fill(7)))`); got != value[string](b, `crypto.subtle.digest("SHA-512", new Uint8Array(300).fill(7)).then((d) => hex(new Uint8Array(d)))`) {
		t.Errorf("own SHA-512 gives %s", got)
	}
	if n := value[int](b, `(async () => {
		for (let n = 0; n < 200; n++) {
			const data = Uint8Array.from({length: n}, (_, i) => i * 7 + n);
			if (hex(sha256(data)) !== hex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)))) return n;
		}
		return -1;
	})()`); n >= 0 {
		t.Errorf("own SHA-256 differs for %d bytes", n)
	}
}

// TestThePageForAPerson does what an auditor does: chooses a file, reads the verdict, pastes the key, searches the entries, with what people
// typed shown as text. With COUNTERSIGN_SCREENSHOTS set it leaves pictures there.
func TestThePageForAPerson(t *testing.T) {
	w := newWritten(t, 300)
	b := openPage(t, "")
	b.until("the field is there", `!!document.getElementById("key")`)
	if out := value[string](b, `[...document.querySelectorAll("input, select, button, progress")].filter((e) => !(e.labels?.length || e.getAttribute("aria-label") || e.innerText.trim())).map((e) => e.id).join()`); out != "" {
		t.Errorf("without a name for people who do not see: %s", out)
	}
	b.picture("empty", 1280, 900)
	b.do(chromedp.SetUploadFiles("#file", []string{w.export("b.zip")}))
	b.until("there is a verdict", `!document.getElementById("result").hidden && document.getElementById("rows").children.length > 0`)
	if got := value[string](b, `document.getElementById("verdict").className + ": " + document.getElementById("summary").innerText`); !strings.HasPrefix(got, "verdict fair: 300 entries of "+testOrigin) || !strings.Contains(got, "a key of their own") {
		t.Errorf("without a key the verdict is %q", got)
	}
	if got := value[string](b, `document.activeElement.id`); got != "headline" {
		t.Errorf("the focus is on %q, not on the verdict", got)
	}
	value[bool](b, fmt.Sprintf(`(() => { const k = document.getElementById("key"); k.value = %q; k.dispatchEvent(new Event("change")); return true; })()`, w.key.VKey()))
	b.until("the key counts", `document.getElementById("verdict").className === "verdict good" && document.getElementById("rows").children.length > 0`)
	b.picture("good", 1280, 1400)
	b.picture("good-narrow", 375, 1400)
	if wide := value[int](b, `document.documentElement.scrollWidth`); wide > 375 {
		t.Errorf("at 375 pixels the page is %d wide", wide)
	}
	value[bool](b, `(() => { const s = document.getElementById("search"); s.value = "störung 277"; s.dispatchEvent(new Event("input")); return true; })()`)
	if got := value[string](b, `document.getElementById("found").innerText + " " + document.querySelector("#rows p").innerText`); !strings.HasPrefix(got, "1 of 300 entries") || !strings.Contains(got, "wegen Störung 277") {
		t.Errorf("the search gives %q", got)
	}
	value[bool](b, `(() => { document.querySelector("#rows button").click(); return true; })()`)
	if got := value[string](b, `document.querySelector("#rows pre").innerText`); !strings.Contains(got, `"verdict": "approve"`) || !strings.Contains(got, "reason: wegen") {
		t.Errorf("the fields are %q", got)
	}
	b.keep(string(w.published[0].Note))
	b.until("it continues the head", `document.getElementById("facts").innerText.includes("it continues the head over 150 entries that you kept")`)
	more := newWritten(t, 301)
	b.keep(string(more.head.Note))
	b.until("it is behind the head", `document.getElementById("summary").innerText.includes("The head you kept remembers 301 entries, the head covers 300")`)
	b.keep("not a head")
	if got := value[string](b, `document.getElementById("headproblem").innerText`); !strings.Contains(got, "not a whole head") {
		t.Errorf("of a head that is none the page says %q", got)
	}
	b.keep("")
	b.until("without a head", `document.getElementById("verdict").className === "verdict good" && document.getElementById("rows").children.length > 0`)
	c := unpack(t, w.export("b"))
	replace(c, "tile/entries/000", `"verdict":"approve"`, `"verdict":"refused"`)
	c.resum(t)
	bad := filepath.Join(t.TempDir(), "<img src=x onerror=document.title=1>.zip")
	if err := os.WriteFile(bad, c.zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.SetUploadFiles("#file", []string{bad}))
	b.until("the bad one is refused", `document.getElementById("verdict").className === "verdict bad" && document.querySelectorAll("tr.wrong").length > 0`)
	if got := value[string](b, `document.getElementById("summary").innerText`); !strings.Contains(got, "First: Entry 1 (number 1 of request/r_1, vote.recorded) was changed") {
		t.Errorf("the summary is %q", got)
	}
	raw, err := os.ReadFile(w.export("b.zip"))
	if err != nil {
		t.Fatal(err)
	}
	value[bool](b, fmt.Sprintf(`(() => {
		const files = new DataTransfer();
		files.items.add(new File([Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], "dropped.zip"));
		return document.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true}));
	})() || true`, base64.StdEncoding.EncodeToString(raw)))
	b.until("what is dropped counts", `document.getElementById("filename").innerText.startsWith("dropped.zip") && document.getElementById("verdict").className === "verdict good"`)
	b.do(chromedp.SetUploadFiles("#file", []string{bad}))
	b.until("the bad one is refused again", `document.getElementById("verdict").className === "verdict bad" && document.querySelectorAll("tr.wrong").length > 0`)
	b.picture("bad", 1280, 1200)
	b.picture("bad-narrow", 375, 1200)
}

// keep pastes a head that was kept elsewhere.
func (b *browser) keep(head string) {
	b.t.Helper()
	value[bool](b, fmt.Sprintf(`(() => { const h = document.getElementById("head"); h.value = %q; h.dispatchEvent(new Event("change")); return true; })()`, head))
}

func (b *browser) picture(name string, width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
	dir := os.Getenv("COUNTERSIGN_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "page-"+name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestReq_R36_ThePageReachesNoNetwork holds the page's own policy: it may run what its hashes name and load nothing, and nothing in it
// points anywhere.
func TestReq_R36_ThePageReachesNoNetwork(t *testing.T) {
	text := string(page.HTML(`"><script>alert(1)</script>`))
	policy := regexp.MustCompile(`content="(default-src[^"]*)"`).FindStringSubmatch(text)
	if policy == nil || !strings.HasPrefix(policy[1], "default-src 'none'; script-src 'sha256-") || strings.Contains(policy[1], "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
	for _, bad := range []string{"http://", "https://", "<link", "<img", "<iframe", "@import", "url(", "innerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest", "WebSocket", "<script>alert(1)", "{{"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if n := strings.Count(text, "<script>"); n != 1 || len(text) > 128<<10 {
		t.Errorf("%d scripts, %d bytes", n, len(text))
	}
}
