package seal_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/seal"
)

func box(t rapid.TB) seal.Box {
	b, err := seal.NewBox(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What was sealed opens for the same row with the same key, and after no change of a bit, of the row or of the key.
func TestReq_R16_SealedAtRest(t *testing.T) {
	t.Parallel()
	other, err := seal.NewBox(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		clear := rapid.SliceOf(rapid.Byte()).Draw(t, "clear")
		row := rapid.String().Draw(t, "row")
		sealed := box(t).Seal(row, clear)
		got, err := box(t).Open(row, sealed)
		if err != nil || !bytes.Equal(got, clear) {
			t.Fatalf("%v", err)
		}
		if len(clear) > 8 && bytes.Contains(sealed, clear) {
			t.Fatal("the clear text stands in the sealed one")
		}
		if _, err := box(t).Open(row+"x", sealed); err == nil {
			t.Fatal("it opens in another row")
		}
		if _, err := other.Open(row, sealed); err == nil {
			t.Fatal("it opens with another key")
		}
		i := rapid.IntRange(0, len(sealed)*8-1).Draw(t, "bit")
		sealed[i/8] ^= 1 << (i % 8)
		if _, err := box(t).Open(row, sealed); err == nil {
			t.Fatal("it opens after a bit was flipped")
		}
		if _, err := box(t).Open(row, sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "cut")]); err == nil {
			t.Fatal("it opens cut short")
		}
	})
	if _, err := seal.NewBox(make([]byte, 16)); err == nil {
		t.Error("a key of 16 bytes was taken")
	}
}

func handover() runbooks.Handover {
	return runbooks.Handover{Title: "Login on Orders", Parts: []runbooks.Part{
		{Name: "Login", Value: runbooks.NewSecret("cs_1"), Public: true},
		{Name: "Password", Value: runbooks.NewSecret("correct-horse-battery")},
		{Name: "Key", Value: runbooks.NewSecret("line 1\nline 2\n"), File: "k.pem"},
	}}
}

// A handover that is sealed to a person's age, Ed25519 or RSA key opens with its private half and with no other.
func TestReq_R26_SealedToTheRequestersKey(t *testing.T) {
	t.Parallel()
	mine, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ed, err := agessh.NewEd25519Identity(edKey)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := agessh.NewRSAIdentity(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	line := func(k any) string {
		pub, err := ssh.NewPublicKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))) + " ann@laptop"
	}
	all := map[string]age.Identity{mine.Recipient().String(): mine, line(edKey.Public()): ed, line(rsaKey.Public()): rs}
	for text := range all {
		k, err := seal.ParseKey(" " + text + "\n")
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := seal.SealTo(k, handover())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(sealed, "horse") || !strings.HasPrefix(sealed, "-----BEGIN AGE ENCRYPTED FILE-----") {
			t.Errorf("%s: not sealed: %s", k.Medium, sealed)
		}
		for other, opener := range all {
			r, err := age.Decrypt(armor.NewReader(strings.NewReader(sealed)), opener)
			if (err == nil) != (other == text) {
				t.Errorf("%s opened with the key of another: %v", k.Medium, err)
			}
			if err != nil {
				continue
			}
			var b bytes.Buffer
			if _, err := b.ReadFrom(r); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff("Login on Orders\nLogin: cs_1\nPassword: correct-horse-battery\nKey:\nline 1\nline 2\n", b.String()); d != "" {
				t.Error(d)
			}
		}
		if again, err := seal.ParseKey(k.Text); err != nil || again.Fingerprint != k.Fingerprint || !strings.HasPrefix(k.Fingerprint, "SHA256:") {
			t.Errorf("the kept key %q: %v", k.Text, err)
		}
	}
}

// What is no public key is refused with what to do; a private key is named as what it is.
func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                    "neither",
		"age1qqqq":                            "not an age key",
		id.String():                           "private key",
		"-----BEGIN OPENSSH PRIVATE KEY-----": "private key",
		"ssh-ed25519 AAAA":                    "neither",
		ecdsaLine(t):                          "kind ecdsa-sha2-nistp256",
		id.Recipient().String() + "\nmore":    "one line",
		"command=\"x\" " + "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA8d": "neither",
		strings.Repeat("a", 9<<10):                                    "8 KB",
	} {
		if _, err := seal.ParseKey(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// ecdsaLine is a key that age cannot seal to.
func ecdsaLine(t *testing.T) string {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub)))
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	a, b := seal.Fingerprint([]byte("k"), "hunter2"), seal.Fingerprint([]byte("other"), "hunter2")
	if a == b || a != seal.Fingerprint([]byte("k"), " hunter2\n") || len(a) != len("hmac256:")+32 {
		t.Errorf("%s %s", a, b)
	}
	got := seal.Fingerprints([]byte("k"), handover())
	if len(got) != 2 || got["Login"] != "" || got["Password"] == got["Key"] {
		t.Errorf("%v", got)
	}
}
