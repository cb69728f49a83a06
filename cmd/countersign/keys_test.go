package main

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// withKeys gives the office the keys of its data folder, as serve has them.
func (o *office) withKeys() *office {
	o.t.Helper()
	o.cfg = Config{Data: o.data, LedgerOrigin: fixtureOrigin}
	var err error
	o.keys, err = openKeys(o.cfg.keysDir())
	o.check(err)
	return o
}

// again closes the ledger and opens it as the next start does.
func (o *office) again() {
	o.t.Helper()
	o.check(o.store.Close())
	key, err := o.keys.ledger(fixtureOrigin)
	o.check(err)
	st, failed, err := openHealthy(o.t.Context(), o.cfg, jobs.NewSystem(), key, o.log)
	if failed || err != nil {
		o.t.Fatal(failed, err)
	}
	o.t.Cleanup(func() { st.Close() })
	o.store = st
	o.check(o.keys.settle(st.VKey()))
	o.load()
}

func (o *office) keyOf(name string) string {
	o.t.Helper()
	b, err := os.ReadFile(filepath.Join(o.cfg.keysDir(), name))
	if os.IsNotExist(err) {
		return ""
	}
	o.check(err)
	return string(b)
}

// TestRotateLedgerKey holds that two owners change the key while the bot runs, that everything still verifies for those who know the old key and
// for those who know the new one, and that the next start goes on.
func TestRotateLedgerKey(t *testing.T) {
	o := newOffice(t).withKeys()
	before, file := o.store.VKey(), o.keyOf(keyLedger)
	c, _, err := o.store.Publish(t.Context())
	o.check(err)
	propose := order{Do: doRekey, What: keyLedger, Reason: "The yearly change.", Cause: "00112233"}
	o.refused("maya", propose, workflows.CodeNotEligible)
	propose.Cause = ""
	r := o.taken("frida", propose)
	o.refused("frida", order{Do: doConfirm, ID: r.ID}, workflows.CodeSelfApproval)
	o.refused("jonas", order{Do: doConfirm, ID: r.ID}, workflows.CodeNotEligible)
	if o.keyOf(keyLedger) != file || o.keyOf(keyLedger+suffixNext) != "" {
		t.Error("a refused confirmation left a key behind")
	}
	done := o.taken("sofia", order{Do: doConfirm, ID: r.ID})
	after := o.store.VKey()
	if after == before || !strings.Contains(strings.Join(done.Lines, "\n"), after) {
		t.Errorf("%s after %s: %q", after, before, done.Lines)
	}
	if o.keyOf(keyLedger+suffixPrevious) != file || o.keyOf(keyLedger+suffixNext) != "" || !strings.Contains(o.keyOf(keyLedger), after) {
		t.Error("the files are not those of the change")
	}
	o.refused("sofia", order{Do: doConfirm, ID: r.ID}, workflows.CodeDecided)

	o.again()
	head, err := o.store.Head(t.Context())
	o.check(err)
	for _, vkey := range []string{before, after} {
		keys, err := ledger.Verifiers(vkey)
		o.check(err)
		if _, err := ledger.OpenCheckpoint(head.Note, fixtureOrigin, keys); err != nil {
			t.Errorf("the head is not signed by %s: %v", vkey, err)
		}
	}
	kept := filepath.Join(t.TempDir(), "kept")
	o.check(os.WriteFile(kept, c.Note, 0o600))
	if out, errs, code := runHere(t, nil, "ledger", "verify", "-data", o.data, "-anchor", kept); code != exitDone {
		t.Errorf("verify with a head of before: %d %s%s", code, out, errs)
	}
	bundle := filepath.Join(t.TempDir(), "b.zip")
	if out, errs, code := runHere(t, nil, "ledger", "export", "-out", bundle, "-data", o.data); code != exitDone {
		t.Fatalf("export: %d %s%s", code, out, errs)
	}
	for _, vkey := range []string{before, after} {
		if out, errs, code := runHere(t, nil, "ledger", "verify", bundle, "-vkey", vkey); code != exitDone {
			t.Errorf("the bundle, known by %s: %d %s%s", vkey, code, out, errs)
		}
	}

	o.check(os.Remove(filepath.Join(o.cfg.keysDir(), keyLedger+suffixPrevious)))
	o.again()
	head, err = o.store.Head(t.Context())
	o.check(err)
	old, err := ledger.Verifiers(before)
	o.check(err)
	if _, err := ledger.OpenCheckpoint(head.Note, fixtureOrigin, old); err == nil {
		t.Error("the old key signs although its file was removed")
	}
	o.verify()
}

