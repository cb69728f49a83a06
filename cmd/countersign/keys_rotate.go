package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/runbooks/x509"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// A key is replaced by two owners on the people's socket. That of the ledger signs from the entry on that records it, while the bot runs. The
// others are used from the next start on: that of the buttons at once, as all cards are painted anew; those of the authorities once nothing lives
// that the old one signed, because it can be revoked under it only; that which seals secrets once none waits to be taken; that which
// names findings at once; that of fingerprints at once, while the old ones are kept beside it, so that what they named is still recognised.

const doRekey = "rekey"

// Files beside a key.
const (
	suffixNext     = ".next"     // made, and not in use yet
	suffixPrevious = ".previous" // the ledger's key before: it still signs, for those who pinned it, until somebody removes the file
)

// replaceable are the keys that can be.
func replaceable() []string {
	return []string{keyLedger, keySSHCA, keyX509, keyButtons, keySealing, keyFingerprint, keyFindings}
}

// besideKey reads the keys beside the ledger's own. What cannot be read is not there: opening the ledger says when it is needed.
func besideKey(c Config, key ledger.Key) (next ledger.Key, previous []ledger.Key) {
	read := func(suffix string) ledger.Key {
		b, err := os.ReadFile(filepath.Join(c.keysDir(), keyLedger+suffix))
		if err != nil || key.Origin() == "" {
			return ledger.Key{}
		}
		k, err := ledger.ParseKeyFile(b)
		if err != nil || k.Origin() != key.Origin() || k == key {
			return ledger.Key{}
		}
		return k
	}
	if k := read(suffixPrevious); k.Origin() != "" {
		previous = []ledger.Key{k}
	}
	return read(suffixNext), previous
}

// settle makes the key that signs the usual one, when it still lies beside it: after a change, or after a crash in one.
func (k *keyring) settle(vkey string) error {
	path := filepath.Join(k.dir, keyLedger)
	b, err := os.ReadFile(path + suffixNext)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the ledger's new key: %w", err)
	}
	next, err := ledger.ParseKeyFile(b)
	if err != nil || next.VKey() != vkey {
		return nil // it was never recorded: the next change writes over it
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the ledger's key: %w", err)
	}
	if err := writeKey(path+suffixPrevious, string(old)); err != nil {
		return fmt.Errorf("keeping the ledger's old key: %w", err)
	}
	return os.Rename(path+suffixNext, path)
}

// proposeRekey is the first of two people.
func (s *serving) proposeRekey(ctx context.Context, who custody.Who, cause workflows.Cause, o order) (reply, error) {
	return s.propose(ctx, who, cause, custody.Proposed{Act: custody.Rekey, Scope: custody.Scope{What: o.What}, Reason: o.Reason})
}

// confirmRekey is the second: the key is made, and the ledger says so.
func (s *serving) confirmRekey(ctx context.Context, who custody.Who, cause workflows.Cause, st custody.State) (reply, error) {
	if st.Proposed.What == keyLedger {
		return s.rotateLedgerKey(ctx, who, cause, st)
	}
	return s.replaceKey(ctx, who, cause, st)
}

