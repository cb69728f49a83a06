package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks/sshca"
)

// demoHost is the bastion of the demo: an SSH server on product time that trusts the bot's certificates, and pulls the list of
// revoked ones with the same code as `countersign sshca pull`.
type demoHost struct {
	l       net.Listener
	dir     string
	clock   *demoClock
	cfg     *ssh.ServerConfig
	checker *sshca.HostChecker
	key     ssh.PublicKey
	url     string
	ca      ssh.PublicKey
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

func newDemoHost(dir string, clock *demoClock) (*demoHost, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the bastion's folder: %w", err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the bastion's key: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, fmt.Errorf("making the bastion's key: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening the bastion: %w", err)
	}
	h := &demoHost{l: l, dir: dir, clock: clock, key: signer.PublicKey()}
	h.cfg = &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		return h.authenticate(c, k)
	}}
	h.cfg.AddHostKey(signer)
	return h, nil
}

func (h *demoHost) port() string {
	_, port, _ := net.SplitHostPort(h.l.Addr().String())
	return port
}

// trust fetches the CA's key once, as an administrator would, and starts to pull the list.
func (h *demoHost) trust(ctx context.Context, url string) error {
	ca, err := fetchCA(ctx, url)
	if err != nil {
		return err
	}
	h.url, h.ca = url, ca
	h.checker = &sshca.HostChecker{CA: ca, Now: wall(h.clock)}
	ctx, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := h.pull(ctx); err != nil {
		return err
	}
	h.wg.Go(func() { h.pullAlways(ctx) })
	h.wg.Go(func() { h.accept(ctx) })
	return nil
}

func fetchCA(ctx context.Context, url string) (ssh.PublicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+sshca.PathCA, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetching the CA's key: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("fetching the CA's key: %w", err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil, fmt.Errorf("fetching the CA's key: %w", err)
	}
	return key, nil
}

const pullEvery = time.Second // a real host pulls once a minute; nobody watches a demo that long

func (h *demoHost) pullAlways(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pullEvery):
			h.pull(ctx) // the old list stays when the bot is away; the next second tries again
		}
	}
}

func (h *demoHost) pull(ctx context.Context) error {
	file := filepath.Join(h.dir, "revoked.krl")
	if _, err := sshca.Pull(ctx, h.url, file, h.ca, "bastion"); err != nil {
		return err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the list: %w", err)
	}
	krl, err := sshca.ParseKRL(b)
	if err != nil {
		return fmt.Errorf("reading the list: %w", err)
	}
	h.checker.SetKRL(krl)
	return nil
}

func (h *demoHost) authenticate(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
	perms, err := h.checker.Authenticate(c, k)
	if err != nil {
		return nil, err
	}
	if cert, ok := k.(*ssh.Certificate); ok {
		perms = &ssh.Permissions{CriticalOptions: perms.CriticalOptions, Extensions: maps.Clone(perms.Extensions)}
		if perms.Extensions == nil {
			perms.Extensions = map[string]string{}
		}
		perms.Extensions["key-id"] = cert.KeyId
	}
	return perms, nil
}

func (h *demoHost) accept(ctx context.Context) {
	for {
		conn, err := h.l.Accept()
		if err != nil {
			return
		}
		h.wg.Go(func() {
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			h.serve(conn)
		})
	}
}

func (h *demoHost) serve(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Minute))
	sc, chans, reqs, err := ssh.NewServerConn(conn, h.cfg)
	if err != nil {
		return // refused: the client is told why in its own words
	}
	defer sc.Close()
	go ssh.DiscardRequests(reqs)
	for nc := range chans {
		if nc.ChannelType() != "session" {
			nc.Reject(ssh.UnknownChannelType, "this host only has sessions")
			continue
		}
		ch, in, err := nc.Accept()
		if err != nil {
			return
		}
		h.session(sc, ch, in)
	}
}

// session answers a command or a shell with who came in by what; there is no machine behind it to break.
func (h *demoHost) session(sc *ssh.ServerConn, ch ssh.Channel, in <-chan *ssh.Request) {
	defer ch.Close()
	for r := range in {
		ok := r.Type == "exec" || r.Type == "shell" || r.Type == "pty-req" || r.Type == "env"
		r.Reply(ok, nil)
		if r.Type != "exec" && r.Type != "shell" {
			continue
		}
		fmt.Fprintf(ch, "Welcome to the bastion. You are %s, let in by certificate %s at %s.\r\n",
			sc.User(), sc.Permissions.Extensions["key-id"], h.clock.Now().Wall.UTC().Format("2006-01-02 15:04:05 UTC"))
		ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
		return
	}
}

func (h *demoHost) close() {
	h.l.Close()
	if h.stop != nil {
		h.stop()
	}
	h.wg.Wait()
}

// login is what a person's ssh does: prove the key, show the certificate, run a command.
func (h *demoHost) login(user string, key ssh.Signer, certLine string) (string, error) {
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(certLine))
	if err != nil {
		return "", fmt.Errorf("reading the certificate: %w", err)
	}
	cert, ok := pub.(*ssh.Certificate)
	if !ok {
		return "", errors.New("that is a key, not a certificate")
	}
	signer, err := ssh.NewCertSigner(cert, key)
	if err != nil {
		return "", fmt.Errorf("using the certificate: %w", err)
	}
	client, err := ssh.Dial("tcp", h.l.Addr().String(), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(h.key), Timeout: 10 * time.Second,
	})
	if err != nil {
		return "", fmt.Errorf("the bastion refused the login: %w", err)
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", fmt.Errorf("opening a session: %w", err)
	}
	defer session.Close()
	out, err := session.Output("whoami")
	return strings.TrimSpace(string(out)), err
}