// TestFault_F39_ACrashInAChangeOfKeys stops at every point between the record and the files: the next start always goes on with the right key.
func TestFault_F39_ACrashInAChangeOfKeys(t *testing.T) {
	for name, crash := range map[string]func(o *office, old, next string){
		"before the files move": func(o *office, old, next string) {
			o.check(os.WriteFile(filepath.Join(o.cfg.keysDir(), keyLedger+suffixNext), []byte(next), 0o600))
			o.check(os.WriteFile(filepath.Join(o.cfg.keysDir(), keyLedger), []byte(old), 0o600))
			o.check(os.Remove(filepath.Join(o.cfg.keysDir(), keyLedger+suffixPrevious)))
		},
		"between the two": func(o *office, old, next string) {
			o.check(os.WriteFile(filepath.Join(o.cfg.keysDir(), keyLedger+suffixNext), []byte(next), 0o600))
			o.check(os.WriteFile(filepath.Join(o.cfg.keysDir(), keyLedger), []byte(old), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t).withKeys()
			old := o.keyOf(keyLedger)
			r := o.taken("frida", order{Do: doRekey, What: keyLedger, Reason: "Stolen."})
			o.taken("sofia", order{Do: doConfirm, ID: r.ID})
			vkey, next := o.store.VKey(), o.keyOf(keyLedger)
			crash(o, old, next)
			o.again()
			if o.store.VKey() != vkey || o.keyOf(keyLedger) != next || o.keyOf(keyLedger+suffixPrevious) != old {
				t.Errorf("signed by %s, want %s", o.store.VKey(), vkey)
			}
			o.again()
			o.verify()
		})
	}
	t.Run("before the record", func(t *testing.T) {
		o := newOffice(t).withKeys()
		vkey := o.store.VKey()
		stray, err := ledger.GenerateKey(strings.NewReader(strings.Repeat("x", 32)), fixtureOrigin)
		o.check(err)
		o.check(os.WriteFile(filepath.Join(o.cfg.keysDir(), keyLedger+suffixNext), stray.KeyFile(), 0o600))
		o.again()
		if o.store.VKey() != vkey {
			t.Errorf("a key that nobody confirmed signs: %s", o.store.VKey())
		}
	})
	t.Run("the old key put back", func(t *testing.T) {
		o := newOffice(t).withKeys()
		old := o.keyOf(keyLedger)
		r := o.taken("frida", order{Do: doRekey, What: keyLedger, Reason: "Stolen."})
		o.taken("sofia", order{Do: doConfirm, ID: r.ID})
		o.check(o.store.Close())
		o.check(os.WriteFile(filepath.Join(o.cfg.keysDir(), keyLedger), []byte(old), 0o600))
		o.check(os.Remove(filepath.Join(o.cfg.keysDir(), keyLedger+suffixPrevious)))
		key, err := o.keys.ledger(fixtureOrigin)
		o.check(err)
		if _, failed, err := openHealthy(t.Context(), o.cfg, jobs.NewSystem(), key, o.log); !failed || err == nil {
			t.Errorf("%v, %v", failed, err)
		}
	})
}

