package web_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestReq_R26_InABrowser walks the page in a real browser, whose Origin, cookies and content security policy are its own; with
// COUNTERSIGN_SCREENSHOTS it keeps a picture of each page there.
func TestReq_R26_InABrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	binary, err := exec.LookPath("chromium")
	if err != nil {
		t.Skipf("no browser here: %v", err)
	}
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(binary), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(900, 760), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-networking", true),
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	w := newWorld(t, nil)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	text := func() string {
		t.Helper()
		s, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	shoot := func(name string) {
		t.Helper()
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if dir := os.Getenv("COUNTERSIGN_SCREENSHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	do(chromedp.Navigate(w.web.NewLink("g_1", "p_ann")), chromedp.WaitVisible("form"))
	shoot("web-prove")
	do(chromedp.Click(`form[action$="/code"] button`), chromedp.WaitVisible("#code"))
	do(chromedp.SendKeys("#code", strings.ToLower(w.code())))
	shoot("web-code")
	do(chromedp.Click(`form[action$="/prove"] button`), chromedp.WaitVisible(`form[action$="/reveal"]`))
	if page := text(); strings.Contains(page, "horse") || w.taken != 0 {
		t.Errorf("shown before it was asked for:\n%s", page)
	}
	shoot("web-reveal")
	do(chromedp.Click(`form[action$="/reveal"] button`), chromedp.WaitVisible("pre"))
	if page := text(); !strings.Contains(page, "<b>correct</b>&horse") {
		t.Errorf("the page of the secret:\n%s", page)
	}
	shoot("web-secret")
	do(chromedp.Navigate(w.srv.URL+"/emergency"), chromedp.WaitVisible("#name"))
	shoot("web-emergency")
}
