package spec_test

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// R95, R106: a folder by which somebody could act as an identity in any other way than by an explicit chain is refused, at the line.
func TestReq_R95_NobodyActsAsAnIdentityByAnyOtherChain(t *testing.T) {
	t.Parallel()
	opts := spec.Options{Connectors: connectors().Connectors, Params: map[string]spec.Params{
		"sshca": {
			Known:   []string{"principals", "extensions", "host", "force_command", "source_address"},
			Brokers: &spec.Brokers{Needed: []string{"force_command"}}, Acts: []string{"principals"},
		},
		"webhook": {Known: []string{"tool", "environment", "team", "role", "service", "account", "principals", "extensions", "host"}},
	}}
	const chain, target = "workflows/act-as-identity.yaml", "targets/tile-host.yaml"
	for _, x := range []struct{ name, file, old, to, want string }{
		{"as it is", chain, "", "", ""},
		{"by an ordinary chain", "workflows/vendor-access.yaml", "grants: [vendor-bastion/lidar]", "grants: [tile-host/as-tile-builder]", `lets its holder act as "svc-tile-builder", which only a workflow of kind impersonate grants`},
		{"not said", target, "    acts_as: svc-tile-builder\n", "", `lets its holder act as the identity "svc-tile-builder", and does not say so`},
		{"of nobody", target, "acts_as: svc-tile-builder", "acts_as: svc-tile-bilder", "svc-tile-bilder"},
		{"another account", target, "principals: [svc_tiles]", "principals: [root]", `do not name the account of "svc-tile-builder"`},
		{"not attributed", target, "connector: sshca", "connector: webhook", `the connector "webhook" cannot tell who acted as "svc-tile-builder"`},
		{"without terms", chain, "impersonate: {management: Management, exceptional: circumstance}\n", "", "does not say who of management approves"},
		{"without a circumstance", chain, "exceptional: circumstance", "exceptional: ticket", `the form has no choice "ticket" that has to be made`},
		{"without management", chain, "management: Management", "management: Board", `there is no step "Board"`},
		{"around management", chain, "stages:\n  - name: Owner", "rules:\n  - {name: Short, up_to: 30m, stages: [Owner]}\n  - {name: Long}\nstages:\n  - name: Owner", `rule "Short" goes around the step of management`},
		{"by a document", chain, "stages:\n  - name: Owner", "rules:\n  - {name: Short, up_to: 30m, auto: {times: 1, per: 1d, sample: 10}}\n  - {name: Long}\nstages:\n  - name: Owner", "without anybody's approval"},
		{"for somebody else", chain, "grants:", "for: [reports]\ngrants:", "only who asks acts as an identity by it"},
		{"for days", chain, "longest: 2h", "longest: 12h", "nobody acts as an identity for 12h"},
		{"of another kind", chain, "kind: impersonate", "kind: credential", "only a workflow of kind impersonate has one"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			dir := company(t)
			if x.old != "" {
				edit(t, dir, x.file, x.old, x.to)
			}
			f, err := spec.Load(dir, opts)
			if x.want != "" {
				if err == nil || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), x.file+":") {
					t.Fatalf("want %q at a line of %s:\n%v", x.want, x.file, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p, err := f.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
			if err != nil {
				t.Fatal(err)
			}
			w := p.Workflows["act-as-identity"].Workflow
			if w.ActAs == nil || w.ActAs.Management != "Management" || w.Entitlements[0].ActsAs != "svc-tile-builder" {
				t.Errorf("compiled to %+v on %+v", w.ActAs, w.Entitlements)
			}
		})
	}
}
