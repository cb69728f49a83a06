package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/bot/screens"
)

// lifeChain is a chain that changes the life of accounts of the directory; its owner approves.
const lifeChain = `id: ID
title: Chain ID
purpose: For programs that use the directory.
kind: identity
life: {action: ACTION}
owner: jonas
may_ask: {groups: [engineers]}
for: [WHOM]
grants: [directory/member]
FIELDSlongest: 366d
usual: 90d
reason_min: 10
channel: "#access"
seen_by: members
stages:
  - name: Owner
    approvers: {target_owner: true}
    timeout: 14d
`

const newLoginFields = `fields:
  - {name: identity, label: Id, type: new_id}
  - {name: kind, label: What it is, type: choice, choices: [service_account, ai_agent]}
  - {name: owner, label: Who answers for it, type: person}
  - {name: backup, label: Who else, type: person, optional: true}
  - {name: purpose, label: What it is for, type: text}
  - {name: environment, label: Where it works, type: choice, choices: [production, staging]}
  - {name: ticket, label: Ticket, type: ticket, pattern: 'OPS-[0-9]{1,6}'}
  - {name: scope, label: What it may do, type: choice, choices: [readers, writers]}
`

func lifeChainOf(id, action, whom, fields string) string {
	return strings.NewReplacer("ID", id, "ACTION", action, "WHOM", whom, "FIELDS", fields).Replace(lifeChain)
}

// chained is a company whose accounts of the directory live through chains.
func chained(t *testing.T) *ownLife {
	t.Helper()
	ldapURL, _ := startSlapd(t)
	x := &ownLife{t: t, ldapURL: ldapURL}
	mustSay(t, x.directory("cn=bot,dc=x", "bot-pw", func(c *ldap.Conn) error {
		for _, entry := range [][]string{
			{"ou=programs,dc=x", "objectClass", "organizationalUnit"},
			{"cn=readers,ou=groups,dc=x", "objectClass", "groupOfNames", "member", "cn=nobody,ou=groups,dc=x"},
			{"cn=writers,ou=groups,dc=x", "objectClass", "groupOfNames", "member", "cn=nobody,ou=groups,dc=x"},
		} {
			r := ldap.NewAddRequest(entry[0], nil)
			for i := 1; i < len(entry); i += 2 {
				r.Attribute(entry[i], []string{entry[i+1]})
			}
			if err := c.Add(r); err != nil {
				return err
			}
		}
		return nil
	}))
	password := filepath.Join(t.TempDir(), "password")
	mustSay(t, os.WriteFile(password, []byte("bot-pw"), 0o600))
	scope := "fields:\n  - {name: scope, label: What it may do, type: choice, choices: [readers, writers]}\n"
	x.story = &story{demo: demoAsJonas(t, map[string]string{
		"roles.yaml": jonasRoles,
		"targets/directory.yaml": "id: directory\ntitle: The directory\nconnector: ldap\nowner: jonas\nenvironment: production\ndata_class: internal\nsettings: {url: '" + ldapURL +
			"', bind_dn: 'cn=bot,dc=x', password_file: " + password + ", people: 'ou=people,dc=x', groups: 'ou=groups,dc=x', programs: 'ou=programs,dc=x'}\nentitlements:\n" +
			"  - {id: member, title: Account of a program, description: Uses it., business_task: Repairs., review_date: 2036-01-01, longest: 90d, shared: true, account: true, params: {group: '${fields.scope}'}}\n" +
			"  - {id: any, title: Any account of a program, description: Uses it., business_task: Repairs., review_date: 2036-01-01, longest: 90d, shared: true, account: true, params: {group: readers}}\n",
		"workflows/new-login.yaml":   lifeChainOf("new-login", "onboard, make: true", "self", newLoginFields),
		"workflows/scope-login.yaml": lifeChainOf("scope-login", "scope, make: true", "owned", scope),
		"workflows/renew-login.yaml": strings.Replace(lifeChainOf("renew-login", "renew", "owned", ""), "directory/member", "directory/any", 1),
	})}
	return x
}

// approves has Jonas click on the newest thing that he is asked and that has these words.
func (x *ownLife) approves(words ...string) {
	x.t.Helper()
	m, err := x.dm(x.t.Context(), "jonas", append([]string{"Approve?"}, words...)...)
	mustSay(x.t, err)
	mustSay(x.t, x.press(x.t.Context(), "jonas", m, screens.ActApprove))
}

