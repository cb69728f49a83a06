package sshca_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/workflows"
)

func TestGrantIsDeterministic(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	g := r.grant("g_same", newHolder(t), map[string][]string{"extensions": {"permit-pty", "permit-user-rc"}, "source_address": {"10.0.0.0/8"}})
	_, first := r.mustGrant(t, g)
	_, second := r.mustGrant(t, g)
	if d := cmp.Diff(first, second); d != "" {
		t.Errorf("granting again (-first +second):\n%s", d)
	}
	r.reopen(t)
	_, third := r.mustGrant(t, g)
	if d := cmp.Diff(first, third); d != "" {
		t.Errorf("granting after a restart (-first +third):\n%s", d)
	}
}

func TestCertificateSaysWhatWasGranted(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	g := r.grant("g_all", newHolder(t), map[string][]string{
		"principals": {"deploy", "${account}", "deploy"}, "extensions": {"permit-pty", "permit-port-forwarding"},
		"force_command": {"/usr/bin/uptime"}, "source_address": {"10.0.0.0/8", "2001:db8::1"},
		"host": {"db-1.example.com"}, "port": {"2222"}, "user": {"${account}"},
	})
	g.Account = "alice"
	g.End = g.End.Add(900 * time.Millisecond)
	cert, receipt := r.mustGrant(t, g)
	got := *cert
	got.Key, got.SignatureKey, got.Signature, got.Nonce = nil, nil, nil, nil
	want := ssh.Certificate{
		Serial: sshca.Serial(g.ID), CertType: ssh.UserCert, KeyId: "countersign/g_all/alice@example.com",
		ValidPrincipals: []string{"deploy", "alice"}, Reserved: []byte{},
		ValidAfter: uint64(g.Start.Add(-30 * time.Second).Unix()), ValidBefore: uint64(g.End.Unix()),
		Permissions: ssh.Permissions{
			CriticalOptions: map[string]string{"force-command": "/usr/bin/uptime", "source-address": "10.0.0.0/8,2001:db8::1/128"},
			Extensions:      map[string]string{"permit-pty": "", "permit-port-forwarding": ""},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("certificate (-want +got):\n%s", d)
	}
	if time.Unix(int64(cert.ValidBefore), 0).After(g.End) {
		t.Error("the certificate outlives the grant")
	}
	serial := fmt.Sprint(cert.Serial)
	wantFacts := map[string]string{
		"serial": serial, "key": ssh.FingerprintSHA256(cert.Key), "ca": ssh.FingerprintSHA256(r.PublicKey()),
		"valid_before": g.End.UTC().Format(time.RFC3339),
	}
	if d := cmp.Diff(wantFacts, receipt.Facts); d != "" {
		t.Errorf("facts (-want +got):\n%s", d)
	}
	wantCommand := "ssh -i ~/.ssh/id_ed25519 -o CertificateFile=~/.ssh/g_all-cert.pub alice@db-1.example.com -p 2222"
	if receipt.Use.Command != wantCommand || receipt.Use.Host != "db-1.example.com" {
		t.Errorf("use: %q on %q, want %q", receipt.Use.Command, receipt.Use.Host, wantCommand)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	h := newHolder(t)
	cert, _ := r.mustGrant(t, r.grant("g_cert", h, nil))
	short, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"empty":         "",
		"prose":         "please give me access",
		"private":       "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----\n",
		"certificate":   string(ssh.MarshalAuthorizedKey(cert)),
		"the CA itself": string(ssh.MarshalAuthorizedKey(r.PublicKey())),
		"short RSA":     authorized(t, &short.PublicKey),
		"DSA":           dsaLine,
		"options":       `command="id" ` + h.line,
		"two lines":     h.line + newHolder(t).line,
		"NUL":           strings.TrimSpace(h.line) + "\x00",
		"long":          h.line[:len(h.line)-1] + " " + strings.Repeat("x", 9000),
	}
	for name, line := range cases {
		g := r.grant("g_bad", h, map[string][]string{"key_field": {"pasted"}})
		g.Fields = map[string]string{"pasted": line}
		_, err := r.Grant(t.Context(), g)
		if err == nil || runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("%s: %v, want a refusal", name, err)
			continue
		}
		wantPresence(t, r, g, runbooks.Absent)
	}
	g := r.grant("g_two", h, nil)
	g.Fields["other"] = newHolder(t).line
	_, err = r.Grant(t.Context(), g)
	wantClass(t, err, runbooks.Refuse)
}

func TestKeysThatAreTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	long, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string]string{
		"RSA": authorized(t, &long.PublicKey), "ECDSA": authorized(t, &curve.PublicKey), "comment": newHolder(t).line[:80] + " alice@laptop\r\n",
	} {
		g := r.grant("g_"+name, newHolder(t), nil)
		g.Fields = map[string]string{"public_key": line}
		if _, err := r.Grant(t.Context(), g); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func authorized(t *testing.T, pub any) string {
	t.Helper()
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(key))
}

const dsaLine = "ssh-dss AAAAB3NzaC1kc3MAAACBAIeymAP6sWTzjrXnxs+5sE1jmYYrF1RLWEh2+vdAEFkMrKoi+uRxKGFMn1CjHrUVzGz/TUuZ2zhWJb4vHVQcuVSzl9Zc2Zq2v0Yb9Hd5d5NUQyJ5HnKvnZ4g0m"

func TestTermsThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	cases := map[string]map[string][]string{
		"no principal":      {"principals": {}},
		"empty principal":   {"principals": {""}},
		"two in one":        {"principals": {"deploy,root"}},
		"dash first":        {"principals": {"-oProxyCommand=x"}},
		"no account":        {"principals": {"${account}"}},
		"other placeholder": {"principals": {"${user}"}},
		"unknown extension": {"extensions": {"permit-everything"}},
		"none and more":     {"extensions": {"none", "permit-pty"}},
		"two-line command":  {"force_command": {"id\nrm -rf /"}},
		"empty command":     {"force_command": {""}},
		"two commands":      {"force_command": {"id", "ls"}},
		"bad address":       {"source_address": {"10.0.0.0/33"}},
		"host bits":         {"source_address": {"10.0.0.1/8"}},
		"zone":              {"source_address": {"fe80::1%eth0"}},
		"no address":        {"source_address": {}},
		"misspelled":        {"force-command": {"id"}},
		"shell in host":     {"host": {"db-1; rm -rf /"}},
		"dash host":         {"host": {"-oProxyCommand=x"}},
		"port":              {"port": {"0"}},
		"user":              {"user": {"alice bob"}},
	}
	for name, params := range cases {
		g := r.grant("g_terms", newHolder(t), nil)
		maps.Copy(g.Params, params)
		if _, err := r.Grant(t.Context(), g); err == nil || runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	for _, id := range []workflows.GrantID{"", "g_", "../../etc/passwd", "g_a/b", "g_a b", "g_a\n", "r_1", workflows.GrantID("g_" + strings.Repeat("x", 100))} {
		g := r.grant("g_x", newHolder(t), nil)
		g.ID = id
		for name, err := range map[string]error{"Grant": second(r.Grant(t.Context(), g)), "Revoke": second(r.Revoke(t.Context(), g)), "Check": second(r.Check(t.Context(), g))} {
			if err == nil {
				t.Errorf("%s with id %q was done", name, id)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

// The end of a grant never moves, and nothing else of it either.
func TestGrantingAgainOtherwiseIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	g := r.grant("g_once", newHolder(t), nil)
	r.mustGrant(t, g)
	for name, change := range map[string]func(*runbooks.Grant){
		"later end":       func(g *runbooks.Grant) { g.End = g.End.Add(time.Hour) },
		"other key":       func(g *runbooks.Grant) { g.Fields = map[string]string{"key": newHolder(t).line} },
		"other principal": func(g *runbooks.Grant) { g.Params = map[string][]string{"principals": {"root"}} },
		"other holder":    func(g *runbooks.Grant) { g.Holder = "mallory" },
	} {
		other := g
		change(&other)
		_, err := r.Grant(t.Context(), other)
		if err == nil || runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	r.mustRevoke(t, g)
	_, err := r.Grant(t.Context(), g)
	wantClass(t, err, runbooks.Refuse)
	late := r.grant("g_late", newHolder(t), nil)
	r.clock.Advance(2 * time.Hour)
	_, err = r.Grant(t.Context(), late)
	wantClass(t, err, runbooks.Refuse)
}

// TestReq_R72_SSHKeyIDAndSerialLeadToGrantAndHuman: the log of a host holds KeyId and serial (TestRealSSHD reads them
// there); here that both lead back to one grant, and that a holder's name cannot forge what the log says.
func TestReq_R72_SSHKeyIDAndSerialLeadToGrantAndHuman(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	g := r.grant("g_who", newHolder(t), nil)
	g.Holder = "Mallory (serial 5) ID countersign/g_other/\nZoë\x1b[2J" + strings.Repeat("x", 200)
	cert, receipt := r.mustGrant(t, g)
	rest, ok := strings.CutPrefix(cert.KeyId, "countersign/g_who/")
	if !ok || strings.ContainsAny(rest, "/() \n\x1b") || len(rest) > 64 {
		t.Errorf("KeyId %q", cert.KeyId)
	}
	if receipt.Personal["key_id"] != cert.KeyId || receipt.Facts["serial"] != fmt.Sprint(sshca.Serial("g_who")) {
		t.Errorf("receipt %v %v does not lead back", receipt.Personal, receipt.Facts)
	}
}

func TestSerials(t *testing.T) {
	t.Parallel()
	seen := map[uint64]string{}
	for i := range 20_000 {
		id := number(i)
		s := sshca.Serial(workflows.GrantID(id))
		if s == 0 || s>>63 != 0 || seen[s] != "" {
			t.Fatalf("serial %d of %s (also %s)", s, id, seen[s])
		}
		seen[s] = id
	}
	// Written down in certificates and ledgers: it must stay.
	if got := sshca.Serial("g_frozen"); got != 0x76c523a67a9fedf5 {
		t.Errorf("the serial of g_frozen moved to %#x", got)
	}
}

// TestThreat_T31_NoCertificateWithoutARecord: when the register cannot be written, nothing is handed out, and a
// revocation says so and goes on being tried.
func TestThreat_T31_NoCertificateWithoutARecord(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	kept := r.grant("g_kept", newHolder(t), nil)
	r.mustGrant(t, kept)
	breakFolder(t, r.cfg.Dir)
	receipt, err := r.Grant(t.Context(), r.grant("g_lost", newHolder(t), nil))
	wantClass(t, err, runbooks.Retry)
	if len(receipt.Use.Files) != 0 || receipt.Ref != "" {
		t.Errorf("an unrecorded certificate was handed out: %v", receipt)
	}
	wantPresence(t, r, r.grant("g_lost", newHolder(t), nil), runbooks.Absent)
	_, err = r.Revoke(t.Context(), kept)
	wantClass(t, err, runbooks.Retry)
	if r.parsed(t).Revoked(sshca.Serial("g_kept")) {
		t.Error("a list that is not durable was served")
	}
	wantPresence(t, r, kept, runbooks.Present)
}

// breakFolder makes every further write in the folder fail, also for root.
func breakFolder(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// TestThreat_T54_AbsentOnlyWhenEveryHostHasTheList: revoking is not the end; hosts must say that they have the list.
func TestThreat_T54_AbsentOnlyWhenEveryHostHasTheList(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	dir := t.TempDir()
	g := r.grant("g_hosts", newHolder(t), nil)
	r.mustGrant(t, g)
	wantPresence(t, r, g, runbooks.Present)
	r.mustRevoke(t, g)
	if err := wantPresence(t, r, g, runbooks.Unconfirmed); err == nil || !strings.Contains(err.Error(), "no host") {
		t.Errorf("without hosts: %v", err)
	}
	for i, host := range []string{"web-1", "web-2"} {
		if got := r.pull(t, host, filepath.Join(dir, host)); !got.Changed || !got.Confirmed {
			t.Fatalf("pull %d: %+v", i, got)
		}
	}
	wantPresence(t, r, g, runbooks.Absent)

	next := r.grant("g_next", newHolder(t), nil)
	r.mustGrant(t, next)
	r.mustRevoke(t, next)
	r.pull(t, "web-1", filepath.Join(dir, "web-1"))
	r.clock.Advance(time.Minute)
	if err := wantPresence(t, r, next, runbooks.Unconfirmed); err == nil || !strings.Contains(err.Error(), "1 of 2 hosts") || !strings.Contains(err.Error(), "web-2") {
		t.Errorf("the words do not name the missing host: %v", err)
	}
	r.reopen(t)
	wantPresence(t, r, next, runbooks.Unconfirmed)
	wantPresence(t, r, g, runbooks.Absent)
	r.pull(t, "web-2", filepath.Join(dir, "web-2"))
	wantPresence(t, r, next, runbooks.Absent)

	third := r.grant("g_third", newHolder(t), nil)
	r.mustGrant(t, third)
	r.mustRevoke(t, third)
	wantPresence(t, r, third, runbooks.Unconfirmed)
	r.clock.Advance(time.Hour)
	wantPresence(t, r, third, runbooks.Absent) // expired: refused without any list
}

func TestSerialsLeaveTheListLate(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	g := r.grant("g_old", newHolder(t), nil)
	r.mustGrant(t, g)
	r.mustRevoke(t, g)
	r.mustRevoke(t, g)
	_, first := r.KRL()
	serial := sshca.Serial(g.ID)
	r.clock.Advance(time.Hour + 59*time.Minute)
	if _, v := r.KRL(); !r.parsed(t).Revoked(serial) || v != first {
		t.Fatalf("the serial left the list before its certificate was expired for an hour (version %d)", v)
	}
	r.clock.Advance(time.Minute)
	if _, v := r.KRL(); r.parsed(t).Revoked(serial) || v <= first {
		t.Fatalf("the serial stays on the list (version %d, was %d)", v, first)
	}
	r.reopen(t)
	if r.parsed(t).Count() != 0 {
		t.Fatal("the serial came back after a restart")
	}
	r.mustRevoke(t, g)
	if r.parsed(t).Count() != 0 {
		t.Fatal("an expired certificate was listed")
	}
}

// A register that was lost must not keep a certificate alive: revoking works from the grant alone.
func TestRevokeWithoutTheRegister(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	g := r.grant("g_forgotten", newHolder(t), nil)
	r.mustRevoke(t, g)
	if !r.parsed(t).Revoked(sshca.Serial(g.ID)) {
		t.Fatal("the serial is not listed")
	}
	_, err := r.Grant(t.Context(), g)
	wantClass(t, err, runbooks.Refuse)
}

func TestConcurrentGrantsAndRevokes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	h := newHolder(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			g := r.grant(number(i), h, nil)
			if _, err := r.Grant(context.Background(), g); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				if _, err := r.Revoke(context.Background(), g); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r.reopen(t)
	k := r.parsed(t)
	if k.Count() != 20 || k.Version != 20 {
		t.Errorf("%d serials in version %d, want 20 in 20", k.Count(), k.Version)
	}
	for i := range 40 {
		if k.Revoked(sshca.Serial(workflows.GrantID(number(i)))) != (i%2 == 0) {
			t.Errorf("grant %d", i)
		}
	}
}

func TestOpenRefusesADamagedRegister(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	g := r.grant("g_1", newHolder(t), nil)
	r.mustGrant(t, g)
	r.mustRevoke(t, g)
	path := filepath.Join(r.cfg.Dir, "register.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the register's file is %v, %v", info.Mode(), err)
	}
	cases := map[string]string{
		"cut":          string(good[:len(good)/2]),
		"empty":        "",
		"newer":        strings.Replace(string(good), `"format":2`, `"format":3`, 1),
		"unknown key":  strings.Replace(string(good), `"format":2`, `"format":2,"more":1`, 1),
		"serial gone":  strings.Replace(string(good), `"revoked":[{`, `"revoked":[],"x":[{`, 1),
		"counts wrong": strings.Replace(string(good), `"total":1`, `"total":2`, 1),
	}
	for name, content := range cases {
		if content == string(good) {
			t.Fatalf("%s: the case changes nothing", name)
		}
		write(t, path, []byte(content))
		if c, err := sshca.Open(r.cfg); err == nil {
			_ = c.Close()
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := sshca.NewAuthority(seed[:31]); err == nil {
		t.Error("a short seed was taken")
	}
	if _, err := sshca.NewAuthority(make([]byte, 32)); err == nil {
		t.Error("a zero seed was taken")
	}
}

func TestHostsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *sshca.Config) { c.Hosts = []string{"web-1", "web-2", "web-1"} })
	dir := t.TempDir()
	g := r.grant("g_1", newHolder(t), nil)
	r.mustGrant(t, g)
	r.mustRevoke(t, g)
	for _, host := range []string{"stranger", "web-1"} {
		if got := r.pull(t, host, filepath.Join(dir, host)); got.Confirmed != (host == "web-1") {
			t.Errorf("%s: confirmed %v", host, got.Confirmed)
		}
	}
	var names []string
	for _, h := range r.Hosts() {
		names = append(names, h.Name)
	}
	if !slices.Equal(names, []string{"web-1", "web-2"}) {
		t.Errorf("hosts that count: %v", names)
	}
	if err := wantPresence(t, r, g, runbooks.Unconfirmed); !strings.Contains(err.Error(), "web-2 (never seen)") {
		t.Errorf("words: %v", err)
	}
}

func BenchmarkGrant(b *testing.B) {
	h := newHolder(b)
	c, err := sshca.Open(sshca.Config{Seed: seed, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	g := runbooks.Grant{
		ID: "g_bench", Params: map[string][]string{"principals": {"deploy"}}, Fields: map[string]string{"key": h.line},
		Start: time.Now(), End: time.Now().Add(24 * time.Hour),
	}
	// Only the first one writes the register: what is measured is reading, signing and encoding.
	for b.Loop() {
		if _, err := c.Grant(context.Background(), g); err != nil {
			b.Fatal(err)
		}
	}
}