// TestRotateOtherKeys holds that the other keys wait for a start.
func TestRotateOtherKeys(t *testing.T) {
	for _, name := range []string{keyButtons, keySSHCA, keyX509, keySealing, keyFingerprint, keyFindings} {
		o := newOffice(t).withKeys()
		if _, err := o.keys.seed(keyButtons); err != nil {
			t.Fatal(err)
		}
		o.keys.made = []string{"the bot is new"}
		old, err := o.keys.seed(name)
		o.check(err)
		r := o.taken("frida", order{Do: doRekey, What: name, Reason: "The yearly change."})
		done := o.taken("sofia", order{Do: doConfirm, ID: r.ID})
		if name == keySSHCA && !strings.Contains(strings.Join(done.Lines, "\n"), "ssh-ed25519 AAAA") {
			t.Errorf("hosts cannot learn the new key: %q", done.Lines)
		}
		if now, err := o.keys.seed(name); err != nil || string(now) != string(old) {
			t.Errorf("%s changed while the bot runs, %v", name, err)
		}
		o.check(o.promoteKeys(t.Context(), nil))
		now, err := o.keys.seed(name)
		if err != nil || string(now) == string(old) {
			t.Errorf("%s did not change at the start, %v", name, err)
		}
		before, _, err := keyName(name, old)
		o.check(err)
		after, _, err := keyName(name, now)
		o.check(err)
		var got []store.KeyReplaced
		head, err := o.store.Head(t.Context())
		o.check(err)
		records, err := o.store.Entries(t.Context(), 0, head.Size)
		o.check(err)
		for _, x := range records {
			if e, ok := x.Event.(store.KeyReplaced); ok {
				got = append(got, e)
			}
		}
		if len(got) != 1 || got[0].Key != name || got[0].Before != before || got[0].After != after || got[0].ProposedBy == got[0].ConfirmedBy {
			t.Errorf("recorded: %+v", got)
		}
		o.check(o.store.Close())
		o.verify()
	}
}

// TestOldFingerprintsAreRecognised: what a key of fingerprints named is found by whoever looks after the key was replaced, twice; a line that is
// taken out of the file of old ones is not tried any more.
func TestOldFingerprintsAreRecognised(t *testing.T) {
	o := newOffice(t).withKeys()
	_, err := o.keys.lateSeed(keyFingerprint, false)
	o.check(err)
	names := []string{o.keyedPrint("hunter2")}
	for range 2 {
		r := o.taken("frida", order{Do: doRekey, What: keyFingerprint, Reason: "The yearly change."})
		o.taken("sofia", order{Do: doConfirm, ID: r.ID})
		o.check(o.promoteKeys(t.Context(), nil))
		names = append([]string{o.keyedPrint("hunter2")}, names...)
	}
	if got := o.keyedPrints("hunter2"); !slices.Equal(got, names) || names[0] == names[1] || names[1] == names[2] {
		t.Errorf("it is known as %q, was named %q", got, names)
	}
	keys := whose{o.serving}.Keys("hunter2")
	for _, n := range names {
		if !slices.Contains(keys, identities.PrintKey(n)) {
			t.Errorf("a leak is not compared with %s: %q", n, keys)
		}
	}
	o.check(o.keys.retain(keyFingerprint)) // a crash between keeping and replacing
	if got := o.keyedPrints("hunter2"); len(got) != 4 || got[1] != names[0] {
		t.Errorf("after a crash: %q", got)
	}
	path := filepath.Join(o.cfg.keysDir(), keyFingerprint+suffixPrevious)
	mustSay(t, os.WriteFile(path, []byte("nonsense\n"), 0o600))
	if _, err := o.keys.retained(keyFingerprint); err == nil || !strings.Contains(err.Error(), ":1 is not 32 bytes") {
		t.Errorf("a broken line: %v", err)
	}
	mustSay(t, os.Remove(path))
	if got := o.keyedPrints("hunter2"); !slices.Equal(got, names[:1]) {
		t.Errorf("without the old ones: %q", got)
	}
}

