package sshca_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/workflows"
)

// TestThreat_T44_Exercise holds the connector to the contract, with logins on a server in Go. Its part "nasty strings"
// is the threat's test: each string is in the certificate byte for byte, or was refused.
func TestThreat_T44_Exercise(t *testing.T) {
	t.Parallel()
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		planted := []byte("planted-seed-planted-seed-plante")
		r := newRig(t, func(c *sshca.Config) { c.Seed = planted })
		s := startInProcess(t, r)
		s.pull(t, r)
		holders := map[string]holder{}
		grants := map[int]runbooks.Grant{}
		return runbooktest.System{
			Connector: r.Connector,
			Secrets:   []string{string(planted)},
			Grant: func(n int) runbooks.Grant {
				g, ok := grants[n]
				if !ok {
					h := newHolder(t)
					g = r.grant(fmt.Sprintf("g_%d", n), h, map[string][]string{
						"principals": {"deploy"}, "extensions": {"permit-pty"}, "source_address": {"127.0.0.0/8"},
						"host": {"db-1"}, "port": {"22"}, "user": {"app"}, "key_field": {"key"},
					})
					g.Account = "alice"
					grants[n], holders[h.line] = g, h
				}
				return g.Clone()
			},
			Works: func(t *testing.T, g runbooks.Grant, receipt runbooks.Receipt) bool {
				cert, _ := certificate(receipt)
				_, err := login(t, s.addr, "app", holders[g.Fields["key"]], ownCert(cert, holders[g.Fields["key"]]), "id")
				return err == nil
			},
			Settle:  func(t *testing.T) { s.pull(t, r) },
			Advance: r.clock.Advance,
			Arrived: arrived,
			More:    func(t *testing.T) []runbooktest.Sound { return moreWords(t, r) },
			Words:   filepath.Join("testdata", "words.txt"),
		}
	})
}

// moreWords are grants with the words that go with others: a forced command, a group of hosts, and sudo.
func moreWords(t *testing.T, r *rig) []runbooktest.Sound {
	t.Helper()
	forced := r.grant("g_forced", newHolder(t), map[string][]string{"force_command": {"/usr/bin/uptime"}})
	grouped := toldRig(t)
	onGroup := grouped.grant("g_group", newHolder(t), map[string][]string{"host_group": {"web"}})
	sudo := sudoGrant(grouped, newHolder(t), "g_sudoed", "/usr/bin/id")
	sudo.Params["sudo_as"] = []string{"app"}
	return []runbooktest.Sound{
		{Grant: forced, Arrived: func(t *testing.T, _ runbooks.Grant, receipt runbooks.Receipt, _ runbooktest.Place) string {
			cert, _ := certificate(receipt)
			return cert.CriticalOptions["force-command"]
		}},
		{Grant: onGroup, Connector: grouped.Connector, Arrived: func(t *testing.T, _ runbooks.Grant, receipt runbooks.Receipt, _ runbooktest.Place) string {
			cert, _ := certificate(receipt)
			return strings.TrimPrefix(cert.ValidPrincipals[0], "deploy@")
		}},
		{Grant: sudo, Connector: grouped.Connector, Arrived: func(t *testing.T, g runbooks.Grant, receipt runbooks.Receipt, place runbooktest.Place) string {
			if place.Name == "sudo_as" && g.Params["sudo_as"][0] == "" && receipt.Facts["sudo"] == "/usr/bin/id as root" {
				return "" // not given: root
			}
			commands, as, _ := strings.Cut(receipt.Facts["sudo"], " as ")
			return map[string]string{"sudo": commands, "sudo_as": as}[place.Name]
		}},
	}
}

// certificate takes the certificate out of a receipt.
func certificate(receipt runbooks.Receipt) (*ssh.Certificate, bool) {
	for _, content := range receipt.Use.Files {
		if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(content)); err == nil {
			cert, ok := key.(*ssh.Certificate)
			return cert, ok
		}
	}
	return nil, false
}

