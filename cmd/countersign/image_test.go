package main

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// finalStage is what the last stage of the Dockerfile says.
type finalStage struct {
	from   string
	copies []imageCopy
	env    []string
	uid    int
	gid    int
	entry  string
	health []string
	cmd    []string
}

// imageCopy is one COPY --from=build.
type imageCopy struct{ from, to, chown string }

// readDockerfile reads the instructions that the final stage uses and refuses those it does not know, so that the test cannot
// overlook one.
func readDockerfile(t *testing.T) (s finalStage) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(strings.ReplaceAll(string(b), "\\\n", " ")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "FROM":
			s = finalStage{from: rest, uid: -1}
		case "COPY":
			s.copies = append(s.copies, parseCopy(rest))
		case "ENV":
			s.env = append(s.env, strings.Fields(rest)...)
		case "USER":
			user, group, _ := strings.Cut(rest, ":")
			s.uid, _ = strconv.Atoi(user)
			s.gid, _ = strconv.Atoi(group)
		case "ENTRYPOINT":
			s.entry = jsonWords(rest)[0]
		case "CMD":
			s.cmd = jsonWords(rest)
		case "HEALTHCHECK":
			_, words, _ := strings.Cut(rest, "CMD ")
			s.health = jsonWords(words)
		case "", "#", "VOLUME", "EXPOSE", "WORKDIR", "RUN":
		default:
			if !strings.HasPrefix(word, "#") {
				t.Fatalf("the Dockerfile uses %s, which this test does not know", word)
			}
		}
	}
	return s
}

func parseCopy(rest string) (c imageCopy) {
	var words []string
	for _, w := range strings.Fields(rest) {
		switch {
		case strings.HasPrefix(w, "--chown="):
			c.chown = strings.TrimPrefix(w, "--chown=")
		case !strings.HasPrefix(w, "--"):
			words = append(words, w)
		}
	}
	c.from, c.to = words[0], words[len(words)-1]
	return c
}

func jsonWords(s string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(s, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestImage builds what the Dockerfile's final stage holds, in an empty folder, and runs it there as the image does: no shell, no
// zones, no library, not root.
func TestImage(t *testing.T) {
	t.Parallel()
	s := readDockerfile(t)
	if s.from != "scratch" || s.uid <= 0 || s.gid <= 0 || s.entry == "" {
		t.Fatalf("the final stage is from %q, as user %d:%d, and starts %q", s.from, s.uid, s.gid, s.entry)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root may change the root folder of a process")
	}
	root, ca := emptyRoot(t, s)
	in := inImage{t, s, root}

	if out, code := in.run(nil, "version"); code != exitDone || !strings.HasPrefix(out, "countersign ") {
		t.Errorf("version: exit %d, %s", code, out)
	}
	if out, code := in.run(nil, "config"); code != exitDone || !strings.Contains(out, "/var/lib/countersign") {
		t.Errorf("config: exit %d, %s", code, out)
	}
	if out, code := in.run(nil, "check"); code != exitDone || !strings.Contains(out, "6 people") { // six zones, none in the image
		t.Errorf("check: exit %d, %s", code, out)
	}
	in.trustsRoots(ca)
	in.serves()
}

// emptyRoot copies what the stage copies, nothing else, and mounts a configuration where a company would.
func emptyRoot(t *testing.T, s finalStage) (root string, ca *httptest.Server) {
	t.Helper()
	root = t.TempDir()
	for dir := root; dir != filepath.Dir(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil || dir == os.TempDir() { // the user of the image must be able to reach it
			break
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ca = httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(ca.Close)
	for _, c := range s.copies {
		to := filepath.Join(root, c.to)
		must(os.MkdirAll(filepath.Dir(to), 0o755))
		switch c.from {
		case "/out/countersign":
			build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", to, ".")
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("building: %v\n%s", err, out)
			}
		case "/out/data":
			must(os.MkdirAll(to, 0o700))
		case "/etc/ssl/certs/ca-certificates.crt":
			b, err := os.ReadFile(c.from)
			if err != nil {
				t.Logf("no CA roots on this machine: only the test's own are put in (%v)", err)
			}
			own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate().Raw})
			must(os.WriteFile(to, append(b, own...), 0o644))
		default:
			t.Fatalf("the image holds %s, which this test does not know how to make", c.from)
		}
		if c.chown != "" {
			user, group, _ := strings.Cut(c.chown, ":")
			uid, err := strconv.Atoi(user)
			must(err)
			gid, err := strconv.Atoi(group)
			must(err)
			must(os.Chown(to, uid, gid))
		}
	}
	config := filepath.Join(root, "etc", "countersign")
	must(os.MkdirAll(filepath.Dir(config), 0o755))
	must(writeDemoConfig(config, "22"))
	must(filepath.WalkDir(config, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	}))
	return root, ca
}

