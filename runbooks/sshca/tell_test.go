package sshca_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/workflows"
)

var hostToken = runbooks.NewSecret("token-of-the-hosts")

// toldRig has a group of hosts and a token for them.
func toldRig(t *testing.T) *rig {
	t.Helper()
	return newRig(t, func(c *sshca.Config) {
		c.Token = hostToken
		c.Groups = map[string][]string{"web": {"web-1"}}
	})
}

func (r *rig) teller(change func(*sshca.Teller)) *sshca.Teller {
	x := &sshca.Teller{URL: r.url, Host: "web-1", CA: r.PublicKey(), Token: hostToken}
	if change != nil {
		change(x)
	}
	return x
}

// pullAs is a pull of a host that has the token.
func (r *rig) pullAs(t *testing.T, host, out string) {
	t.Helper()
	p := sshca.Puller{URL: r.url, Out: out, CA: r.PublicKey(), Host: host, Token: hostToken}
	if _, err := p.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func mustTell(t *testing.T, x *sshca.Teller) sshca.Told {
	t.Helper()
	told, err := x.Tell(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return told
}

// hold opens a session on a real server and keeps it.
func (s *sshd) hold(t *testing.T, h holder, cert *ssh.Certificate) (*ssh.Client, <-chan error) {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Skipf("no current user: %v", err)
	}
	signer, err := ssh.NewSignerFromKey(h.private)
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = ssh.NewCertSigner(cert, signer); err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", s.addr, &ssh.ClientConfig{
		User: me.Username, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: time.Minute, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, s.logged(t))
	}
	t.Cleanup(func() { _ = client.Close() })
	over := make(chan error, 1)
	go func() { over <- client.Wait() }()
	return client, over
}

// R51, R54: who logs in with a certificate is told by the host's own log, as long as the connection lives and after; and a host that
// is told to ends what is over.
func TestReq_R51_R54_HostsTellOfSessionsAndEndThem(t *testing.T) {
	t.Parallel()
	r := toldRig(t)
	s := startSSHD(t, r, "deploy@web")
	h := newHolder(t)
	g := r.grant("g_told", h, map[string][]string{"host_group": {"web"}})
	cert, _ := r.mustGrant(t, g)
	teller := r.teller(func(x *sshca.Teller) { x.Logs, x.End = []string{s.log, s.log + ".1"}, true })

	if r.TellsSessions() {
		t.Error("no host has told anything, and sessions are said to be known")
	}
	if told := mustTell(t, teller); told.Live != 0 {
		t.Fatalf("nobody is in: %s", told)
	}
	_, over := s.hold(t, h, cert)
	if told := mustTell(t, teller); told.Live != 1 || told.Ended != 0 {
		t.Fatalf("one is in: %s\n%s", told, s.logged(t))
	}
	list, err := r.ListSessions(t.Context(), g)
	me, _ := user.Current()
	if err != nil || len(list) != 1 || list[0].Login != me.Username || list[0].From != "127.0.0.1" || list[0].With != "sshd on web-1" {
		t.Fatalf("%+v (%v)", list, err)
	}
	if other, err := r.ListSessions(t.Context(), r.grant("g_else", h, nil)); err != nil || len(other) != 0 {
		t.Errorf("another grant has sessions: %+v (%v)", other, err)
	}

	r.mustRevoke(t, g)
	if told := mustTell(t, teller); told.Ended != 1 {
		t.Fatalf("the session of a revoked certificate goes on: %s", told)
	}
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Fatal("the connection is still there")
	}
	for deadline := time.Now().Add(time.Minute); mustTell(t, teller).Live != 0; {
		if time.Now().After(deadline) {
			t.Fatal("the session is still told as live")
		}
	}
	if list, err := r.ListSessions(t.Context(), g); err != nil || len(list) != 0 {
		t.Errorf("live: %+v (%v)", list, err)
	}
	past := 0
	for x, err := range r.PastSessions(t.Context(), g, time.Time{}) {
		if past++; err != nil || x.Ended.IsZero() {
			t.Errorf("%+v (%v)", x, err)
		}
	}
	if past == 0 {
		t.Error("the session left no trace")
	}
	r.clock.Advance(time.Hour)
	if _, err := r.ListSessions(t.Context(), g); runbooks.ClassOf(err) != runbooks.Retry {
		t.Errorf("a host that is silent for an hour: %v", err)
	}
}