func (s *serving) rotateLedgerKey(ctx context.Context, who custody.Who, cause workflows.Cause, st custody.State) (reply, error) {
	if s.cfg.LedgerKey != "" {
		return s.refuse(ctx, cause, who.Acting, "keys rotate", workflows.Refuse(workflows.CodeBadField, "The ledger's key comes from the environment, where this program cannot replace it.",
			"Put it into the file keys/ledger of the data folder, start without the variable, and propose again."))
	}
	next, err := ledger.GenerateKey(rand.Reader, s.store.Origin())
	if err != nil {
		return reply{}, err
	}
	path := filepath.Join(s.cfg.keysDir(), keyLedger+suffixNext)
	if err := writeKey(path, string(next.KeyFile())); err != nil {
		return reply{}, fmt.Errorf("writing the new key: %w", err)
	}
	before, stream := s.store.VKey(), custody.Stream(st.ID)
	res, err := s.store.Rotate(ctx, cause, []workflows.StreamID{stream}, next,
		store.KeyRotated{Proposal: st.ID, ProposedBy: st.By, ConfirmedBy: who.Person}, confirming(stream, who))
	if err != nil {
		return reply{}, err // the new key stays where it is: whether it was recorded may be unknown
	}
	if res.Refusal != nil || res.Replayed {
		err := os.Remove(path)
		if res.Refusal != nil {
			return refusedReply(res.Refusal), err
		}
		return s.custodyReply(ctx, st.ID)
	}
	if err := s.keys.settle(next.VKey()); err != nil {
		s.log.Error("the ledger's new key signs, but could not take the place of the old one; the next start does that", "err", err)
	}
	s.log.Warn("another key signs the ledger from here on", "before", before, "vkey", next.VKey())
	out, err := s.custodyReply(ctx, st.ID)
	out.Lines = append(out.Lines,
		"The ledger is signed by the new key from here on: "+next.VKey(),
		"Give it to everybody who verifies, and to witnesses beside the old one. Verifiers that know the old key follow the change by themselves.",
		"The old key still signs, too. When nobody needs it any more, or at once if it was stolen, remove "+filepath.Join(s.cfg.keysDir(), keyLedger+suffixPrevious)+" and start the bot again.",
		"Copy "+filepath.Join(s.cfg.keysDir(), keyLedger)+" to where you keep keys.")
	return out, err
}

// confirming records the word of the second person.
func confirming(stream workflows.StreamID, who custody.Who) func(workflows.Facts) (workflows.Outcome, error) {
	return func(f workflows.Facts) (workflows.Outcome, error) {
		out, _, err := custody.Confirm(f, stream, who)
		return out, err
	}
}

// replaceKey makes a key that the next start takes.
func (s *serving) replaceKey(ctx context.Context, who custody.Who, cause workflows.Cause, st custody.State) (reply, error) {
	name, stream := st.Proposed.What, custody.Stream(st.ID)
	if _, err := os.Lstat(filepath.Join(s.cfg.keysDir(), name)); errors.Is(err, fs.ErrNotExist) {
		return s.refuse(ctx, cause, who.Acting, "keys rotate", workflows.Refuse(workflows.CodeBadField, "There is no such key yet: nothing has needed it.", "It is made when a target or a secret first does."))
	}
	old, err := s.keys.seed(name)
	if err != nil {
		return reply{}, err
	}
	seed := make([]byte, 32)
	if _, err := rand.Read(seed); err != nil {
		return reply{}, err
	}
	path := filepath.Join(s.cfg.keysDir(), name+suffixNext)
	if err := writeKey(path, hex.EncodeToString(seed)+"\n"); err != nil {
		return reply{}, fmt.Errorf("writing the new key: %w", err)
	}
	before, _, err := keyName(name, old)
	if err != nil {
		return reply{}, err
	}
	after, public, err := keyName(name, seed)
	if err != nil {
		return reply{}, err
	}
	res, err := s.store.Update(ctx, cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := confirming(stream, who)(f)
		if err == nil && out.Refusal == nil {
			out.Add(workflows.SystemStream, workflows.System, "", store.KeyReplaced{
				Key: name, Before: before, After: after, Proposal: st.ID, ProposedBy: st.By, ConfirmedBy: who.Person,
			})
		}
		return out, err
	})
	if err != nil {
		return reply{}, err
	}
	if res.Refusal != nil {
		return refusedReply(res.Refusal), os.Remove(path)
	}
	out, err := s.custodyReply(ctx, st.ID)
	switch name {
	case keySSHCA:
		out.Lines = append(out.Lines, "Let every host trust it beside the old one, in the file that TrustedUserCAKeys names: "+public,
			"Then start the bot again. It signs with the new key from the first start at which no SSH access lives; the old key can go from the hosts after that.")
	case keyX509:
		out.Lines = append(out.Lines, s.announceX509(seed)...)
	case keyFingerprint:
		out.Lines = append(out.Lines, "Start the bot again to use it. The old one is kept as "+filepath.Join(s.cfg.keysDir(), keyFingerprint+suffixPrevious)+
			", so that secrets that it named are still recognised when they leak; remove a line there when that is not wanted any more, as after a theft of the key.")
	case keySealing:
		out.Lines = append(out.Lines, "Start the bot again to use it. The old one opens what waits to be taken, so it is used until a start at which nothing waits.")
	case keyFindings:
		out.Lines = append(out.Lines, "Start the bot again to use it: what stands on targets is found once more then, under other names, and has to be answered for again.")
	default:
		out.Lines = append(out.Lines, "Start the bot again to use it: every card is painted anew then, and buttons made before are refused.")
	}
	return out, err
}

