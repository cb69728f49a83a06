package spec_test

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// R108: a target is brokered only where its connector keeps the holder to a bastion and one command; a folder that says otherwise is refused, at
// its line.
func TestReq_R108_OnlyWhatEnforcesItIsBrokered(t *testing.T) {
	t.Parallel()
	opts := spec.Options{Connectors: connectors().Connectors, Params: map[string]spec.Params{
		"webhook": {Known: []string{"tool", "environment", "team", "role", "service", "account", "scope", "permission_set"}},
		"sshca": {
			Known: []string{"principals", "extensions", "host", "force_command", "source_address"},
			Acts:  []string{"principals"},
			Brokers: &spec.Brokers{
				Needed: []string{"force_command", "source_address"}, Addresses: "source_address",
				Never: map[string][]string{"extensions": {"permit-port-forwarding"}},
			},
		},
	}}
	const file = "targets/vendor-bastion.yaml"
	for _, x := range []struct{ name, old, to, want string }{
		{"as it is", "", "", ""},
		{"no forced command", "      force_command: /usr/local/bin/lidar-maintenance\n", "", `so its entitlement "lidar" needs the parameter "force_command"`},
		{"no bastion", "      source_address: [192.0.2.10]\n", "", `so its entitlement "lidar" needs the parameter "source_address"`},
		{"everywhere", "[192.0.2.10]", "[192.0.2.10, 0.0.0.0/0]", "0.0.0.0/0 is everywhere, which is no bastion"},
		{"a tunnel", "[permit-pty]", "[permit-pty, permit-port-forwarding]", "permit-port-forwarding would lead around the bastion"},
		{"another connector", "connector: sshca", "connector: webhook", `the connector "webhook" cannot keep anybody to a bastion`},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			dir := company(t)
			text := string(dir[file].Data)
			if x.old != "" && !strings.Contains(text, x.old) {
				t.Fatalf("%s does not hold %q", file, x.old)
			}
			dir[file].Data = []byte(strings.Replace(text, x.old, x.to, 1))
			f, err := spec.Load(dir, opts)
			if x.want != "" {
				if err == nil || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), file+":") {
					t.Fatalf("want %q at a line of %s:\n%v", x.want, file, err)
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
			if e := p.Workflows["vendor-access"].Workflow.Entitlements[0]; !e.Brokered {
				t.Errorf("%s is compiled as not brokered", e.Name())
			}
			if e := p.Workflows["prod-database"].Workflow.Entitlements[0]; e.Brokered {
				t.Errorf("%s is compiled as brokered", e.Name())
			}
		})
	}
}