// What stands in a log line is believed only where sshd puts it: a stranger chooses the name that they try.
func TestLogLinesOfStrangers(t *testing.T) {
	t.Parallel()
	r := toldRig(t)
	serial := sshca.Serial("g_1")
	log := filepath.Join(t.TempDir(), "log")
	line := fmt.Sprintf("Accepted publickey for root from 192.0.2.7 port 4242 ssh2: ED25519-CERT SHA256:abc ID countersign/g_1/alice (serial %d) CA ED25519 SHA256:def\n", serial)
	lines := "2026-11-23T10:00:00.5Z web-1 sshd[12]: " + line +
		"2026-11-23T10:01:00Z web-1 sshd[12]: Disconnected from user root 192.0.2.7 port 4242\n" +
		"2026-11-23T10:02:00Z web-1 sshd[13]: Invalid user " + line +
		"2026-11-23T10:02:00Z web-1 cron[13]: " + line +
		"Nov 23 10:03:00 web-1 sshd-session[14]: " + strings.Replace(line, "4242", "4243", 1)
	if err := os.WriteFile(log, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	told := mustTell(t, r.teller(func(x *sshca.Teller) { x.Logs = []string{log}; x.Host = "web-1" }))
	if told.Sessions != 2 || told.Live != 0 {
		t.Errorf("%s, want two that are over", told)
	}
	var got []runbooks.Session
	for x, err := range r.PastSessions(t.Context(), r.grant("g_1", newHolder(t), nil), time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, x)
	}
	at := time.Date(2026, 11, 23, 10, 0, 0, 500_000_000, time.UTC)
	if len(got) != 2 || got[1].Since != at || got[1].Ended != at.Truncate(time.Second).Add(time.Minute) || got[1].From != "192.0.2.7" {
		t.Errorf("%+v", got)
	}
}

// Keys beside the CA are access that no certificate ends: they are listed, shown to who decides, and not taken away from afar.
func TestReq_R66_KeysBesideTheCAAreListed(t *testing.T) {
	t.Parallel()
	r := toldRig(t)
	dir := t.TempDir()
	h := newHolder(t)
	if err := os.MkdirAll(filepath.Join(dir, "deploy", ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "deploy", ".ssh", "authorized_keys"), []byte("# by hand\n"+h.line), 0o600); err != nil {
		t.Fatal(err)
	}
	g := r.grant("g_1", newHolder(t), map[string][]string{"host_group": {"web"}})
	r.mustGrant(t, g)
	told := mustTell(t, r.teller(func(x *sshca.Teller) { x.Keys = []string{dir + "/%u/.ssh/authorized_keys", dir + "/root/keys"} }))
	if told.Keys != 1 {
		t.Fatalf("%s, want one key", told)
	}
	var found []runbooks.Access
	for x, err := range r.ListAccess(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, x)
	}
	if len(found) != 2 || !found[0].Ours || found[0].Grant != g.ID || found[0].Key != r.AccessKey(g) || found[1].Ours || found[1].Account != "deploy" {
		t.Fatalf("%+v", found)
	}
	_, err := r.RemoveAccess(t.Context(), found[1])
	wantClass(t, err, runbooks.Refuse)
	next := r.grant("g_2", newHolder(t), map[string][]string{"host_group": {"web"}})
	plan, err := r.Plan(t.Context(), next)
	if long := "valid for " + workflows.SpanOf(next.End.Sub(next.Start)).String() + " "; len(plan.Changes) != 1 || !strings.Contains(plan.Changes[0], long) || strings.Contains(plan.Changes[0], "UTC") {
		t.Errorf("the time runs from the approval, and a plan names no moment: %q lacks %q", plan.Changes, long)
	}
	if err != nil || len(plan.Standing) != 1 || !strings.Contains(plan.Standing[0], "as deploy") {
		t.Errorf("%+v (%v)", plan, err)
	}
}

