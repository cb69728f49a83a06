package main

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// portalWorld is the demo's company with the supplier portal, whose access comes with a password; me is who this machine's user is.
func portalWorld(t *testing.T, me string, more ...func(dir string)) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("starts the bot")
	}
	host := t.TempDir()
	portal, err := newDemoPortal(host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(portal.close)
	w := newWorld(t, worldOptions{company: func(dir string) {
		if err := portal.configure(dir, host); err != nil {
			t.Fatal(err)
		}
		u, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "people.yaml")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), "    unix: maya\n", "")
		text = strings.Replace(text, "  - key: "+me+"\n", "  - key: "+me+"\n    unix: "+u.Username+"\n", 1)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, f := range more {
			f(dir)
		}
	}})
	w.demo.portal = portal
	w.start()
	return w
}

// portalLogin walks a person through the portal's chain and gives the message that says that the access is ready.
func (w *world) portalLogin(person, reason string) slacksim.Message {
	w.t.Helper()
	before := len(w.entries(grants.Started{}.Kind()))
	w.form(person, "portal-login")
	w.check(w.submit(w.t.Context(), person, map[string]any{screens.BlockDuration: "1h", screens.BlockReason: reason}))
	w.click("jonas", w.dmTo("jonas", reason), screens.ActApprove)
	w.recorded(grants.Started{}.Kind(), before+1)
	return w.dmTo(person, "Ready: ", "Supplier portal")
}

// visitor is a browser without scripts, as the pages need none.
type visitor struct {
	w      *world
	client *http.Client
	page   string // as shown last
	at     *url.URL
	status int
	header http.Header
}

func (w *world) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	w.check(err)
	return &visitor{w: w, client: &http.Client{Jar: jar}}
}