// keyName is how a key is named in the ledger, and its public half where it has one.
func keyName(name string, seed []byte) (fingerprint, public string, err error) {
	if name == keyX509 {
		fingerprint, err = x509.Name(seed)
		return fingerprint, "", err
	}
	if name != keySSHCA {
		sum := sha256.Sum256(append([]byte("countersign/name of a key/v1\x00"), seed...))
		return hex.EncodeToString(sum[:8]), "", nil
	}
	ca, err := sshca.NewAuthority(seed)
	if err != nil {
		return "", "", err
	}
	return ssh.FingerprintSHA256(ca.PublicKey()), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(ca.PublicKey()))), nil
}

// promoteKeys takes keys into use that were made since the last start.
func (s *serving) promoteKeys(ctx context.Context, targets []spec.Target) error {
	taken, err := s.keys.promote(keyButtons)
	if err != nil {
		return err
	}
	if taken {
		n, err := s.store.Repaint(ctx)
		if err != nil {
			return err
		}
		s.log.Warn("the key of the buttons was replaced; every card is painted anew", "cards", n)
	}
	if err := s.promoteQuiet(ctx); err != nil {
		return err
	}
	if err := s.promoteX509(); err != nil {
		return err
	}
	if !s.keys.waiting(keySSHCA) {
		return nil
	}
	held, err := s.heldUnder(ctx, targets)
	if err != nil {
		return err
	}
	if held > 0 {
		s.log.Warn("the new key of the SSH authority waits for a start at which no SSH access lives", "access", held)
		return nil
	}
	if _, err := s.keys.promote(keySSHCA); err != nil {
		return err
	}
	s.log.Warn("the key of the SSH authority was replaced: hosts must trust the new one")
	return nil
}

// announceX509 lets servers fetch the next authority's certificate, and says what to do.
func (s *serving) announceX509(seed []byte) []string {
	if s.conns != nil && s.conns.x509 != nil {
		if err := s.conns.x509.Announce(seed); err != nil {
			s.log.Error("the next authority's certificate could not be announced; the next start does that", "err", err)
		}
	}
	return []string{
		"Servers fetch both certificates from " + s.cfg.publicURL() + x509.PathCA + " from now on: let each trust both.",
		"Then start the bot again. It signs with the new key from the first start at which no certificate of the old one could be good any more, revoked ones included; the old certificate can go from the servers after that.",
	}
}

// promoteX509 takes the next key of the authority once nothing that the old one signed could be good any more.
func (s *serving) promoteX509() error {
	if !s.keys.waiting(keyX509) {
		return nil
	}
	left, err := x509.Unexpired(s.cfg.x509Dir(), wall(s.clock)())
	if err != nil {
		return err
	}
	if left > 0 {
		s.log.Warn("the new key of the authority of certificates waits for a start at which none of the old one is good any more", "certificates", left)
		return nil
	}
	if _, err := s.keys.promote(keyX509); err != nil {
		return err
	}
	s.log.Warn("the key of the authority of certificates was replaced: servers must trust the new one")
	return nil
}