// A host that has not pulled since is access that is still there, and the list says where.
func TestRevokedElsewhereIsListed(t *testing.T) {
	t.Parallel()
	r := toldRig(t)
	krl := filepath.Join(t.TempDir(), "krl")
	g := r.grant("g_1", newHolder(t), map[string][]string{"host_group": {"web"}})
	r.mustGrant(t, g)
	r.pullAs(t, "web-1", krl)
	r.mustRevoke(t, g)
	for x, err := range r.ListAccess(t.Context()) {
		if err != nil || !strings.Contains(x.What, "web-1") || !strings.Contains(x.What, "revoked") {
			t.Errorf("%+v (%v)", x, err)
		}
	}
	r.pullAs(t, "web-1", krl)
	for x := range r.ListAccess(t.Context()) {
		t.Errorf("still listed: %+v", x)
	}
}

// A certificate of a group of hosts opens that group alone.
func TestHostGroups(t *testing.T) {
	t.Parallel()
	r := toldRig(t)
	h := newHolder(t)
	cert, receipt := r.mustGrant(t, r.grant("g_1", h, map[string][]string{"host_group": {"web"}, "principals": {"deploy", "backup"}}))
	if diff := cmp.Diff([]string{"deploy@web", "backup@web"}, cert.ValidPrincipals); diff != "" || receipt.Facts["host_group"] != "web" {
		t.Errorf("%s %v", diff, receipt.Facts)
	}
	for _, bad := range []string{"db", "", "web ", "WEB", "../web"} {
		_, err := r.Grant(t.Context(), r.grant("g_2", h, map[string][]string{"host_group": {bad}}))
		wantClass(t, err, runbooks.Refuse)
	}
	var offers []string
	for o, err := range r.ListOffers(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		offers = append(offers, o.Name+": "+o.Description)
	}
	if diff := cmp.Diff([]string{"web: hosts web-1"}, offers); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"web", "web=", "Web=a", "web=a,,b", "web=a b"} {
		if _, err := sshca.ParseGroups(bad); err == nil {
			t.Errorf("groups %q were read", bad)
		}
	}
}

func sudoGrant(r *rig, h holder, id string, commands ...string) runbooks.Grant {
	g := r.grant(id, h, map[string][]string{"principals": {"${account}"}, "user": {"${account}"}, "host_group": {"web"}, "sudo": commands})
	g.Account = "alice"
	return g
}

// R60: a rule of sudo carries its own end, is in place on the hosts of its group alone, and is gone when the host says so.
func TestReq_R60_SudoEndsByItself(t *testing.T) {
	t.Parallel()
	r := toldRig(t)
	dir := t.TempDir()
	teller := r.teller(func(x *sshca.Teller) { x.Sudoers, x.Check = dir, realVisudo(t) })
	g := sudoGrant(r, newHolder(t), "g_sudo", "/usr/bin/systemctl restart app", "/usr/bin/id")
	_, receipt := r.mustGrant(t, g)
	if receipt.Facts["sudo"] != "/usr/bin/systemctl restart app, /usr/bin/id as root" {
		t.Errorf("%v", receipt.Facts)
	}
	if told := mustTell(t, teller); told.Sudo != 1 {
		t.Fatalf("%s", told)
	}
	file := filepath.Join(dir, fmt.Sprintf("countersign-%d", sshca.Serial(g.ID)))
	want := "# countersign grant=g_sudo holder=alice\nalice ALL=(root) NOTAFTER=" + g.End.UTC().Format("20060102150405Z") +
		" NOPASSWD: /usr/bin/systemctl restart app, /usr/bin/id\n"
	if got := string(read(t, file)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if told := mustTell(t, r.teller(func(x *sshca.Teller) { x.Host, x.Sudoers = "web-1", t.TempDir() })); told.Sudo != 1 {
		t.Errorf("told again: %s", told)
	}
	mustTell(t, teller)

	r.mustRevoke(t, g)
	r.pullAs(t, "web-1", filepath.Join(dir, "krl"))
	if err := wantPresence(t, r, g, runbooks.Unconfirmed); !strings.Contains(err.Error(), "rule of sudo") {
		t.Errorf("%v", err)
	}
	mustTell(t, teller)
	wantPresence(t, r, g, runbooks.Absent)
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the rule is still there: %v", err)
	}
}

