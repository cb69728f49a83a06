package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/ledger/bundle"
	"github.com/countersign-bot/countersign/workflows"
)

// evidenceWorld lets people get access through the whole product and ends the bot in order. It gives the public key of the ledger as
// an organisation would hand it to its auditors.
func evidenceWorld(t *testing.T, reason ...string) (w *world, vkey string) {
	t.Helper()
	w = newWorld(t, worldOptions{})
	w.start()
	w.grant("maya", "1h", strings.Join(append(reason, "The shop answers 502 since noon."), " "))
	w.stopBot()
	b, err := os.ReadFile(filepath.Join(w.data(), "keys", keyLedger))
	w.check(err)
	key, err := ledger.ParseKeyFile(b)
	w.check(err)
	return w, key.VKey()
}

func (w *world) export(args ...string) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "evidence.zip")
	if out, code := w.run(append([]string{"ledger", "export", "-out", path}, args...)...); code != exitDone {
		w.t.Fatalf("export: exit %d, %s", code, out)
	}
	return path
}

// TestReq_R36_OneFileVerifiesWithoutTheBot exports, takes the data folder away, and verifies where no setting of the bot is known: entries,
// policies, approvals and signatures are all inside, and every decision is taken again by the engine.
func TestReq_R36_OneFileVerifiesWithoutTheBot(t *testing.T) {
	t.Parallel()
	w, vkey := evidenceWorld(t)
	open, closed := w.export("-open", "all"), w.export()
	if err := os.RemoveAll(w.data()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{open, closed} {
		out, errs, code := runHere(t, nil, "ledger", "verify", path, "-vkey", vkey)
		if code != exitDone || !strings.Contains(out, "is intact") || !strings.Contains(out, "pinned by you") || !strings.Contains(out, "1 of them requests, through the engine") {
			t.Errorf("verify: exit %d, %s%s", code, out, errs)
		}
	}
	people, err := openBundle(t, open).People()
	if err != nil {
		t.Fatal(err)
	}
	maya := ""
	for _, name := range people {
		if strings.HasPrefix(name, "Maya") {
			maya = name
		}
	}
	out, errs, code := runHere(t, nil, "ledger", "history", "-bundle", open, maya)
	if code != exitDone || !strings.Contains(out, maya+" asked for") || !strings.Contains(out, "The shop answers 502 since noon") {
		t.Errorf("history of %q out of the bundle: exit %d, %s%s", maya, code, out, errs)
	}
	b := openBundle(t, closed)
	if docs := b.Documents(); len(docs) == 0 {
		t.Error("the documents that decisions were made by are not in the bundle")
	}
	if out, _, code := runHere(t, nil, "ledger", "search", "-bundle", closed, "answers 502 since"); code == exitDone {
		t.Errorf("a text that was not disclosed is in the bundle: %s", out)
	}
	if exe, err := exec.LookPath("python3"); err != nil {
		t.Logf("python3 is not here: the second verifier was not asked (%v)", err)
	} else if out, err := exec.Command(exe, "-X", "utf8", filepath.Join("..", "..", "testdata", "verify", "verify.py"), open, vkey).CombinedOutput(); err != nil {
		t.Errorf("the Python verifier says %s", out)
	}
	forged, _, code := runHere(t, nil, "ledger", "verify", open, "-vkey", strangersKey(t))
	if code != exitLedger || !strings.Contains(forged, "None of the keys you pinned") {
		t.Errorf("with another key: exit %d, %s", code, forged)
	}
}

func openBundle(t *testing.T, path string) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func strangersKey(t *testing.T) string {
	t.Helper()
	k, err := ledger.GenerateKey(strings.NewReader(strings.Repeat("stranger", 4)), demoOrigin)
	if err != nil {
		t.Fatal(err)
	}
	return k.VKey()
}

// TestReq_R110_TheManifestSaysWhatWasAsked holds the sheet of an export: query, number of rows, sum of each file, time, program. Rows are
// complete because the head signs their number.
func TestReq_R110_TheManifestSaysWhatWasAsked(t *testing.T) {
	t.Parallel()
	w, _ := evidenceWorld(t)
	b := openBundle(t, w.export("-time", "2026-11-22T01:02:03Z", "-open", "all"))
	m, err := b.Manifest()
	w.check(err)
	head, err := b.Head(t.Context())
	w.check(err)
	if n := len(w.records()); m.Rows != int64(n) || head.Size != int64(n) {
		t.Errorf("%d rows of %d, head over %d", m.Rows, n, head.Size)
	}
	if m.Generated != "2026-11-22T01:02:03.000000Z" || m.Tool != "countersign "+version() || m.Origin != demoOrigin ||
		m.Root != head.Root.String() || m.Openings == 0 || m.FirstTime == "" || m.LastTime < m.FirstTime ||
		m.Query != "every entry of the ledger up to its signed head; texts disclosed: all" {
		t.Errorf("the manifest is %+v", m)
	}
	problems, err := b.CheckFiles(t.Context())
	if err != nil || len(problems) > 0 || len(m.Files) < 8 {
		t.Errorf("%d files, %v, %v", len(m.Files), problems, err)
	}
}

// TestReq_R99_CustodyIsKeptFromTheHeadOn holds integrity and provenance of exported evidence: an export continues the head that was
// kept before it, refuses to be made from a ledger that lost entries since, and a file that changed on the way is named.
func TestReq_R99_CustodyIsKeptFromTheHeadOn(t *testing.T) {
	t.Parallel()
	w, vkey := evidenceWorld(t)
	kept := filepath.Join(t.TempDir(), "head.txt")
	head, code := w.run("ledger", "head")
	if code != exitDone {
		t.Fatal(head)
	}
	w.check(os.WriteFile(kept, []byte(head), 0o600))
	path := w.export("-from-head", kept)
	if out, _, code := runHere(t, nil, "ledger", "verify", "-vkey", vkey, "-anchor", kept, path); code != exitDone {
		t.Errorf("the export does not continue the head it was made from: %s", out)
	}
	raw, err := os.ReadFile(path)
	w.check(err)
	at := strings.Index(string(raw), "README.txt") + len("README.txt") + 20
	raw[at] ^= 1
	changed := filepath.Join(t.TempDir(), "changed.zip")
	w.check(os.WriteFile(changed, raw, 0o600))
	if out, errs, code := runHere(t, nil, "ledger", "verify", changed); code != exitLedger || !strings.Contains(out+errs, "README.txt") {
		t.Errorf("a changed file: exit %d, %s%s", code, out, errs)
	}
	ahead := strings.Replace(head, "\n", "\n9", 1) // a head over more entries than there are
	w.check(os.WriteFile(kept, []byte(ahead), 0o600))
	lost := filepath.Join(t.TempDir(), "lost.zip")
	if out, code := w.run("ledger", "export", "-out", lost, "-from-head", kept); code != exitLedger || !strings.Contains(out, "rolled back") {
		t.Errorf("exporting a ledger that lost entries: exit %d, %s", code, out)
	}
	if _, err := os.Stat(lost); err == nil {
		t.Error("something was written")
	}
}

// TestThreat_T32_TheStoredPayloadIsTheOneDecidedOn clicks through the whole product, compares the digest in each vote with the raw delivery
// that is kept, and holds that verify finds a delivery that was put in its place.
func TestThreat_T32_TheStoredPayloadIsTheOneDecidedOn(t *testing.T) {
	t.Parallel()
	w, _ := evidenceWorld(t)
	votes := w.entries("vote.recorded")
	if len(votes) == 0 {
		t.Fatal("nobody voted")
	}
	e, err := openEvidence(t.Context(), proc{env: w.child.env, err: os.Stderr}, "", "")
	w.check(err)
	defer e.close()
	for _, v := range votes {
		id, err := inboxID(strings.TrimPrefix(v.Cause, "inbox/"))
		w.check(err)
		in, err := e.store.Received(t.Context(), id)
		w.check(err)
		sum := sha256.Sum256(in.Body)
		vote := v.Event.(workflows.VoteRecorded)
		if hex.EncodeToString(sum[:]) != vote.Payload || vote.Shown == "" || vote.Digest == "" || v.Policy == "" || v.Actor == "" {
			t.Errorf("entry %d does not bind what was clicked: %+v", v.Index, vote)
		}
	}
	var report struct {
		OK     bool     `json:"ok"`
		Replay replayed `json:"replay"`
	}
	out, code := w.run("ledger", "verify", "-json")
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitDone || report.Replay.Payloads != len(votes) {
		t.Errorf("verify compared %d deliveries of %d votes: exit %d, %v", report.Replay.Payloads, len(votes), code, err)
	}
	e.close()
	w.check(damage(t.Context(), w.data(), "payload"))
	if out, code := w.run("ledger", "verify"); code != exitLedger || !strings.Contains(out, "is not the one that was decided on") {
		t.Errorf("a delivery was put in place of another: exit %d, %s", code, out)
	}
}

// TestProofOfARequestFitsAnEMail proves a whole request, sends the proof through a mail program, and checks it with the key alone.
func TestProofOfARequestFitsAnEMail(t *testing.T) {
	t.Parallel()
	w, vkey := evidenceWorld(t)
	id := w.entries("request.approved")[0].Stream.Rest()
	proof, code := w.run("ledger", "prove", id, "-open")
	if code != exitDone || len(proof) > 32<<10 {
		t.Fatalf("exit %d, %d bytes", code, len(proof))
	}
	check := func(text string) (string, int) {
		file := filepath.Join(t.TempDir(), "mail.txt")
		w.check(os.WriteFile(file, []byte(text), 0o600))
		out, errs, code := runHere(t, nil, "ledger", "check-proof", file, "-vkey", vkey)
		return out + errs, code
	}
	quoted := "> " + strings.ReplaceAll(strings.ReplaceAll(proof, "\n", "\r\n> "), "\r\n> \r\n", "\r\n>\r\n")
	for _, text := range []string{proof, quoted} {
		out, code := check(text)
		for _, want := range []string{"Proven: ", " asked for ", " approved stage 1 of request " + id, "was approved by ", "The shop answers 502 since noon", "until ", "under policy sha256:"} {
			if code != exitDone || !strings.Contains(out, want) {
				t.Errorf("exit %d, want %q in %s", code, want, out)
			}
		}
	}
	lines := strings.Split(proof, "\n")
	for i := 0; i < len(lines); i += 1 + len(lines)/60 {
		l := lines[i]
		if len(l) < 60 || strings.Contains(l, " ") {
			continue
		}
		swapped := append([]string{}, lines...)
		flip := byte('A')
		if l[30] == flip {
			flip = 'B'
		}
		swapped[i] = l[:30] + string(flip) + l[31:]
		if out, code := check(strings.Join(swapped, "\n")); code == exitDone && !strings.Contains(swapped[i-1], "NAMES") && !inNames(lines, i) {
			t.Errorf("line %d changed, and still: %s", i, out)
		}
	}
	if out, _, code := runHere(t, nil, "ledger", "check-proof", writeTemp(t, proof), "-vkey", strangersKey(t)); code != exitLedger {
		t.Errorf("with another key: exit %d, %s", code, out)
	}
}

// inNames tells whether a line stands in the block that nothing proves.
func inNames(lines []string, i int) bool {
	for ; i >= 0; i-- {
		if strings.HasPrefix(lines[i], "-----BEGIN ") {
			return strings.Contains(lines[i], blockNames)
		}
	}
	return false
}

func writeTemp(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestThreat_T33_PagesOfABundleRunNothing holds that what people typed is shown on the pages and is never a part of them.
func TestThreat_T33_PagesOfABundleRunNothing(t *testing.T) {
	t.Parallel()
	w, _ := evidenceWorld(t, `<script>alert(1)</script><img src=x onerror=alert(1)>"'{{.}}`)
	dir := filepath.Join(t.TempDir(), "folder")
	if out, code := w.run("ledger", "export", "-out", dir, "-open", "all"); code != exitDone {
		t.Fatal(out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "index.html"))
	w.check(err)
	page := string(b)
	for _, bad := range []string{"<script", "<img", "onerror=alert(1)>", "<link", "javascript:", "http://", "https://"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;alert(1)&lt;/script&gt;", "default-src 'none'", "The shop answers 502 since noon"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
}