// inImage runs the image's program in it.
type inImage struct {
	t    *testing.T
	s    finalStage
	root string
}

func (i inImage) command(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(i.s.entry, args...)
	cmd.Dir, cmd.Env = "/", append(append([]string{}, i.s.env...), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     i.root,
		Credential: &syscall.Credential{Uid: uint32(i.s.uid), Gid: uint32(i.s.gid)},
		Pdeathsig:  syscall.SIGKILL,
	}
	cmd.Err = nil // the program is looked up in the new root
	return cmd
}

func (i inImage) run(env []string, args ...string) (string, int) {
	i.t.Helper()
	cmd := i.command(env, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		i.t.Fatalf("%v: %v", args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// trustsRoots holds that the CA roots of the image are used: a server under one of them is trusted, another is not.
func (i inImage) trustsRoots(known *httptest.Server) {
	i.t.Helper()
	pull := func(url string) string {
		out, code := i.run(nil, "sshca", "pull", "--url", url, "--out", "/var/lib/countersign/revoked.krl")
		if code != exitFailed {
			i.t.Errorf("pulling from %s: exit %d, %s", url, code, out)
		}
		return out
	}
	if out := pull(known.URL); strings.Contains(out, "x509") || !strings.Contains(out, "404") {
		i.t.Errorf("a server under a root of the image: %s", out)
	}
	bundle := filepath.Join(i.root, "etc", "ssl", "certs", "ca-certificates.crt")
	b, err := os.ReadFile(bundle)
	if err != nil {
		i.t.Fatal(err)
	}
	if err := os.Remove(bundle); err != nil {
		i.t.Fatal(err)
	}
	if out := pull(known.URL); !strings.Contains(out, "x509") {
		i.t.Errorf("without the roots it is trusted too, so this shows nothing: %s", out)
	}
	if err := os.WriteFile(bundle, b, 0o644); err != nil {
		i.t.Fatal(err)
	}
}

// serves starts the image's own command against a workspace and asks its health check.
func (i inImage) serves() {
	i.t.Helper()
	w := newWorld(i.t, worldOptions{})
	env := []string{
		prefix + "_LISTEN=" + w.child.listen, prefix + "_LEDGER_ORIGIN=example.com/countersign/image", prefix + "_LOG_FORMAT=text",
	}
	for _, kv := range w.child.env {
		if strings.Contains(kv, "_SLACK_") {
			env = append(env, kv)
		}
	}
	cmd := i.command(env, i.s.cmd...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() { p.err = cmd.Wait(); close(p.exited) }()
	defer p.kill()
	if err := w.child.ready(i.t.Context()); err != nil {
		p.kill()
		i.t.Fatalf("%v\n%s", err, log.String())
	}
	check := i.command(env, i.s.health[1:]...)
	check.Path = i.s.health[0]
	if out, err := check.CombinedOutput(); err != nil {
		i.t.Errorf("the health check: %v\n%s", err, out)
	}
	if d := w.slack.Command(i.t.Context(), w.slackID("maya"), "access", "/access", "help"); d.Err != nil || !d.Acked {
		i.t.Errorf("/access help: %+v", d)
	}
	if code, err := p.stop(); err != nil || code != exitDone {
		i.t.Errorf("SIGTERM: exit %d, %v\n%s", code, err, log.String())
	}
	for _, f := range []string{"countersign.db", "keys/ledger", "witness.log"} {
		info, err := os.Stat(filepath.Join(i.root, "var", "lib", "countersign", f))
		if err != nil {
			i.t.Error(err)
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != i.s.uid || info.Mode().Perm() != 0o600 {
			i.t.Errorf("%s belongs to %v with mode %o", f, info.Sys(), info.Mode().Perm())
		}
	}
}
