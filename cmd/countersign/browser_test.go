package main_test

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestBrowser_MainJob walks a request through the product as people do, in a real browser: asking, a mistake in the form, two people
// who decide, the clock, the certificate, the bastion, giving it back, a denial typed without a mouse, and the proof.
//
// COUNTERSIGN_SCREENSHOTS names a folder that gets a picture of every screen, light and dark, in three widths.
func TestBrowser_MainJob(t *testing.T) {
	b := openBrowser(t)
	b.story([]chapter{
		{"a new workspace says what to do", b.seeStart},
		{"Maya asks", b.ask},
		{"Jonas approves", b.approveFirst},
		{"an hour passes and Priya approves", b.approveSecond},
		{"Maya has access", b.useAccess},
		{"Maya gives it back", b.giveBack},
		{"without a mouse: Maya asks, Jonas denies", b.denyByKeyboard},
	})
}

// TestBrowser_BreakGlass does the same for an incident: a runbook is approved beforehand, invoked, and reviewed.
func TestBrowser_BreakGlass(t *testing.T) {
	b := openBrowser(t)
	b.story([]chapter{
		{"two people approve the runbook", b.approveRunbook},
		{"Kenji breaks the glass", b.breakGlass},
		{"Sofia reviews", b.review},
	})
}

type chapter struct {
	name string
	act  func()
}

// story plays chapters until one fails: each stands on the one before.
func (b *browser) story(chapters []chapter) {
	all := b.t
	defer func() { b.t = all }()
	for _, c := range chapters {
		if !all.Run(c.name, func(t *testing.T) { b.t = t; c.act() }) {
			return
		}
	}
}

func (b *browser) seeStart() {
	b.see(spot{in: ".empty", words: []string{"#access"}})
	b.shoot("01-access-empty")
	b.click(testid("nav-home"))
	b.see(spot{in: testidCSS("home"), words: []string{"Ask for access", "What you can ask for"}})
	b.shoot("02-home-empty")
	b.enter("access")
}

// fillForm fills the form of a shell as deploy, as it is left to people to fill.
func (b *browser) fillForm(ticket, why string) {
	b.see(testid("field-field:ticket"))
	b.typeInto(testid("input-field:ticket"), ticket)
	b.typeInto(testid("input-field:key"), b.publicKey())
	b.typeInto(testid("input-reason"), why)
}

func (b *browser) ask() {
	b.click(testid("panel-toggle"))
	b.see(spot{frame: true, in: testidCSS("now"), words: []string{":"}})
	b.shoot("03-panel")
	b.typeInto(testid("composer"), "/acc")
	b.see(testid("command-access"))
	b.shoot("04-hints")
	b.key(kb.Tab)
	b.key(kb.Enter)
	b.true("the menu has the focus", `document.activeElement.dataset.testid === "input-pick"`)
	b.key("S")
	b.key(kb.Enter)
	b.fillForm("4711", "The shop answers 502 since 14:02; I need the logs and a restart.")
	b.shoot("05-form")
	b.click(testid("modal-submit"))
	b.see(spot{in: testidCSS("error-field:ticket"), words: []string{"OPS-"}})
	b.true("the error's input has the focus", `document.activeElement.dataset.testid === "input-field:ticket" && document.activeElement.getAttribute("aria-describedby").includes("error")`)
	b.shoot("06-form-error")
	b.typeInto(testid("input-field:ticket"), "OPS-4711")
	b.click(testid("modal-submit"))
	b.see(spot{in: "#modal", words: []string{"Sent.", "Jonas Weber"}})
	b.shoot("07-sent")
	b.click(testid("modal-close"))
	b.gone("#modal[open]")
	b.see(b.card("Waiting for 1 more", "Jonas Weber"))
	b.shoot("08-card-open")
}

