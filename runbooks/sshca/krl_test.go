package sshca_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/workflows"
)

func authority(t testing.TB) *sshca.Authority {
	t.Helper()
	a, err := sshca.NewAuthority(seed)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func listOf(ca ssh.PublicKey, serials ...uint64) sshca.List {
	return sshca.List{
		Version: 3, Generated: time.Unix(1_800_000_000, 0), Comment: "a comment",
		CAs: []sshca.Revocations{{CA: ca, Serials: serials}},
	}
}

// A list revokes exactly what was put on it, however the serials lie.
func TestKRLHoldsExactlyItsSerials(t *testing.T) {
	t.Parallel()
	ca := authority(t).PublicKey()
	other, err := ssh.ParsePublicKey(newHolderKey(t))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		var serials []uint64
		for range rapid.IntRange(0, 12).Draw(t, "clusters") {
			at := rapid.Uint64Range(1, math.MaxUint64-10_000).Draw(t, "at")
			for range rapid.IntRange(1, 80).Draw(t, "size") {
				serials = append(serials, at)
				at += rapid.Uint64Range(1, 60).Draw(t, "gap")
			}
		}
		k, err := sshca.ParseKRL(listOf(ca, serials...).Encode())
		if err != nil {
			t.Fatal(err)
		}
		unique := slices.Compact(slices.Sorted(slices.Values(serials)))
		if k.Count() != uint64(len(unique)) {
			t.Fatalf("%d serials became %d", len(unique), k.Count())
		}
		for _, s := range unique {
			if !k.Revoked(s) || !k.RevokedBy(ca, s) || k.RevokedBy(other, s) {
				t.Fatalf("serial %d: %v %v %v", s, k.Revoked(s), k.RevokedBy(ca, s), k.RevokedBy(other, s))
			}
			for _, near := range []uint64{s - 1, s + 1} {
				if _, listed := slices.BinarySearch(unique, near); k.Revoked(near) != listed {
					t.Fatalf("serial %d next to %d: revoked %v, listed %v", near, s, k.Revoked(near), listed)
				}
			}
		}
	})
}

func newHolderKey(t testing.TB) []byte {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(newHolder(t).line))
	if err != nil {
		t.Fatal(err)
	}
	return key.Marshal()
}

// OpenSSH reads what we write, and we read what OpenSSH writes: lists, ranges and bitmaps.
func TestKRLAgreesWithOpenSSH(t *testing.T) {
	t.Parallel()
	keygen := findProgram(t, "ssh-keygen")
	dir := t.TempDir()
	r := newRig(t, nil)
	sets := map[string][]uint64{
		"empty":   nil,
		"listed":  {5, 1 << 40, 1<<63 - 1, 1 << 63, math.MaxUint64},
		"range":   {10, 11, 12, 13, 14, 15, 900_000},
		"bitmap":  everySecond(1000, 200),
		"top bit": append(everySecond(7, 64), 7+2*64),
		"mixed":   append(append(everySecond(50_000, 40), 70_000, 70_001, 70_002, 70_003, 70_004), 1<<50),
	}
	for name, serials := range sets {
		t.Run(name, func(t *testing.T) {
			ours := filepath.Join(dir, name+".krl")
			write(t, ours, listOf(r.PublicKey(), serials...).Encode())
			theirs := keygenKRL(t, keygen, dir, name, r, serials)
			parsed, err := sshca.ParseKRL(theirs)
			if err != nil {
				t.Fatalf("reading OpenSSH's list: %v", err)
			}
			for _, s := range probes(serials) {
				want := slices.Contains(serials, s)
				if got := keygenRevoked(t, keygen, ours, dir, r, s); got != want {
					t.Errorf("ssh-keygen says %v of serial %d in our list, want %v", got, s, want)
				}
				if got := parsed.Revoked(s); got != want {
					t.Errorf("we say %v of serial %d in OpenSSH's list, want %v", got, s, want)
				}
			}
		})
	}
}

func everySecond(from uint64, n int) (out []uint64) {
	for i := range n {
		out = append(out, from+2*uint64(i))
	}
	return out
}

func probes(serials []uint64) []uint64 {
	out := []uint64{1, 999, 123_456_789}
	for i, s := range serials {
		if i < 4 || i >= len(serials)-4 {
			out = append(out, s, s+1)
		}
	}
	return slices.DeleteFunc(out, func(s uint64) bool { return s == 0 })
}

// keygenRevoked asks ssh-keygen -Q about a certificate with the serial.
func keygenRevoked(t *testing.T, keygen, krl, dir string, r *rig, serial uint64) bool {
	t.Helper()
	h := newHolder(t)
	key, _, _, _, _ := ssh.ParseAuthorizedKey([]byte(h.line))
	signer, err := ssh.NewSignerFromKey(ed25519Seed(seed))
	if err != nil {
		t.Fatal(err)
	}
	cert := &ssh.Certificate{Key: key, Serial: serial, CertType: ssh.UserCert, KeyId: "x", ValidPrincipals: []string{"x"}, ValidBefore: math.MaxUint64}
	if err := cert.SignCert(bytes.NewReader(make([]byte, 32)), signer); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%d-cert.pub", serial))
	write(t, path, ssh.MarshalAuthorizedKey(cert))
	if out, err := exec.Command(keygen, "-Q", "-l", "-f", krl).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen cannot read our list: %v\n%s", err, out)
	}
	out, err := exec.Command(keygen, "-Q", "-f", krl, path).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "REVOKED") {
		t.Fatalf("ssh-keygen -Q: %v\n%s", err, out)
	}
	return err != nil
}

