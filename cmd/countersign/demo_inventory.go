package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"
)

// demoInventory is what another system says of the company's machines, as a file to import: some well kept, and one of each fault that an
// inventory of a real company has. Days are counted from today, so that it does not age.
func demoInventory(now time.Time) [][]string {
	day := func(n int) string { return now.AddDate(0, 0, n).UTC().Format(time.DateOnly) }
	return [][]string{
		{
			"id", "kind", "name", "owner", "backup", "purpose", "environment", "target", "account", "scope", "used", "stored", "secret_ref",
			"revocation", "managed_by", "vendor", "risk", "created", "last_used", "rotated", "expires", "last_four",
		},
		{
			"ci-shop", "workload", "Build pipeline of the shop", "jonas", "maya", "Builds and tests every commit of the web shop.", "staging", "", "",
			"registry:push", "registry:push", "", "", "disable the trust rule of its issuer", "internal", "", "low", day(-400), day(0), "", day(200), "",
		},
		{
			"backup-agent", "service_account", "Nightly backup", "frida", "jonas", "Copies the order database to the vault every night.", "production",
			"orders-db", "backup", "read", "read", "vault", "kv/backup/orders", "drop role backup", "internal", "", "high", day(-700), day(-1), day(-20),
			day(160), "",
		},
		{
			"payments-key", "api_key", "Key of the payment provider", "kenji", "", "Charges the cards of the web shop's customers.", "production", "", "",
			"charges:write,refunds:write,payouts:write", "charges:write", "unmanaged", "", "roll it on the provider's page", "vendor", "Paywell", "high",
			day(-900), day(0), day(-640), day(12), "7f3a",
		},
		{
			"old-report", "service_account", "Sales report of the old shop", "", "", "Mails the sales of the old shop every Monday.", "production",
			"orders-db", "report_2021", "read", "", "vault", "kv/report", "drop role report_2021", "internal", "", "medium", day(-1900), day(-260), "", "", "",
		},
		{
			"chat-triage", "ai_agent", "Agent that sorts support mails", "sofia", "priya", "Reads support mails and suggests a queue for each.",
			"production", "", "", "mail:read,mail:label", "mail:read,mail:label", "vault", "kv/triage", "suspend it here", "low-code", "Draftline",
			"medium", day(-80), day(0), day(-80), day(100), "",
		},
		{
			"tls-shop", "certificate", "Certificate of the web shop", "maya", "jonas", "Serves the web shop's front page to customers.", "production", "",
			"", "", "", "vault", "pki/shop", "revoke its serial at the authority", "internal", "", "medium", day(-340), day(0), day(-340), day(-3), "",
		},
	}
}

// writeDemoInventory writes it beside the demo's folders.
func writeDemoInventory(dir string, now time.Time) error {
	var text strings.Builder
	if err := csv.NewWriter(&text).WriteAll(demoInventory(now)); err != nil {
		return fmt.Errorf("writing the demo's inventory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, demoInventoryFile), []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("writing the demo's inventory: %w", err)
	}
	return nil
}

const demoInventoryFile = "inventory.csv"

// demoOperator says in the people file that whoever started the demo is Frida, owner and auditor, on the command line of this machine.
func demoOperator() (map[string]string, error) {
	raw, err := demoFiles.ReadFile("demo/org/people.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the demo's people: %w", err)
	}
	const slack = "    slack: U0FRIDA01\n"
	me, err := user.Current()
	if err != nil || strings.Contains(string(raw), "unix: "+me.Username+"\n") || strings.ContainsAny(me.Username, "\\\"\n:#") {
		return nil, nil // the demo is whole without a command line
	}
	return map[string]string{"people.yaml": strings.Replace(string(raw), slack, slack+"    unix: "+me.Username+"\n", 1)}, nil
}
