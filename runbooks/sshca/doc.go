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
// What it must not do: keep key files (cmd does), decide who gets what (workflows does), reach out to hosts.
package sshca