// TestAKeyThatIsNotThere: a key that nothing has needed is not replaced, and says so.
func TestAKeyThatIsNotThere(t *testing.T) {
	o := newOffice(t).withKeys()
	r := o.taken("frida", order{Do: doRekey, What: keyX509, Reason: "The yearly change."})
	o.refused("sofia", order{Do: doConfirm, ID: r.ID}, workflows.CodeBadField)
}

// TestRekeyIsForAnHour refuses a late confirmation.
func TestRekeyIsForAnHour(t *testing.T) {
	o := newOffice(t).withKeys()
	r := o.taken("frida", order{Do: doRekey, What: keyLedger, Reason: "The yearly change."})
	if !strings.Contains(r.Status, time.Now().UTC().Add(time.Hour).Format("2006-01-02 15")) {
		t.Errorf("%q is not an hour from now", r.Status)
	}
}

// TestKeyFromTheEnvironment opens a ledger whose key is nowhere on the disk.
func TestKeyFromTheEnvironment(t *testing.T) {
	o := newOffice(t).withKeys()
	file := o.keyOf(keyLedger)
	o.check(o.store.Close())
	o.check(os.Remove(filepath.Join(o.cfg.keysDir(), keyLedger)))
	if _, err := o.keys.ledger(fixtureOrigin); err == nil {
		t.Error("a new key was made for a ledger that exists")
	}
	o.keys.given, o.cfg.LedgerKey = file, file
	o.again()
	r := o.taken("frida", order{Do: doRekey, What: keyLedger, Reason: "The yearly change."})
	o.refused("sofia", order{Do: doConfirm, ID: r.ID}, workflows.CodeBadField)
	env := []string{prefix + "_LEDGER_KEY=" + strings.TrimSpace(file)}
	o.check(o.store.Close())
	if out, errs, code := runHere(t, env, "ledger", "verify", "-data", o.data); code != exitDone || !strings.Contains(out, "pinned by you") {
		t.Errorf("%d %s%s", code, out, errs)
	}
	o.keys.given = strings.ReplaceAll(file, fixtureOrigin, "example.com/another/ledger")
	if _, err := o.keys.ledger(fixtureOrigin); err == nil {
		t.Error("the key of another ledger was taken")
	}
}

// A first target of kind sshca on a ledger of years gets its authority's key; one that signed certificates is never made anew.
func TestFirstSSHTargetOnAnOldLedger(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	mustSay(t, os.WriteFile(filepath.Join(data, "countersign.db"), []byte("an old ledger"), 0o600))
	mustSay(t, os.Mkdir(filepath.Join(data, "keys"), 0o700))
	first := func() (runbooks.Connector, error) {
		keys := &keyring{dir: filepath.Join(data, "keys")}
		return openSSHCA(opening{cfg: Config{Data: data}, keys: keys, clock: jobs.NewSystem(), all: &connectors{}})
	}
	con, err := first()
	mustSay(t, err)
	public, _, err := ed25519.GenerateKey(nil)
	mustSay(t, err)
	key, err := ssh.NewPublicKey(public)
	mustSay(t, err)
	now := time.Now()
	_, err = con.Grant(t.Context(), runbooks.Grant{
		ID: "g_1", Holder: "ann", Params: map[string][]string{"principals": {"deploy"}}, Fields: map[string]string{"key": string(ssh.MarshalAuthorizedKey(key))},
		Start: now, End: now.Add(time.Hour),
	})
	mustSay(t, err)
	mustSay(t, con.(*sshca.Connector).Close())
	mustSay(t, os.Remove(filepath.Join(data, "keys", keySSHCA)))
	if con, err := first(); err == nil || !strings.Contains(err.Error(), "missing although the ledger exists") {
		t.Errorf("an authority that signed was made anew: %v, %v", con, err)
	}
}
