package slacksim_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// browse lets a real browser draw the page and returns the document it ends with.
func (f *fixture) browse(path string) string {
	f.t.Helper()
	binary := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			binary = p
			break
		}
	}
	if binary == "" {
		f.t.Skip("no chromium on this machine")
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
		"--disable-component-update", "--no-first-run", "--user-data-dir="+f.t.TempDir(), "--virtual-time-budget=3000", "--dump-dom",
		f.url+path).Output()
	if ctx.Err() != nil {
		f.t.Fatal("the page never came to rest")
	}
	if err != nil {
		f.t.Skipf("the browser does not run here: %v", err)
	}
	return string(out)
}

func TestABrowserDrawsThePage(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	t.Parallel()
	f := start(t, nil)
	f.invite()
	f.serve(func(e envelope) any {
		if e.Type == "slash_commands" {
			f.ok("views.open", "trigger_id", e.trigger(), "view", jsonText(form()))
		}
		return nil
	})
	end := time.Date(2026, 11, 22, 17, 30, 0, 0, time.UTC).Unix()
	f.ok("chat.postMessage", "channel", f.ChannelID("general"), "text", "x", "blocks", blocks(
		object{"type": "header", "text": plain("A card & more")},
		section("until <!date^"+jsonText(end)+"^{time}|later>, *bold*, <script>alert(1)</script> <@"+f.UserID("bob")+">"),
		actions("act", button("go", "Go", "1")),
	))
	if d := f.Command(t.Context(), "ann", "general", "/help-me", ""); d.Err != nil {
		t.Fatal(d.Err)
	}
	if d := f.SubmitView(t.Context(), "ann", nil); d.Err == nil {
		t.Fatal("an empty form was sent")
	}
	dom := f.browse("/?as=ann&at=general&theme=dark&live=0")
	for _, want := range []string{
		`data-theme="dark"`, "A card &amp; more", ">18:30</time>", "<strong>bold</strong>", `>@bob</span>`, `data-testid="action-go"`,
		`data-testid="modal-submit"`, `data-testid="input-role"`, `data-testid="error-why"`, "Please complete this required field.",
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(dom, "<script>alert") {
		t.Error("a message became markup")
	}
	if bobs := f.browse("/?as=bob&at=general&live=0"); !strings.Contains(bobs, ">12:30</time>") || strings.Contains(bobs, `data-testid="modal-submit"`) {
		t.Errorf("bob's page shows ann's time or modal")
	}
}
