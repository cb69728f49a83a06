package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/sshca"
)

// sshcaTell runs on a host, as root: it tells the bot who is logged in with its certificates and which keys open the host beside them,
// keeps the rules of sudo that the bot gives, and ends sessions whose certificate is over.
func sshcaTell(ctx context.Context, p proc) error {
	flags := p.flags("sshca tell", "--url URL --ca FILE --token-file FILE --log FILE [--keys FILES] [--sudoers DIR] [--end-sessions]")
	url := flags.String("url", "", "address of the bot")
	ca := flags.String("ca", "", "file that sshd's TrustedUserCAKeys names: orders must be signed by that key")
	host := flags.String("host", hostname(), "name under which this host reports, the one of host_groups")
	token := flags.String("token-file", "", "file with the bot's COUNTERSIGN_SSHCA_TOKEN")
	log := flags.String("log", "", "sshd's log, such as /var/log/auth.log; FILE.1 is read, too")
	keys := flags.String("keys", "", "authorized_keys files to tell of, with %u for the user, separated by commas")
	sudoers := flags.String("sudoers", "", "folder for rules of sudo, such as /etc/sudoers.d")
	end := flags.Bool("end-sessions", false, "end the sessions of certificates that are revoked or over")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	if *url == "" || *ca == "" || *token == "" || *log == "" {
		return usageError{"--url, --ca, --token-file and --log are needed"}
	}
	key, err := readPublicKey(*ca)
	if err != nil {
		return err
	}
	secret, err := readSecret(*token)
	if err != nil {
		return fmt.Errorf("--token-file: %w", err)
	}
	teller := &sshca.Teller{
		URL: *url, Host: *host, CA: key, Token: runbooks.NewSecret(secret), Logs: []string{*log, *log + ".1"}, Keys: words(*keys), Sudoers: *sudoers,
		Check: visudo, End: *end,
	}
	told, err := teller.Tell(ctx)
	if err != nil {
		return hint(fmt.Errorf("telling the bot about %s: %w", *host, err), "is the bot running, and does this host have its token? Rules of sudo end by themselves.")
	}
	fmt.Fprintln(p.out, told)
	return nil
}

// visudo has sudo itself judge a file: one that it would not take stops sudo for everybody.
func visudo(ctx context.Context, file string) error {
	out, err := exec.CommandContext(ctx, "visudo", "-cf", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("visudo does not take it: %w: %.300q", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// sshcaPrincipals is an AuthorizedPrincipalsCommand: it prints whom a login takes on a host of some groups.
func sshcaPrincipals(_ context.Context, p proc) error {
	flags := p.flags("sshca principals", "--groups GROUP,GROUP LOGIN")
	groups := flags.String("groups", "", "groups of this host, as in the target's host_groups")
	if err := p.parse(flags, 1, 1); err != nil {
		return err
	}
	for _, g := range words(*groups) {
		fmt.Fprintf(p.out, "%s@%s\n", flags.Arg(0), g)
	}
	return nil
}
