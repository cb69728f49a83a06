package workflows_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
)

// However access is extended, a row of grants never lasts longer than the cap of its chain, nor than its risk tier allows for a single
// grant (R57).
func TestReq_R57_ARowOfExtensionsStaysUnderItsTier(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tier := workflows.Span(rapid.SampledFrom([]int64{0, 3600, 7200, 14400}).Draw(t, "tier"))
		cap := workflows.Span(rapid.SampledFrom([]int64{3600, 10800, 86400}).Draw(t, "cap"))
		most := cap
		if tier > 0 {
			most = min(most, tier)
		}
		var held workflows.Held
		for range rapid.IntRange(1, 12).Draw(t, "asks") {
			x, err := newWorld("peers(ann)x1 | tier mid for any | extend " + cap.String())
			if err != nil {
				t.Fatal(err)
			}
			x.w.Longest, x.w.Entitlements[0].Longest, x.w.Risk.Tiers[0].Longest = 86400, 0, tier
			now := x.l.Now.UTC
			gone := time.Duration(rapid.IntRange(0, 240).Draw(t, "minutes since the first")) * time.Minute
			held = workflows.Held{Grant: "g_held", Started: now.Add(-gone), Ends: now.Add(time.Minute)}
			a := x.ask(acting("zed"))
			a.Extends, a.Held = "g_held", held
			a.Form.Seconds = workflows.Span(rapid.Int64Range(1, 300).Draw(t, "minutes asked")) * 60
			code, err := x.take(x.w.Submit(x.l.Facts(), a))
			if err != nil {
				t.Fatal(err)
			}
			fits := now.Add(a.Form.Seconds.Duration()) <= held.Started.Add(most.Duration())
			if (code == "") != fits {
				t.Fatalf("%s more, %s after the first, in a row of at most %s (cap %s, tier %s): %q", a.Form.Seconds, gone, most, cap, tier, code)
			}
			if want := workflows.CodeCap; code != "" && code != want {
				t.Fatalf("refused as %q, not %q", code, want)
			}
			if got := x.w.RowCap("mid"); got != most {
				t.Fatalf("a row of %s, want %s", got, most)
			}
		}
	})
}