func (v *visitor) do(req *http.Request) string {
	v.w.t.Helper()
	res, err := v.client.Do(req)
	v.w.check(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	v.w.check(err)
	v.page, v.at, v.status, v.header = string(b), res.Request.URL, res.StatusCode, res.Header
	return v.page
}

func (v *visitor) get(address string) string {
	v.w.t.Helper()
	req, err := http.NewRequestWithContext(v.w.t.Context(), http.MethodGet, address, nil)
	v.w.check(err)
	return v.do(req)
}

var hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// send fills in the first form of the page that posts to a path ending so, and sends it as a browser does.
func (v *visitor) send(ending string, values map[string]string) string {
	v.w.t.Helper()
	for _, form := range strings.Split(v.page, "<form ")[1:] {
		form, _, _ = strings.Cut(form, "</form>")
		action := regexp.MustCompile(`action="([^"]+)"`).FindStringSubmatch(form)
		if action == nil || !strings.HasSuffix(action[1], ending) {
			continue
		}
		data := url.Values{}
		for _, m := range hiddenInput.FindAllStringSubmatch(form, -1) {
			data.Set(m[1], html.UnescapeString(m[2]))
		}
		for name, value := range values {
			data.Set(name, value)
		}
		to, err := v.at.Parse(action[1])
		v.w.check(err)
		req, err := http.NewRequestWithContext(v.w.t.Context(), http.MethodPost, to.String(), strings.NewReader(data.Encode()))
		v.w.check(err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", v.at.Scheme+"://"+v.at.Host)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		return v.do(req)
	}
	v.w.t.Fatalf("no form that posts to …%s on this page (%d):\n%s", ending, v.status, v.page)
	return ""
}

var (
	linkIn   = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/secret/[0-9a-f]{32}`)
	codeIn   = regexp.MustCompile(`\*([A-Z2-9]{4}-[A-Z2-9]{4})\*`)
	secretIn = regexp.MustCompile(`<h2>Password</h2>\s*<pre tabindex="0">([^<]+)</pre>`)
)

// linkFor presses the button of the ready message and gives the link that only the person who pressed sees.
func (w *world) linkFor(person string, ready slacksim.Message) string {
	w.t.Helper()
	seen := len(w.links(person))
	w.click(person, ready, screens.ActSecret)
	link, err := until(w.t.Context(), "a link for "+person, func() (string, bool) {
		all := w.links(person)
		return all[len(all)-1], len(all) > seen
	})
	w.check(err)
	return link
}

// links are all that the bot has given a person, in order.
func (w *world) links(person string) []string {
	out := []string{""}
	dm := w.slack.DMChannel(w.slackID(person))
	for _, m := range append(w.slack.Ephemerals(w.slackID(person), dm), w.slack.DM(w.slackID(person))...) {
		out = append(out, linkIn.FindAllString(m.Text+fmt.Sprint(m.Blocks), -1)...)
	}
	return out
}

// codeFor is the newest code that the bot has sent a person.
func (w *world) codeFor(person string, not string) string {
	w.t.Helper()
	code, err := until(w.t.Context(), "a code for "+person, func() (string, bool) {
		got := ""
		for _, m := range w.slack.DM(w.slackID(person)) {
			if x := codeIn.FindStringSubmatch(fmt.Sprint(m.Blocks)); x != nil {
				got = x[1]
			}
		}
		return got, got != "" && got != not
	})
	w.check(err)
	return code
}

// haunted gives the places in which a text stands: every file of the data folder, the log, all that went to and from Slack, exports.
func (w *world) haunted(canary string) (found []string) {
	w.t.Helper()
	out := filepath.Join(w.t.TempDir(), "export")
	if text, code := w.run("ledger", "export", "-out", out); code != exitDone {
		w.t.Errorf("exporting (exit %d): %s", code, text)
	}
	for _, dir := range []string{w.dir, out} {
		w.check(filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil // sockets, and what is gone by now
			}
			if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(canary)) {
				found = append(found, path)
			}
			return nil
		}))
	}
	if c, ok := w.slack.TrafficContains(canary); ok {
		found = append(found, "Slack's "+c.Kind+" "+c.Name)
	}
	for person := range w.people {
		if strings.Contains(fmt.Sprintf("%+v", w.slack.DM(w.slackID(person))), canary) {
			found = append(found, "a message to "+person)
		}
	}
	if page, _ := w.get("/metrics"); strings.Contains(page, canary) {
		found = append(found, "/metrics")
	}
	return found
}

// TestReq_R26_ASecretIsShownOnceToItsHolder walks the page: a link alone opens nothing, a GET changes nothing, another browser's code and
// another person are refused and recorded, the holder sees it once, and then it is gone everywhere (R16).
func TestReq_R26_ASecretIsShownOnceToItsHolder(t *testing.T) {
	t.Parallel()
	w := portalWorld(t, "frida")
	if limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", w.bot.cmd.Process.Pid)); err == nil && !regexp.MustCompile(`Max core file size +0 +0 `).Match(limits) {
		t.Error("the bot may write a core file, which would hold what is in its memory")
	}
	ready := w.portalLogin("maya", "looking at order 4711 with the supplier")
	link := w.linkFor("maya", ready)

	previewer := w.visitor()
	for range 3 {
		if page := previewer.get(link); previewer.status != http.StatusOK || strings.Contains(page, "Maya") || strings.Contains(page, "portal") {
			t.Errorf("what opens links before people do is told something (%d):\n%s", previewer.status, page)
		}
	}
	w.wantHeaders(previewer.header)

	stranger := w.visitor()
	stranger.get(link)
	stranger.send("/code", nil) // the code goes to the holder, whoever asks
	code := w.codeFor("maya", "")
	stranger.send("/prove", map[string]string{"code": "AAAA-AAAA"})
	if stranger.status != http.StatusForbidden {
		t.Errorf("a wrong code: %d", stranger.status)
	}

	maya := w.visitor()
	maya.get(link)
	maya.send("/code", nil)
	mine := w.codeFor("maya", code)
	maya.send("/prove", map[string]string{"code": code}) // sent for the other browser
	if maya.status != http.StatusForbidden {
		t.Errorf("the code of another browser: %d", maya.status)
	}
	maya.get(link)
	before := maya.client.Jar.Cookies(maya.at)[0].Value
	if page := maya.send("/prove", map[string]string{"code": strings.ToLower(mine)}); !strings.Contains(page, "Supplier portal") || strings.Contains(page, "cs_") {
		t.Fatalf("after the right code (%d):\n%s", maya.status, page)
	}
	if after := maya.client.Jar.Cookies(maya.at)[0].Value; after == before {
		t.Error("the session keeps its name after somebody has proved who they are")
	}
	page := maya.send("/reveal", nil)
	m := secretIn.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no password on the page (%d):\n%s", maya.status, page)
	}
	password := m[1]
	login := regexp.MustCompile(`<h2>Login</h2>\s*<pre tabindex="0">([^<]+)</pre>`).FindStringSubmatch(page)[1]
	if !w.demo.portal.opens(login, password) {
		t.Error("the password does not open the portal")
	}
	if maya.get(link); maya.status != http.StatusGone {
		t.Errorf("the link after the view: %d", maya.status)
	}
	if stranger.get(link); stranger.status != http.StatusGone {
		t.Errorf("the link for others after the view: %d", stranger.status)
	}
	if taken := w.recorded(grants.SecretTaken{}.Kind(), 1)[0]; taken.Event.(grants.SecretTaken).Authn != "slack-code" || taken.Person == "" {
		t.Errorf("the record: %+v", taken)
	}
	w.recorded(grants.SecretDestroyed{}.Kind(), 1)
	if n := len(w.refusals("take secret")); n != 2 {
		t.Errorf("%d refusals recorded, want 2", n)
	}
	if found := w.haunted(password); len(found) > 0 {
		t.Errorf("the password stands in %v", found)
	}
	w.later(61 * time.Minute)
	w.recorded(grants.Revoked{}.Kind(), 1)
	if w.demo.portal.opens(login, password) {
		t.Error("the password opens the portal after the access has ended")
	}
	w.verify()
}

func (w *world) refusals(command string) (out []workflows.Record) {
	for _, r := range w.entries(workflows.Refused{}.Kind()) {
		if r.Event.(workflows.Refused).Command == command {
			out = append(out, r)
		}
	}
	return out
}

// wantHeaders holds what keeps a page from being stored, framed, indexed or told to others (R105).
func (w *world) wantHeaders(h http.Header) {
	w.t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "default-src 'none'", "X-Robots-Tag": "noindex",
	} {
		if !strings.Contains(h.Get(name), want) {
			w.t.Errorf("%s is %q, want %q in it", name, h.Get(name), want)
		}
	}
}

// TestReq_R16_TheHolderTakesItOnTheHost: by the kernel's word, once; nobody else; after a restart in between nothing is lost. With a key on
// record the secret is sealed to it.
func TestReq_R16_TheHolderTakesItOnTheHost(t *testing.T) {
	t.Parallel()
	w := portalWorld(t, "maya")
	w.portalLogin("kenji", "an order of the other office")
	kenjis := w.recorded(grants.SecretKept{}.Kind(), 1)[0].Event.(grants.SecretKept).Grant
	if out, code := w.run("take", string(kenjis)); code != exitFailed || !strings.Contains(out, "not yours") {
		t.Errorf("somebody else's secret (exit %d): %s", code, out)
	}
	w.portalLogin("maya", "looking at order 4712 with the supplier")
	w.restart()
	out, code := w.run("take")
	m := regexp.MustCompile(`(?m)^Password: (\S{28})$`).FindStringSubmatch(out)
	if code != exitDone || m == nil {
		t.Fatalf("taking it (exit %d): %s", code, out)
	}
	login := regexp.MustCompile(`(?m)^Login: (\S+)$`).FindStringSubmatch(out)[1]
	if !w.demo.portal.opens(login, m[1]) {
		t.Error("the password does not open the portal")
	}
	if out, code := w.run("take", login); code != exitFailed || !strings.Contains(out, "shown once already") {
		t.Errorf("the second time (exit %d): %s", code, out)
	}
	if found := w.haunted(m[1]); len(found) > 0 {
		t.Errorf("the password stands in %v", found)
	}
	if n := len(w.entries(grants.SecretTaken{}.Kind())); n != 1 {
		t.Errorf("%d takings recorded", n)
	}

	const key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	if out, code := w.run("key", "set", key); code != exitDone || !strings.Contains(out, "SHA256:") {
		t.Fatalf("setting a key (exit %d): %s", code, out)
	}
	w.portalLogin("maya", "looking at order 4713 with the supplier")
	kept := w.recorded(grants.SecretKept{}.Kind(), 3)[2].Event.(grants.SecretKept)
	if kept.Way != grants.WayKey || kept.Key == "" {
		t.Errorf("with a key on record: %+v", kept)
	}
	if out, code := w.run("take", string(kept.Grant)); code != exitDone || !strings.Contains(out, "BEGIN AGE ENCRYPTED FILE") || strings.Contains(out, "Password:") {
		t.Errorf("taking a sealed one (exit %d): %s", code, out)
	}
	w.verify()
}

// TestFault_F21_GlassIsBrokenOnThePageWhileSlackIsDown: codes printed in peacetime, once; a wrong one and a used one are refused and recorded;
// the invocation says that it came by the page; Slack is told when it is back.
func TestFault_F21_GlassIsBrokenOnThePageWhileSlackIsDown(t *testing.T) {
	t.Parallel()
	w := portalWorld(t, "kenji", aroundBook(t))
	for _, step := range []string{"runbook", "runbook-approve"} {
		w.step(step, func() {})
	}
	w.preapprove("around", "Around a condition")
	out, code := w.run("codes", "new")
	sheet := regexp.MustCompile(`[A-Z2-9]{4}(?:-[A-Z2-9]{4}){3}`).FindAllString(out, -1)
	if code != exitDone || len(sheet) != 10 || !strings.Contains(out, "/emergency") {
		t.Fatalf("printing codes (exit %d): %s", code, out)
	}
	w.slackDown()
	v := w.visitor()
	enter := func(name, code string) string {
		v.get(w.child.url() + "/emergency")
		return v.send("/emergency/login", map[string]string{"name": name, "code": code})
	}
	if enter("kenji", "AAAA-AAAA-AAAA-AAAA"); v.status != http.StatusForbidden {
		t.Errorf("a wrong code: %d", v.status)
	}
	if enter("maya", sheet[0]); v.status != http.StatusForbidden {
		t.Errorf("another one's code: %d", v.status)
	}
	page := enter("kenji", strings.ToLower(sheet[0]))
	if v.status != http.StatusOK || !strings.Contains(page, "Kenji Mori") || !strings.Contains(page, "/emergency/runbook/web-outage") {
		t.Fatalf("signing in (%d):\n%s", v.status, page)
	}
	v.get(w.child.url() + "/emergency/runbook/web-outage")
	values := map[string]string{"incident": "INC-9", "reason": "the shop is down and so is Slack"}
	for _, f := range regexp.MustCompile(`name="(field\.[^"]+)"`).FindAllStringSubmatch(v.page, -1) {
		values[f[1]] = w.people["kenji"].public()
	}
	if page := v.send("/web-outage", values); !strings.Contains(page, "Break the glass for INC-9?") {
		t.Fatalf("before the glass is broken (%d):\n%s", v.status, page)
	}
	if n := len(w.entries("runbook.invoked")); n != 0 {
		t.Fatal("invoked before it was confirmed")
	}
	v.send("/web-outage", nil)
	if !strings.Contains(v.at.Path, "/emergency/grant/g_") {
		t.Fatalf("after it (%d, %s):\n%s", v.status, v.at, v.page)
	}
	if _, err := until(t.Context(), "the access on the page", func() (string, bool) {
		return v.page, strings.Contains(v.get(v.at.String()), "active, until")
	}); err != nil {
		t.Error(err)
	}
	if used := w.recorded(identities.CodeUsed{}.Kind(), 1)[0].Event.(identities.CodeUsed); used.Channel != "web" {
		t.Errorf("%+v", used)
	}
	other := w.visitor()
	other.get(w.child.url() + "/emergency")
	if other.send("/emergency/login", map[string]string{"name": "kenji", "code": sheet[0]}); other.status != http.StatusForbidden || !strings.Contains(other.page, "used before") {
		t.Errorf("a used code (%d):\n%s", other.status, other.page)
	}
	if n := len(w.refusals("sign in")); n != 3 {
		t.Errorf("%d refused codes recorded, want 3", n)
	}
	if found := w.haunted(strings.ReplaceAll(sheet[1], "-", "")); len(found) > 0 {
		t.Errorf("an unused code stands in %v", found)
	}
	w.slackUp()
	if _, err := w.message(t.Context(), "incidents", "INC-9"); err != nil {
		t.Errorf("Slack was not told afterwards: %v", err)
	}
	w.check(w.child.ready(t.Context()))
	t.Run("Req_R65_AClickGoesAroundNothing", func(t *testing.T) { w.goesAround(v) })
	w.verify()
}