func (b *browser) approveFirst() {
	b.become("jonas")
	b.shoot("09-jonas")
	b.click(b.card("Waiting for 1 more").at(testidCSS("action-request.approve")))
	b.see(spot{in: "#confirm[open]", words: []string{"Maya Chen", "1h"}})
	b.shoot("10-confirm")
	b.key(kb.Escape)
	b.gone("#confirm[open]")
	b.click(b.card("Waiting for 1 more").at(testidCSS("action-request.approve")))
	b.click(testid("confirm-yes"))
	b.see(b.card("Stage 2 of 2", "Sofia Rossi"))
	b.true("the answer is read aloud", `document.querySelector("#announce").textContent.includes("Recorded: you approved")`)
	b.shoot("11-card-second-stage")
	b.click(testid("thread-open"))
	b.see(spot{in: testidCSS("thread-pane"), words: []string{"Jonas Weber", "approved"}})
	b.shoot("12-thread")
	b.click(spot{sel: "#thread [aria-label='Close thread']"})
}

func (b *browser) approveSecond() {
	b.panel()
	b.click(spot{frame: true, sel: "[data-by='1h']"})
	b.see(b.card("More people have been asked"))
	b.become("priya")
	b.click(testid("nav-dm"))
	b.see(b.card("You are asked", "Maya Chen"))
	b.shoot("13-dm-priya")
	b.click(b.card("You are asked").at(testidCSS("action-request.approve")))
	b.click(testid("confirm-yes"))
	b.see(b.card("Approved", "Access is on"))
	b.shoot("14-dm-priya-decided")
}

func (b *browser) useAccess() {
	b.become("maya")
	b.click(testid("nav-dm"))
	b.see(spot{in: "article.msg", words: []string{"Ready:", "ssh-ed25519-cert-v01@openssh.com", "It ends by itself"}})
	b.shoot("15-dm-ready")
	b.click(testid("nav-home"))
	b.see(spot{in: testidCSS("home"), words: []string{"Shell as deploy", "Access is on", "I'm done"}})
	b.shoot("16-home-active")
	b.enter("access")
	b.see(b.card("Approved", "Access is on"))
	b.shoot("17-card-active")
	b.panel()
	b.click(spot{frame: true, sel: testidCSS("login-deploy")})
	b.see(spot{frame: true, in: testidCSS("ssh"), words: []string{"Welcome to the bastion", "deploy"}})
	b.click(spot{frame: true, sel: testidCSS("verify")})
	b.see(spot{frame: true, in: testidCSS("ledger"), words: []string{"is intact"}})
	b.shoot("18-panel-used")
	b.click(spot{frame: true, sel: testidCSS("login-root")})
	b.see(spot{frame: true, in: testidCSS("ssh"), words: []string{"refused"}})
}

func (b *browser) giveBack() {
	b.click(testid("nav-home"))
	b.click(testid("action-grant.done"))
	b.shoot("19-confirm-done")
	b.click(testid("confirm-yes"))
	b.see(spot{in: testidCSS("home"), words: []string{"You have no access"}})
	b.enter("access")
	b.see(b.card("given back"))
	b.shoot("20-card-ended")
	b.click(testid("nav-dm"))
	b.see(spot{in: "article.msg", words: []string{"given back"}})
	b.shoot("21-dm-ended")
}

