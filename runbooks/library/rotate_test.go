package library_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// TestReq_R41_EveryKindHasARoutineThatIsReady: for each kind of identity with a secret the folder that init writes has a routine that its due rotation opens. One makes the new
// secret before it ends the old one, which waits for people who say that the readers have moved; the others want evidence that the old one was seen to be dead, from somebody else
// than who began.
func TestReq_R41_EveryKindHasARoutineThatIsReady(t *testing.T) {
	t.Parallel()
	p := ready(t)
	kinds := map[string]string{}
	for _, name := range routines() {
		b, ok := p.Runbooks[workflows.RunbookID(strings.TrimSuffix(name, ".md"))]
		if !ok {
			t.Fatalf("%s is not there", name)
		}
		r := b.Runbook
		if !r.Routine || !slices.Contains(r.OpensOn, incidents.OpensOnRotation) || r.Tell == nil || r.Notify == "" {
			t.Errorf("%s: no rotation opens it, or nobody is told: %+v", name, r)
		}
		for _, k := range r.Kinds {
			if kinds[k] != "" {
				t.Errorf("%s and %s are both for %s", kinds[k], name, k)
			}
			kinds[k] = name
		}
		plan := r.Plan(b.Raw)
		last := plan[len(plan)-1]
		if name == "rotate-login.md" {
			var acts []string
			for _, st := range plan {
				acts = append(acts, st.Action)
			}
			if !slices.Equal(acts, []string{incidents.ActRenew, incidents.ByHand, incidents.ActRetire}) || last.Wait == 0 || !last.Auto || !plan[1].Evidence {
				t.Errorf("%s: %+v", name, plan)
			}
			continue
		}
		if len(plan) < 4 || !last.Evidence || !last.Second || !strings.Contains(last.Title, "see that it is dead") {
			t.Errorf("%s does not end with somebody else seeing the old one dead: %+v", name, last)
		}
	}
	for _, k := range []string{"service_account", "automation_account", "api_key", "oauth_token", "certificate", "ssh_key", "workload", "ai_agent", "integration"} {
		if kinds[k] == "" {
			t.Errorf("no routine for %s", k)
		}
	}
}