func keygenKRL(t *testing.T, keygen, dir, name string, r *rig, serials []uint64) []byte {
	t.Helper()
	ca, spec, out := filepath.Join(dir, name+".ca"), filepath.Join(dir, name+".spec"), filepath.Join(dir, name+".theirs")
	write(t, ca, ssh.MarshalAuthorizedKey(r.PublicKey()))
	var lines strings.Builder
	for _, s := range serials {
		fmt.Fprintf(&lines, "serial: %d\n", s)
	}
	write(t, spec, []byte(lines.String()))
	if text, err := exec.Command(keygen, "-k", "-f", out, "-s", ca, spec).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen -k: %v\n%s", err, text)
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is not understood whole is refused whole.
func TestParseKRLRefuses(t *testing.T) {
	t.Parallel()
	ca := authority(t).PublicKey()
	good := listOf(ca, 5, 6, 7, 8, 9, 1000).Encode()
	for n := range len(good) {
		// The header alone is an empty list; every other cut is noticed.
		if k, err := sshca.ParseKRL(good[:n]); err == nil && n != headerLength(good) {
			t.Errorf("cut after %d of %d bytes: taken for a list of %d", n, len(good), k.Count())
		}
	}
	cases := map[string][]byte{
		"empty":          {},
		"text":           []byte("# ssh-ed25519 AAAA\n"),
		"other format":   flip(good, 11, 2),
		"flags":          flip(good, 35, 1),
		"unknown":        append(slices.Clone(good), 9, 0, 0, 0, 0),
		"explicit key":   append(slices.Clone(good), 2, 0, 0, 0, 0),
		"signature":      append(slices.Clone(good), 4, 0, 0, 0, 0),
		"by key id":      certSection(ca, 0x23, append([]byte{0, 0, 0, 1}, 'x')),
		"odd list":       certSection(ca, 0x20, make([]byte, 12)),
		"serial zero":    certSection(ca, 0x20, make([]byte, 8)),
		"backward range": certSection(ca, 0x21, append(uint64Bytes(9), uint64Bytes(3)...)),
		"long range":     certSection(ca, 0x21, append(append(uint64Bytes(3), uint64Bytes(9)...), 0)),
		"negative bits":  certSection(ca, 0x22, append(uint64Bytes(9), 0, 0, 0, 1, 0x80)),
		"bits past end":  certSection(ca, 0x22, append(uint64Bytes(math.MaxUint64), 0, 0, 0, 1, 0x02)),
	}
	for name, raw := range cases {
		if k, err := sshca.ParseKRL(raw); err == nil {
			t.Errorf("%s: taken for a list of %d", name, k.Count())
		}
	}
}

func headerLength(krl []byte) int { return 8 + 4 + 8 + 8 + 8 + 4 + 4 + len("a comment") }

func flip(krl []byte, at int, value byte) []byte {
	c := slices.Clone(krl)
	c[at] = value
	return c
}

func uint64Bytes(v uint64) []byte {
	raw, _ := hex.DecodeString(fmt.Sprintf("%016x", v))
	return raw
}

func certSection(ca ssh.PublicKey, kind byte, body []byte) []byte {
	str := func(b []byte) []byte { return append(uint64Bytes(uint64(len(b)))[4:], b...) }
	section := append(append(str(ca.Marshal()), str(nil)...), append([]byte{kind}, str(body)...)...)
	return append(append(sshca.List{}.Encode(), 1), str(section)...)
}

func FuzzParseKRL(f *testing.F) {
	ca := authority(f).PublicKey()
	f.Add(listOf(ca, 5, 6, 7, 8, 9, 1000).Encode())
	f.Add(listOf(ca, everySecond(1000, 100)...).Encode())
	f.Add(certSection(ca, 0x21, append(uint64Bytes(3), uint64Bytes(math.MaxUint64)...)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, err := sshca.ParseKRL(raw)
		if err != nil {
			return
		}
		if k.Revoked(0) {
			t.Fatal("serial zero is revoked")
		}
		k.Revoked(math.MaxUint64)
		k.RevokedBy(ca, 7)
		k.Count()
	})
}

func BenchmarkKRL10000(b *testing.B) {
	ca := authority(b).PublicKey()
	var serials []uint64
	for i := range 10_000 {
		serials = append(serials, sshca.Serial(workflows.GrantID(number(i))))
	}
	list := listOf(ca, serials...)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			list.Encode()
		}
	})
	raw := list.Encode()
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			if _, err := sshca.ParseKRL(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}