// TestReq_R53_AnEnvelopeIsReconciled: a code of it is genuine on the files alone, is brought into the ledger once with what the paper says, and
// opens no page; a wrong one, and one of another sheet, are refused.
func TestReq_R53_AnEnvelopeIsReconciled(t *testing.T) {
	t.Parallel()
	w := portalWorld(t, "frida")
	codes := func(args ...string) []string {
		t.Helper()
		out, code := w.run(args...)
		if code != exitDone {
			t.Fatalf("%v (exit %d): %s", args, code, out)
		}
		return regexp.MustCompile(`[A-Z2-9]{4}(?:-[A-Z2-9]{4}){3}`).FindAllString(out, -1)
	}
	paper, sheet := codes("envelope", "new"), codes("codes", "new")
	if len(paper) != 3 || len(sheet) != 10 {
		t.Fatalf("%d codes in the envelope, %d on the sheet", len(paper), len(sheet))
	}
	w.stopBot() // nobody runs, nothing is written
	if out, code := w.run("envelope", "check", strings.ToLower(paper[0]), "-person", "frida"); code != exitDone || !strings.HasPrefix(out, "genuine: ") {
		t.Errorf("a genuine code (exit %d): %s", code, out)
	}
	if out, code := w.run("envelope", "check", sheet[0], "-person", "frida"); code != exitFailed {
		t.Errorf("a code of the sheet (exit %d): %s", code, out)
	}
	w.start()
	v := w.visitor()
	v.get(w.child.url() + "/emergency")
	if v.send("/emergency/login", map[string]string{"name": "frida", "code": paper[0]}); v.status != http.StatusForbidden {
		t.Errorf("a code of the envelope opens the page: %d", v.status)
	}
	reconcile := func(code string) (string, int) {
		return w.run("envelope", "reconcile", code, "-person", "frida", "-opened", w.clock.Now().Wall.Add(-time.Second).UTC().Format(time.RFC3339), "-incident", "INC-77", "-did", "gave maya root by hand until 04:00", "-seen", "jonas")
	}
	if out, code := reconcile(paper[0]); code != exitDone {
		t.Errorf("reconciling (exit %d): %s", code, out)
	}
	for _, bad := range []string{paper[0], sheet[1], "AAAA-AAAA-AAAA-AAAA"} {
		if out, code := reconcile(bad); code != exitFailed {
			t.Errorf("reconciling %s (exit %d): %s", bad, code, out)
		}
	}
	e := w.recorded(identities.EnvelopeReconciled{}.Kind(), 1)[0].Event.(identities.EnvelopeReconciled)
	if e.Incident != "INC-77" || e.Seen == "" || e.Did == "" {
		t.Errorf("%+v", e)
	}
	if out, code := w.run("envelope", "check", paper[0], "-person", "frida"); code != exitFailed || !strings.Contains(out, "used before") {
		t.Errorf("a used code (exit %d): %s", code, out)
	}
	w.verify()
}