func (b *browser) denyByKeyboard() {
	b.enter("access")
	b.tabTo(testidCSS("composer"))
	b.typed("/access request prod-shell")
	b.key(kb.Enter)
	b.see(testid("field-field:ticket"))
	b.true("the form has the focus", `document.querySelector("#modal").contains(document.activeElement)`)
	b.tabTo(testidCSS("input-field:ticket"))
	b.typed("OPS-4712")
	b.tabTo(testidCSS("input-field:key"))
	b.typed(b.publicKey())
	b.tabTo(testidCSS("input-reason"))
	b.typed("I would like to look around in production a little.")
	b.tabTo(testidCSS("modal-submit"))
	b.key(kb.Enter)
	b.see(spot{in: "#modal", words: []string{"Sent."}})
	b.key(kb.Escape)
	b.gone("#modal[open]")
	b.tabTo(testidCSS("user-switcher"))
	b.key(kb.Enter)
	b.shoot("22-people")
	b.tabTo(testidCSS("user-jonas"))
	b.key(kb.Enter)
	b.see(b.card("Waiting for 1 more").at(testidCSS("action-request.deny")))
	b.tabTo(testidCSS("action-request.deny"))
	b.key(kb.Enter)
	b.see(testid("input-reason"))
	b.tabTo(testidCSS("input-reason"))
	b.typed("Nothing is broken. Please use the copy in staging.")
	b.shoot("23-deny")
	b.tabTo(testidCSS("modal-submit"))
	b.key(kb.Enter)
	b.see(spot{in: "#modal", words: []string{"Recorded: you denied"}})
	b.key(kb.Escape)
	b.gone("#modal[open]")
	b.see(b.card("Denied by"))
	b.shoot("24-card-denied")
	b.click(b.card("Denied by").at(testidCSS("thread-open")))
	b.see(spot{in: testidCSS("thread-pane"), words: []string{"denied", "Please use the copy in staging"}})
	b.key(kb.Escape)
	b.become("maya")
	b.click(testid("nav-dm"))
	b.see(spot{in: "article.msg", words: []string{"denied", "Please use the copy in staging"}})
	b.shoot("25-dm-denied")
}

func (b *browser) approveRunbook() {
	b.become("kenji")
	b.command("/breakglass")
	b.see(testid("ephemeral"))
	b.shoot("30-breakglass-not-ready")
	b.command("/access request runbook-approval")
	b.see(testid("input-reason"))
	b.trapped()
	b.typeInto(testid("input-reason"), "So that whoever is on call can act at night.")
	b.shoot("31-runbook-form")
	b.click(testid("modal-submit"))
	b.see(spot{in: "#modal", words: []string{"Sent."}})
	b.click(testid("modal-close"))
	for _, who := range []string{"frida", "sofia"} {
		b.become(who)
		b.click(testid("nav-dm"))
		b.click(b.card("You are asked").at(testidCSS("action-request.read")))
		b.see(spot{in: "#modal", words: []string{"journalctl -u shop -n 100"}})
		b.shoot("32-read-" + who)
		b.click(testid("modal-submit"))
		b.see(spot{in: "#modal", words: []string{"Recorded", "approved"}})
		b.click(testid("modal-close"))
		b.gone("#modal[open]")
	}
	b.see(b.card("Approved by"))
	b.shoot("33-runbook-approved")
}

func (b *browser) breakGlass() {
	b.become("kenji")
	b.enter("incidents")
	b.command("/breakglass web-outage INC-1042")
	b.see(testid("field-field:key"))
	b.typeInto(testid("input-field:key"), b.publicKey())
	b.shoot("34-breakglass-form")
	b.click(testid("modal-submit"))
	b.see(spot{in: "article.msg", words: []string{"Break glass", "INC-1042", "Kenji Mori"}})
	b.closeModal()
	b.shoot("35-incidents")
	b.click(testid("nav-dm"))
	b.see(spot{in: "article.msg", words: []string{"Ready:", "root"}})
	b.shoot("36-dm-root")
	b.become("jonas")
	b.click(testid("nav-dm"))
	b.see(spot{in: "article.msg", words: []string{"Your approval was skipped"}})
	b.shoot("37-skipped")
}

func (b *browser) review() {
	b.become("sofia")
	b.click(testid("nav-home"))
	b.see(spot{in: testidCSS("home"), words: []string{"Reviews to close", "INC-1042"}})
	b.shoot("38-home-reviewer")
	b.click(testid("action-review.close"))
	b.click(testid("choice-value-emergency"))
	b.typeInto(spot{sel: "#modal textarea"}, "Kenji restarted the shop and gave the access back. Nothing else was touched.")
	b.shoot("39-review")
	b.click(testid("modal-submit"))
	b.closeModal()
	b.click(testid("nav-dm"))
	b.see(spot{in: "article.msg", words: []string{"Review closed", "emergency"}})
	b.shoot("40-review-closed")
}
