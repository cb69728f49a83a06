package main

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/sshca"
)

// sshcaCommand runs on a host, without a configuration of its own.
func sshcaCommand(ctx context.Context, p proc) error {
	verbs := map[string]func(context.Context, proc) error{"pull": sshcaPull, "tell": sshcaTell, "principals": sshcaPrincipals}
	if len(p.args) == 0 || verbs[p.args[0]] == nil {
		return usageError{"the verb is pull, tell or principals"}
	}
	verb := verbs[p.args[0]]
	p.args = p.args[1:]
	return verb(ctx, p)
}

// sshcaPull fetches the list of revoked certificates and puts it where sshd reads it, or leaves the old list in place.
func sshcaPull(ctx context.Context, p proc) error {
	flags := p.flags("sshca pull", "--url URL --out FILE [--ca FILE] [--host NAME] [--token-file FILE]")
	url := flags.String("url", "", "address of the bot, such as https://countersign.example.com")
	out := flags.String("out", "", "file that sshd's RevokedKeys names")
	ca := flags.String("ca", "", "file that sshd's TrustedUserCAKeys names: the list must be signed by that key")
	host := flags.String("host", hostname(), "name under which this host reports the list it has")
	token := flags.String("token-file", "", "file with the bot's COUNTERSIGN_SSHCA_TOKEN, if it has one")
	shorter := flags.Bool("accept-shorter", false, "take a list that lost serials, this once: only after the bot lost its own register")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	if *url == "" || *out == "" {
		return usageError{"--url and --out are needed"}
	}
	key, err := readPublicKey(*ca)
	if err != nil {
		return err
	}
	puller := &sshca.Puller{URL: *url, Out: *out, CA: key, Host: *host, AcceptShorter: *shorter}
	if *token != "" {
		secret, err := readSecret(*token)
		if err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
		puller.Token = runbooks.NewSecret(secret)
	}
	res, err := puller.Pull(ctx)
	if err != nil {
		return hint(fmt.Errorf("the list on this host stays as it was: %w", err), "is the bot running, and does %s reach its %s_LISTEN from this host?", *url, prefix)
	}
	state := "unchanged"
	if res.Changed {
		state = "replaced"
	}
	fmt.Fprintf(p.out, "%s: version %d, %d revoked certificates, %s\n", *out, res.Version, res.Serials, state)
	if res.Warning != "" {
		fmt.Fprintf(p.err, "warning: %s\n", res.Warning)
	}
	return nil
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

func readPublicKey(file string) (ssh.PublicKey, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the CA's key: %w", err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil, fmt.Errorf("reading the CA's key %s: %w", file, err)
	}
	return key, nil
}
