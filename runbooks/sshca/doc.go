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
// What it must not do: keep key files (cmd does), decide who gets what (workflows does), reach out to hosts.
package sshca