// The rules name one person's own account, and only words that sudo reads as they are.
func TestSudoIsNarrow(t *testing.T) {
	t.Parallel()
	r := toldRig(t)
	h := newHolder(t)
	for _, bad := range []string{"", "id", "/bin/sh *", "/bin/a,/bin/b", "!/bin/sh", "/bin/a\n/bin/b", "/bin/a \\", "ALL, !/bin/su", "/bin/a #", "/bin/a:b", "sudoedit /etc/x"} {
		_, err := r.Grant(t.Context(), sudoGrant(r, h, "g_1", bad))
		wantClass(t, err, runbooks.Refuse)
	}
	shared := sudoGrant(r, h, "g_1", "ALL")
	shared.Params["user"] = []string{"deploy"}
	_, err := r.Grant(t.Context(), shared)
	wantClass(t, err, runbooks.Refuse)
	as := sudoGrant(r, h, "g_1", "ALL")
	as.Params["sudo_as"] = []string{"root) NOPASSWD: ALL #"}
	_, err = r.Grant(t.Context(), as)
	wantClass(t, err, runbooks.Refuse)
	for _, s := range []string{"NOPASSWD", "%wheel", "#0", "Alice", "a b"} {
		g := sudoGrant(r, h, "g_1", "ALL")
		g.Account = s
		_, err := r.Grant(t.Context(), g)
		wantClass(t, err, runbooks.Refuse)
	}
}

