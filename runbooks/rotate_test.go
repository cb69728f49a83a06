package runbooks_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// vaulted is a target with one credential, whose steps fail on demand, before or after their effect.
type vaulted struct {
	*runbooktest.Memory
	live  []string // credentials that work
	fail  string   // the step that fails
	after bool     // and whether its effect came before
	news  []string // secrets that were offered as the new one
}

var errStep = errors.New("the network broke")

func (v *vaulted) step(name string, effect func()) error {
	if v.fail == name && !v.after {
		return errStep
	}
	effect()
	if v.fail == name {
		return errStep
	}
	return nil
}

func (v *vaulted) Renew(_ context.Context, r runbooks.Rotation) (runbooks.Renewed, error) {
	err := v.step("renew", func() {
		v.news = append(v.news, r.Secret.Reveal())
		if !slices.Contains(v.live, r.Secret.Reveal()) {
			v.live = append(v.live, r.Secret.Reveal())
		}
	})
	return runbooks.Renewed{Ref: "new"}, err
}

func (v *vaulted) Prove(_ context.Context, r runbooks.Rotation, _ runbooks.Renewed) error {
	return v.step("prove", func() {})
}

func (v *vaulted) Retire(_ context.Context, r runbooks.Rotation, _ runbooks.Renewed) error {
	return v.step("retire", func() { v.live = []string{r.Secret.Reveal()} })
}

// TestReq_R41_FaultsBetweenSteps: whichever step fails, before or after its effect, the old credential works until the new one was proven; the order that is repeated
// takes the same new secret to its end, and it is kept for its holder before the target hears of it.
func TestReq_R41_FaultsBetweenSteps(t *testing.T) {
	t.Parallel()
	for _, fail := range []string{"renew", "prove", "retire"} {
		for _, after := range []bool{false, true} {
			v := &vaulted{Memory: &runbooktest.Memory{Caps: runbooks.Capabilities{Timeout: time.Minute}}, live: []string{"old"}, fail: fail, after: after}
			r, safe := runbooks.NewRunner(map[string]runbooks.Connector{"t": v}, slog.New(slog.DiscardHandler)), runbooktest.NewSafe()
			r.KeepIn(safe)
			g := grantOf(1)
			g.Fields = map[string]string{"old": "old"}
			if _, err := r.Rotate(t.Context(), "t", g); err == nil || runbooks.ClassOf(err) != runbooks.Retry {
				t.Errorf("%s fails (after its effect: %v): %v", fail, after, err)
			}
			if works := slices.Contains(v.live, "old"); works != (fail != "retire" || !after) {
				t.Errorf("%s failed (after its effect: %v): the old credential works: %v", fail, after, works)
			}
			kept, ok, err := safe.Kept(t.Context(), g.ID)
			if err != nil || !ok || len(v.live) == 0 {
				t.Fatalf("nothing is kept (%v), or nothing works: %v", err, v.live)
			}
			v.fail = ""
			if _, err := r.Rotate(t.Context(), "t", g); err != nil {
				t.Errorf("repeated: %v", err)
			}
			secret := kept.Parts[0].Value.Reveal()
			if !slices.Equal(v.live, []string{secret}) || slices.ContainsFunc(v.news, func(s string) bool { return s != secret }) {
				t.Errorf("%s (after: %v): works %d, offered %d", fail, after, len(v.live), len(v.news))
			}
		}
	}
	v := &vaulted{Memory: &runbooktest.Memory{}, live: []string{"old"}}
	r, safe := runbooks.NewRunner(map[string]runbooks.Connector{"t": v}, slog.New(slog.DiscardHandler)), runbooktest.NewSafe()
	safe.Fail = errStep
	r.KeepIn(safe)
	if _, err := r.Rotate(t.Context(), "t", grantOf(1)); err == nil || len(v.news) != 0 {
		t.Errorf("a secret that cannot be kept reached the target: %v (%v)", v.news, err)
	}
}