// promoteQuiet takes the keys into use that nobody outside sees.
func (s *serving) promoteQuiet(ctx context.Context) error {
	taken, err := s.keys.promote(keyFindings)
	if err != nil {
		return err
	}
	if taken {
		s.log.Warn("the key that names findings was replaced: what stands on targets is found once more under other names")
	}
	if s.keys.waiting(keyFingerprint) {
		if err := s.keys.retain(keyFingerprint); err != nil {
			return err
		}
		if _, err := s.keys.promote(keyFingerprint); err != nil {
			return err
		}
		s.log.Warn("the key of fingerprints was replaced: what the old one named is still recognised")
	}
	if !s.keys.waiting(keySealing) {
		return nil
	}
	waiting, err := s.store.Handovers(ctx)
	if err != nil {
		return err
	}
	if len(waiting) > 0 {
		s.log.Warn("the new key that seals secrets waits for a start at which none waits to be taken", "secrets", len(waiting))
		return nil
	}
	copies, err := s.cfg.resealCopies()
	if err == nil {
		err = s.cfg.resealTokens()
	}
	if err != nil {
		return err
	}
	if _, err := s.keys.promote(keySealing); err != nil {
		return err
	}
	s.log.Warn("the key that seals secrets was replaced", "copies_of_credentials", copies)
	return nil
}

// heldUnder counts live access to targets of the SSH authority.
func (s *serving) heldUnder(ctx context.Context, targets []spec.Target) (n int, err error) {
	live, err := liveHoldings(ctx, s.store)
	if err != nil {
		return 0, err
	}
	for _, h := range live {
		if slices.ContainsFunc(targets, func(t spec.Target) bool { return t.Connector == "sshca" && t.ID == h.Hold.Approved.Target }) {
			n++
		}
	}
	return n, nil
}

// waiting tells whether a new key lies beside one.
func (k *keyring) waiting(name string) bool {
	_, err := os.Stat(filepath.Join(k.dir, name+suffixNext))
	return err == nil
}

// promote lets a new key take the place of the old one.
func (k *keyring) promote(name string) (bool, error) {
	if !k.waiting(name) {
		return false, nil
	}
	path := filepath.Join(k.dir, name)
	if err := private(path + suffixNext); err != nil {
		return false, err
	}
	return true, os.Rename(path+suffixNext, path)
}

const maxRetained = 4 // old keys of fingerprints that are tried: each makes a look at a leak longer

// retain keeps a key beside itself before it is replaced: the newest first, a line each. It may be repeated.
func (k *keyring) retain(name string) error {
	now, err := k.seed(name)
	if err != nil {
		return err
	}
	old, err := k.retained(name)
	if err != nil {
		return err
	}
	keep := [][]byte{now}
	for _, x := range old {
		if !bytes.Equal(x, now) && len(keep) < maxRetained {
			keep = append(keep, x)
		}
	}
	var text strings.Builder
	for _, x := range keep {
		text.WriteString(hex.EncodeToString(x) + "\n")
	}
	return writeKey(filepath.Join(k.dir, name+suffixPrevious), text.String())
}

// retained are the keys before one, the newest first.
func (k *keyring) retained(name string) ([][]byte, error) {
	path := filepath.Join(k.dir, name+suffixPrevious)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = private(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the keys before %s: %w", name, err)
	}
	var out [][]byte
	for i, line := range strings.Fields(string(text)) {
		b, err := hex.DecodeString(line)
		if err != nil || len(b) != 32 {
			return nil, fmt.Errorf("%s:%d is not 32 bytes in hex", path, i+1)
		}
		if len(out) < maxRetained {
			out = append(out, b)
		}
	}
	return out, nil
}

// keysRotate proposes or confirms that a key is replaced.
func keysRotate(ctx context.Context, p proc) error {
	if len(p.args) > 0 && p.args[0] == "confirm" {
		return custodyConfirm(ctx, p, "keys rotate confirm")
	}
	x := newPerson(p, "keys rotate", strings.Join(replaceable(), "|")+" -reason TEXT; then, as another owner within an hour: keys rotate confirm ID")
	reason := x.flags.String("reason", "", "why, for those who confirm; it is recorded")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	if !slices.Contains(replaceable(), words[0]) {
		return usageError{fmt.Sprintf("there is no key %q that can be replaced: %s", words[0], strings.Join(replaceable(), ", "))}
	}
	return x.do(ctx, order{Do: doRekey, What: words[0], Reason: *reason})
}