// A host hears orders only from its CA, and a bot hears only hosts that it knows.
func TestTellingNeedsBothSides(t *testing.T) {
	t.Parallel()
	r := toldRig(t)
	other := newRig(t, func(c *sshca.Config) { c.Seed = []byte(strings.Repeat("x", 32)) })
	for name, change := range map[string]func(*sshca.Teller){
		"another token": func(x *sshca.Teller) { x.Token = runbooks.NewSecret("another") },
		"another host":  func(x *sshca.Teller) { x.Host = "web-9" },
		"another CA":    func(x *sshca.Teller) { x.CA = other.PublicKey() },
		"no CA":         func(x *sshca.Teller) { x.CA = nil },
		"no address":    func(x *sshca.Teller) { x.URL = "file:///etc" },
		"no log":        func(x *sshca.Teller) { x.Logs = []string{"/nowhere/log"} },
	} {
		if told, err := r.teller(change).Tell(t.Context()); err == nil {
			t.Errorf("%s: %s", name, told)
		}
	}
	open := newRig(t, nil) // without a token nobody tells anything
	resp, err := http.Post(open.url+sshca.PathHost, "application/json", strings.NewReader(`{"host":"web-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s", resp.Status)
	}
}

// R68: a drill logs in on a real host with the canary's certificate, and cannot once that is revoked.
func TestReq_R68_CanaryLogsIn(t *testing.T) {
	t.Parallel()
	var at *sshd
	r := newRig(t, nil)
	at = startSSHD(t, r, "deploy")
	me, err := user.Current()
	if err != nil {
		t.Skipf("no current user: %v", err)
	}
	key, err := ssh.ParsePrivateKey(read(t, filepath.Join(at.dir, "host")))
	if err != nil {
		t.Fatal(err)
	}
	if r.CanTry() {
		t.Error("there is no host to try on yet")
	}
	r.cfg.Canary = sshca.Canary{Address: at.addr, HostKey: key.PublicKey(), User: me.Username}
	r.reopen(t)
	g := r.grant("g_canary", newHolder(t), nil)
	if g.Fields, err = r.CanaryFields(g.ID, g.Params); err != nil {
		t.Fatal(err)
	}
	_, receipt := r.mustGrant(t, g)
	if in, err := r.Try(t.Context(), g, receipt); !in || err != nil {
		t.Fatalf("not let in: %v\n%s", err, at.logged(t))
	}
	r.mustRevoke(t, g)
	r.pull(t, "real-sshd", at.krl)
	if in, err := r.Try(t.Context(), g, receipt); in || err != nil {
		t.Fatalf("after the revocation: %v, %v", in, err)
	}
	r.cfg.Canary.HostKey = r.PublicKey()
	r.reopen(t)
	if in, err := r.Try(t.Context(), g, receipt); in || err == nil {
		t.Errorf("a host with another key was believed: %v, %v", in, err)
	}
}

// A register of before 2 is read, and its certificates are still listed and revoked.
func TestRegisterOfFormat1(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	g := r.grant("g_old", newHolder(t), nil)
	r.mustGrant(t, g)
	raw := string(read(t, filepath.Join(r.cfg.Dir, "register.json")))
	cut := strings.Index(raw, `,"from"`)
	end := cut + strings.Index(raw[cut:], "}")
	old := strings.Replace(raw[:cut]+raw[end:], `"format":2`, `"format":1`, 1)
	if err := os.WriteFile(filepath.Join(r.cfg.Dir, "register.json"), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reopen(t)
	if _, err := r.Grant(t.Context(), g); err != nil {
		t.Errorf("granting again what format 1 has: %v", err)
	}
	n := 0
	for x, err := range r.ListAccess(t.Context()) {
		if n++; err != nil || x.Key != r.AccessKey(g) || !x.Ours {
			t.Errorf("%+v (%v)", x, err)
		}
		if _, err := r.RemoveAccess(t.Context(), x); err != nil {
			t.Error(err)
		}
	}
	if r.pull(t, "", filepath.Join(t.TempDir(), "krl")); n != 1 || r.parsed(t).Count() != 1 {
		t.Errorf("%d listed, %d revoked", n, r.parsed(t).Count())
	}
}

// realVisudo has sudo judge files where it is installed.
func realVisudo(t *testing.T) func(context.Context, string) error {
	t.Helper()
	path, err := exec.LookPath("visudo")
	if err != nil {
		t.Log("visudo is not installed: what sudo itself says is not tried")
		return nil
	}
	return func(ctx context.Context, file string) error {
		out, err := exec.CommandContext(ctx, path, "-cf", file).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
}

// Real sudo lets the holder run what the rule says until NOTAFTER, and nothing afterwards, without the bot.
func TestReq_R60_RealSudoHonoursTheEnd(t *testing.T) {
	path, err := exec.LookPath("sudo")
	if err != nil {
		t.Skip("sudo is not installed")
	}
	nobody, err := user.Lookup("nobody")
	if os.Geteuid() != 0 || err != nil {
		t.Skip("needs root and the account nobody: sudo reads no rules but those of the machine")
	}
	uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
	rule := sshca.SudoRule{Grant: "g_realsudo", Holder: "test", User: "nobody", As: "root", Commands: []string{"/usr/bin/id -u"}, Ends: time.Now().Add(time.Hour)}
	file := filepath.Join("/etc/sudoers.d", rule.File())
	put := func() {
		t.Helper()
		if err := os.WriteFile(file, []byte(rule.Text()), 0o440); err != nil {
			t.Skipf("rules of sudo cannot be written here: %v", err)
		}
	}
	t.Cleanup(func() { _ = os.Remove(file) })
	try := func(args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, path, append([]string{"-n"}, args...)...)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), NoSetGroups: true}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Sprintf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	put()
	if got := try("/usr/bin/id", "-u"); strings.Contains(got, "no new privileges") || strings.Contains(got, "effective uid is not 0") {
		t.Skipf("sudo does not run here: %s", got)
	} else if got != "0" {
		t.Fatalf("the rule does not hold: %s", got)
	}
	if got := try("/usr/bin/id", "-g"); got == "0" {
		t.Error("sudo runs what the rule does not name")
	}
	rule.Ends = time.Now().Add(-time.Minute)
	put()
	if got := try("/usr/bin/id", "-u"); got == "0" {
		t.Error("sudo goes on after the end")
	}
}

// R69: the certificates that work are credentials of the inventory, with their serial, grant and end, until they are revoked or over.
func TestReq_R69_IssuedCertificatesAreDiscovered(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(*sshca.Config) {})
	kept, gone := r.grant("g_1", newHolder(t), nil), r.grant("g_2", newHolder(t), nil)
	cert, _ := r.mustGrant(t, kept)
	r.mustGrant(t, gone)
	r.mustRevoke(t, gone)
	found := func() (out []runbooks.Discovered) {
		for x, err := range r.Discover(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, x)
		}
		return out
	}
	got := found()
	if len(got) != 1 || got[0].Kind != "certificate" || got[0].Grant != kept.ID || got[0].Facts["serial"] != fmt.Sprint(cert.Serial) ||
		got[0].Expires.Unix() != int64(cert.ValidBefore) || !slices.Equal(got[0].Grants, []string{"log in for deploy"}) {
		t.Errorf("%+v", got)
	}
	r.clock.Advance(2 * time.Hour)
	if got := found(); len(got) != 0 {
		t.Errorf("after its end: %+v", got)
	}
}