// groups are the groups of the directory that have an entry.
func (x *ownLife) groups(dn string) string {
	x.t.Helper()
	var out []string
	mustSay(x.t, x.directory("cn=bot,dc=x", "bot-pw", func(c *ldap.Conn) error {
		found, err := c.Search(ldap.NewSearchRequest("dc=x", ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(|(member="+dn+")(entryDN="+dn+"))", []string{"cn", "uid"}, nil))
		if err == nil {
			for _, e := range found.Entries {
				out = append(out, e.GetAttributeValue("uid")+e.GetAttributeValue("cn"))
			}
		}
		return err
	}))
	slices.Sort(out)
	return strings.Join(out, " ")
}

// directorySays waits until the directory has an entry in these groups.
func (x *ownLife) directorySays(dn, want string) {
	x.t.Helper()
	if _, err := until(x.t.Context(), "the directory to say "+want, func() (string, bool) { got := x.groups(dn); return got, got == want }); err != nil {
		x.t.Fatalf("%v: it says %q", err, x.groups(dn))
	}
}

// R7, R11, R22, R86: an identity's life through chains, on a real directory and in Slack: asked for in a form, approved, made with its account, confirmed by its
// owner; a change of its scope reaches the account, which has exactly that; its renewal opens by itself thirty days ahead, is told to the owner, and moves the end when others approve;
// taken off, its account is closed and read back by the connector, without anybody's word. The ledger verifies with every decision replayed; one that is forged against what the chains
// approved does not.
func TestReq_R11_AnIdentityLivesThroughChainsOnItsTarget(t *testing.T) {
	t.Parallel()
	x := chained(t)
	ctx := t.Context()
	const dn = "uid=svc_tiles,ou=programs,dc=x"

	mustSay(t, x.command(ctx, "maya", "/access", "identity new"))
	_, err := x.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	form := map[string]any{
		screens.BlockDuration: "90d", screens.BlockReason: "The map needs its tiles from the directory.",
		screens.FieldBlock + "identity": "svc-tiles", screens.FieldBlock + "kind": "0", screens.FieldBlock + "owner": x.slackID("priya"),
		screens.FieldBlock + "backup": x.slackID("kenji"), screens.FieldBlock + "purpose": "Builds the tiles of the map.", screens.FieldBlock + "environment": "0",
		screens.FieldBlock + "ticket": "OPS-4711", screens.FieldBlock + "scope": "0",
	}
	mustSay(t, x.submit(ctx, "maya", form))
	x.approves("Maya Chen")
	x.directorySays(dn, "readers svc_tiles")
	_, err = x.dm(ctx, "priya", "Please decide until", "svc-tiles")
	mustSay(t, err)
	said(t, x.shows("svc-tiles", "Owner: Maya Chen"), "active")
	mustSay(t, x.command(ctx, "priya", "/access", "identity svc-tiles keep"))
	said(t, x.shows("svc-tiles", "Owner: Priya Nair"), "Kenji Mori", "Builds the tiles of the map")

	mustSay(t, x.command(ctx, "priya", "/access", "identity svc-tiles scope"))
	_, err = x.view(ctx, "priya", screens.CallForm)
	mustSay(t, err)
	mustSay(t, x.submit(ctx, "priya", map[string]any{
		screens.BlockDuration: "1d", screens.BlockReason: "It writes the tiles back now.", screens.FieldBlock + "scope": "1",
	}))
	x.approves("Priya Nair", "takes away what it had before, and reads it back")
	x.directorySays(dn, "svc_tiles writers")
	said(t, x.shows("svc-tiles", "writers"), "active")

	// Its renewal opens by itself, and Jonas decides. Nobody typed anything.
	end := x.clock.Now().Wall.Add(90 * 24 * time.Hour).Format("2006-01-02")
	said(t, x.identityCLI(t, "show", "svc-tiles"), end)
	mustSay(t, x.advance(ctx, 61*24*time.Hour))
	_, err = x.dm(ctx, "priya", "svc-tiles", "A later end has been asked for")
	mustSay(t, err)
	x.approves("Its end comes on "+end, "Builds the tiles of the map")
	if out, err := until(ctx, "the end to move", func() (string, bool) {
		out := x.identityCLI(t, "show", "svc-tiles")
		return out, !strings.Contains(out, "ends "+end)
	}); err != nil || strings.Contains(out, "Conflict") || !strings.Contains(out, "active") {
		t.Fatalf("%v:\n%s", err, out)
	}
	if out := x.mustCLI(t, "drift", "directory"); strings.Contains(out, "svc_tiles") {
		t.Errorf("what was approved for its account is said to be explained by nothing:\n%s", out)
	}
	said(t, x.mustCLI(t, "ledger", "history", "identity/svc-tiles"), "was asked for in the name of Priya Nair", "was changed and read back", "was made and read back")

	mustSay(t, x.command(ctx, "priya", "/access", "identity svc-tiles offboard"))
	x.directorySays(dn, "")
	if out, err := until(ctx, "the account to be closed", func() (string, bool) {
		out := x.identityCLI(t, "show", "svc-tiles")
		return out, strings.Contains(out, "(secret)") && !strings.Contains(out, "(account)") && !strings.Contains(out, "(grants)")
	}); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	x.verified(t)
	x.holdsForgeries(t)
}