// ownCert gives the certificate as this holder would present it: with their own key in it, since nobody else's signs.
func ownCert(cert *ssh.Certificate, h holder) *ssh.Certificate {
	if cert == nil {
		return nil
	}
	own := *cert
	own.Key, _ = ssh.NewPublicKey(h.private.Public())
	return &own
}

// arrived finds a string that the connector accepted in the certificate or on the card.
func arrived(t *testing.T, g runbooks.Grant, receipt runbooks.Receipt, place runbooktest.Place) string {
	t.Helper()
	cert, ok := certificate(receipt)
	if !ok {
		t.Fatal("no certificate")
	}
	_, extension := cert.Extensions[strings.Join(g.Params["extensions"], "")]
	switch place.Name {
	case "": // the account: these terms do not use it
		return g.Account
	case "principals":
		if p := cert.ValidPrincipals[0]; p != g.Account || g.Params["principals"][0] != "${account}" {
			return p
		}
		return "${account}" // the one placeholder
	case "extensions":
		if extension {
			return g.Params["extensions"][0]
		}
		if g.Params["extensions"][0] == "none" && len(cert.Extensions) == 0 {
			return "none"
		}
	case "source_address":
		return strings.TrimSuffix(cert.CriticalOptions["source-address"], "/32")
	case "host":
		return receipt.Use.Host
	case "user":
		_, place, _ := strings.Cut(receipt.Use.Command, "-cert.pub ")
		user := place[:strings.LastIndex(place, "@")]
		if g.Params["user"][0] == "" && user == cert.ValidPrincipals[0] {
			return "" // not given: the first principal
		}
		if user == g.Account && g.Params["user"][0] == "${account}" {
			return "${account}"
		}
		return user
	case "port", "key_field":
		return g.Params[place.Name][0] // "" is "not given"
	}
	return "not found"
}

// TestThreat_T58_IdsAsFileNames: an id that is not ours never becomes a file, here or with the holder.
func TestThreat_T58_IdsAsFileNames(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	g := r.grant("g_1", newHolder(t), nil)
	r.mustGrant(t, g)
	before := tree(t, filepath.Dir(r.cfg.Dir))
	for _, s := range runbooktest.Nasty() {
		for _, id := range []string{s, "g_" + s, "g_../" + s, "g_x/../../" + s} {
			bad := g.Clone()
			bad.ID = workflows.GrantID(id)
			receipt, err := r.Grant(t.Context(), bad)
			for name := range receipt.Use.Files {
				if filepath.Base(name) != name || strings.HasPrefix(name, "-") || strings.HasPrefix(name, ".") {
					t.Errorf("id %q gives the file %q", id, name)
				}
			}
			if err == nil && strings.ContainsAny(id, "/\\.\x00\n ") {
				t.Errorf("id %q was accepted", id)
			}
		}
	}
	if after := tree(t, filepath.Dir(r.cfg.Dir)); after != before {
		t.Errorf("files appeared:\n%s\nbefore:\n%s", after, before)
	}
}

func tree(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

// TestThreat_T35_SeedStaysInside: the CA's secret appears in nothing that the connector says or writes.
func TestThreat_T35_SeedStaysInside(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *sshca.Config) {
		c.Seed = []byte("canary-seed-canary-seed-canary-s")
		c.Token = runbooks.NewSecret("canary-token")
	})
	g := r.grant("g_1", newHolder(t), nil)
	_, receipt := r.mustGrant(t, g)
	r.mustRevoke(t, g)
	r.pull(t, "web-1", filepath.Join(t.TempDir(), "krl"))
	said := fmt.Sprintf("%+v %#v %v %s", receipt, r.cfg.Token, r.Describe(), time.Now())
	for _, name := range strings.Split(tree(t, r.cfg.Dir), "\n")[1:] {
		said += string(read(t, name))
	}
	krl, _ := r.KRL()
	said += string(krl)
	if strings.Contains(said, "canary") {
		t.Errorf("the secret is in:\n%s", said)
	}
}
