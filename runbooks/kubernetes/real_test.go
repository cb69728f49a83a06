package kubernetes_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// A real API server needs a binary that takes minutes to build: .ci/run heavy builds it from its source and names it here. etcd
// is found on the PATH.
const apiserverVariable = "COUNTERSIGN_TEST_KUBE_APISERVER"

// newReal starts etcd and an API server, or skips with the reason. It gives the address, its authority and the audit log.
func newReal(t *testing.T, users map[string]string) (url string, roots *x509.CertPool, audit string) {
	t.Helper()
	binary := os.Getenv(apiserverVariable)
	if binary == "" {
		t.Skip("no Kubernetes here: " + apiserverVariable + " names no kube-apiserver; bash .ci/run heavy builds one and runs this")
	}
	etcd, err := exec.LookPath("etcd")
	if err != nil {
		t.Fatal("no etcd on the PATH, which a kube-apiserver needs")
	}
	dir, err := os.MkdirTemp("", "cskube")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	store, peer, port := runbooktest.FreePort(t), runbooktest.FreePort(t), runbooktest.FreePort(t)
	run(t, dir, "etcd", etcd, "--data-dir", filepath.Join(dir, "etcd"), "--listen-client-urls", "http://127.0.0.1:"+store, "--advertise-client-urls", "http://127.0.0.1:"+store,
		"--listen-peer-urls", "http://127.0.0.1:"+peer, "--initial-advertise-peer-urls", "http://127.0.0.1:"+peer, "--initial-cluster", "default=http://127.0.0.1:"+peer, "--unsafe-no-fsync")
	var tokens strings.Builder
	for token, user := range users {
		group := ""
		if user == "admin" {
			group = `,"system:masters"`
		}
		fmt.Fprintf(&tokens, "%s,%s,uid-%s%s\n", token, user, user, group)
	}
	write(t, dir, "tokens", tokens.String())
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, _ := x509.MarshalPKCS8PrivateKey(key)
	public, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
	write(t, dir, "sa.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	write(t, dir, "sa.pub", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	write(t, dir, "audit.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
	audit = filepath.Join(dir, "audit.log")
	run(t, dir, "apiserver", binary, "--etcd-servers", "http://127.0.0.1:"+store, "--secure-port", port, "--bind-address", "127.0.0.1", "--cert-dir", filepath.Join(dir, "certs"),
		"--token-auth-file", filepath.Join(dir, "tokens"), "--authorization-mode", "RBAC", "--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", filepath.Join(dir, "sa.pub"), "--service-account-signing-key-file", filepath.Join(dir, "sa.key"), "--disable-admission-plugins", "ServiceAccount",
		"--audit-policy-file", filepath.Join(dir, "audit.yaml"), "--audit-log-path", audit, "--service-cluster-ip-range", "10.0.0.0/24")
	return wait(t, dir, port), authority(t, dir), audit
}

func wait(t *testing.T, dir, port string) string {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; <-time.After(100 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "certs", "apiserver.crt")); err == nil {
			client := http.Client{Timeout: 5 * time.Second, Transport: transport(authority(t, dir))}
			r, err := client.Get("https://127.0.0.1:" + port + "/readyz")
			if err == nil {
				_ = r.Body.Close()
			}
			if err == nil && r.StatusCode == http.StatusOK {
				return "https://127.0.0.1:" + port
			}
		}
		if time.Now().After(deadline) {
			raw, _ := os.ReadFile(filepath.Join(dir, "apiserver.log"))
			t.Fatalf("the API server does not come up: %s", raw[max(0, len(raw)-3000):])
		}
	}
}

func authority(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "certs", "apiserver.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	return pool
}

// run starts a program that lives as long as the test. The API server is stopped before its etcd, and neither gets time to
// say goodbye: without etcd an API server takes minutes for that.
func run(t *testing.T, dir, name, path string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = log.Close() })
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
