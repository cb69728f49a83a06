package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/countersign-bot/countersign/store/anchors"
)

// A witness of our own, for a host that belongs to somebody else than the bot's. It needs nothing of the bot: no data folder, no Slack, no
// configuration but the public keys of the ledgers that it signs for.

func witnessCommand(ctx context.Context, p proc) error {
	verbs := map[string]func(context.Context, proc) error{"serve": witnessServe, "key": witnessKey}
	if len(p.args) == 0 {
		return usageError{"the verb is missing: serve or key"}
	}
	verb := p.args[0]
	if run, ok := verbs[verb]; ok {
		p.args = p.args[1:]
		return run(ctx, p)
	}
	if verb == "-h" || verb == "-help" || verb == "--help" {
		fmt.Fprintln(p.out, "usage: countersign witness serve | key; each with -h says more")
		return nil
	}
	return usageError{fmt.Sprintf("there is no verb %q: serve or key", verb)}
}

const witnessKeyFile = "key"

// witnessKey prints the public key, and makes the private one when there is none.
func witnessKey(_ context.Context, p proc) error {
	flags := p.flags("witness key", "-dir DIR [-name NAME]")
	dir := flags.String("dir", "", "folder of the witness")
	name := flags.String("name", "", "when the key is made: the name it signs under, such as witness.example.com/w1")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	if *dir == "" {
		return usageError{"-dir is missing"}
	}
	key, err := readWitnessKey(*dir)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeWitnessKey(*dir, *name)
		if err == nil {
			fmt.Fprintf(p.err, "A key was made in %s. It must not lie in any backup that could be put back together with what the witness remembers.\n", *dir)
		}
	}
	if err != nil {
		return err
	}
	vkey, err := anchors.VKey(key)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, vkey)
	return err
}

func readWitnessKey(dir string) (string, error) {
	path := filepath.Join(dir, witnessKeyFile)
	text, err := readSecret(path)
	if err != nil {
		return "", fmt.Errorf("reading the witness's key: %w", err)
	}
	return strings.TrimSpace(text), private(path)
}

func makeWitnessKey(dir, name string) (string, error) {
	if name == "" {
		return "", usageError{"there is no key yet: -name says under which name it is to sign"}
	}
	if strings.ContainsAny(name, " +\t\n") || !strings.Contains(name, ".") {
		return "", hint(fmt.Errorf("%q is not a name that a key can have", name), "a host and a path, such as witness.example.com/w1")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	key, err := anchors.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", err
	}
	return key, writeKey(filepath.Join(dir, witnessKeyFile), key+"\n")
}

// repeated is a flag that may be given several times.
type repeated []string

// String implements flag.Value.
func (r *repeated) String() string { return strings.Join(*r, " ") }

// Set implements flag.Value.
func (r *repeated) Set(s string) error { *r = append(*r, s); return nil }

var _ flag.Value = (*repeated)(nil)

// witnessServe runs the witness until it is stopped.
func witnessServe(ctx context.Context, p proc) error {
	flags := p.flags("witness serve", "-dir DIR -log VKEY [-log VKEY]… [-listen ADDR] [-cert FILE -key FILE]")
	dir := flags.String("dir", "", "folder of the witness: its key and what it remembers")
	listen := flags.String("listen", "127.0.0.1:8486", "address to listen on")
	cert := flags.String("cert", "", "certificate, for TLS without a proxy in front")
	certKey := flags.String("key", "", "its private key")
	var logs repeated
	flags.Var(&logs, "log", "public key of a ledger to sign for, or a file with it; repeat it for more, and for the new key of one")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	if *dir == "" || len(logs) == 0 {
		return usageError{"-dir and -log are needed"}
	}
	var vkeys []string
	for _, l := range logs {
		keys, err := vkeyArgument(l)
		if err != nil {
			return err
		}
		vkeys = append(vkeys, keys...)
	}
	key, err := readWitnessKey(*dir)
	if err != nil {
		return hint(err, "countersign witness key -dir %s -name witness.example.com/w1 makes one", *dir)
	}
	log := slog.New(slog.NewJSONHandler(p.err, &slog.HandlerOptions{ReplaceAttr: redact}))
	k, err := anchors.NewKeeper(anchors.KeeperConfig{Dir: filepath.Join(*dir, "remembered"), Key: key, Logs: vkeys, Log: log})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *certKey)
		if err != nil {
			return errors.Join(fmt.Errorf("reading the certificate: %w", err), l.Close())
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	vkey, err := anchors.VKey(key)
	if err != nil {
		return err
	}
	log.Info("the witness serves", "listen", l.Addr().String(), "vkey", vkey, "ledgers", len(vkeys))
	return serveHTTP(ctx, l, k.Handler(), log)
}
