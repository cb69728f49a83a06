// Package sshca makes the bot an SSH certificate authority. A grant becomes a short-lived user certificate for the key
// that the requester pasted; taking it back puts the certificate's serial on a key revocation list that hosts pull.
//
// Everything a grant yields is derived from the grant and the CA's secret: serial, nonce and (because Ed25519 signs
// deterministically) signature. A retry after a crash gives the same bytes, and a revocation finds the serial even when
// the register that remembers it was lost.
//
// The register (see register.go) is a file of this package's own. Hosts keep a copy of the list (see pull.go), say
// which version they have in place, and Check believes nothing else.
//
// A host is set up once, with three lines of sshd_config and a timer that pulls once a minute:
//
//	TrustedUserCAKeys /etc/ssh/countersign-ca.pub
//	RevokedKeys /etc/ssh/countersign.krl
//	AuthorizedPrincipalsFile /etc/ssh/principals/%u
//
//	countersign sshca pull --url https://bot.example.com --out /etc/ssh/countersign.krl --ca /etc/ssh/countersign-ca.pub
//
// The list must be there before sshd is told of it: with a RevokedKeys file that it cannot read, sshd refuses everybody.
//
// A host may tell more, once a minute and as root: who is logged in with these certificates and was (out of sshd's log), which keys in
// authorized_keys open it beside them, and it then holds the rules of sudo that grants give, each with NOTAFTER, sudo's own end. It needs
// the bot's COUNTERSIGN_SSHCA_TOKEN, takes orders only under the CA's signature, and with --end-sessions ends the sessions of
// certificates that are revoked or over (see agent.go):
//
//	countersign sshca tell --url https://bot.example.com --ca /etc/ssh/countersign-ca.pub --token-file /etc/countersign/token \
//	    --log /var/log/auth.log --keys /root/.ssh/authorized_keys,/home/%u/.ssh/authorized_keys --sudoers /etc/sudoers.d --end-sessions
//
// Groups of hosts are the target's setting host_groups. An entitlement with host_group: web gives principals such as deploy@web, which
// only the hosts of that group take: their sshd has
//
//	AuthorizedPrincipalsCommand /usr/local/bin/countersign sshca principals --groups web %u
//	AuthorizedPrincipalsCommandUser nobody
//
// What it must not do: keep key files (cmd does), decide who gets what (workflows does), reach out to hosts.
package sshca
