package main

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// TestReq_R109_EveryEntryHasTheAuditFields holds the six fields that rules for audit trails want, over every kind of event there is, and that
// what did not happen is a failure.
func TestReq_R109_EveryEntryHasTheAuditFields(t *testing.T) {
	seen := map[string]string{}
	for _, r := range storyOfEveryKind() {
		a := auditOf(r)
		for name, v := range map[string]string{"user": a.User, "type": a.Type, "time": a.Time, "outcome": a.Outcome, "origin": a.Origin, "affected": a.Affected} {
			if strings.TrimSpace(v) == "" {
				t.Errorf("%s has no %s", r.Event.Kind(), name)
			}
		}
		if !strings.HasSuffix(a.Time, "Z") || a.Type != r.Event.Kind() || r.Person != "" && !strings.Contains(a.User, string(r.Person)) {
			t.Errorf("%s is told as %+v", r.Event.Kind(), a)
		}
		seen[a.Type] = a.Outcome
	}
	for _, kind := range failures {
		if seen[kind] != auditFailure {
			t.Errorf("%s is %q", kind, seen[kind])
		}
	}
	for _, kind := range []string{"vote.recorded", "request.approved", "grant.revoked", "policy.loaded", "genesis"} {
		if seen[kind] != auditSuccess {
			t.Errorf("%s is %q", kind, seen[kind])
		}
	}
}

// sampled draws from a ledger and gives the rows and the sheet.
func sampled(t *testing.T, args ...string) (rows [][]string, sheet sampleSheet) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sample.csv")
	out, errs, code := runHere(t, nil, append([]string{"ledger", "sample", "-out", file}, args...)...)
	if code != exitDone {
		t.Fatalf("sample %q: exit %d, %s%s", args, code, out, errs)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err = csv.NewReader(strings.NewReader(string(raw))).ReadAll(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file + ".sheet.json")
	if err == nil {
		err = json.Unmarshal(text, &sheet)
	}
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != sheet.SHA256 || len(rows) != sheet.Rows+1 {
		t.Errorf("the sheet is about another file: %+v", sheet)
	}
	return rows[1:], sheet
}

// TestReq_R110_PopulationsAndSamples takes whole populations and samples out of a ledger: complete, with the query, the number of rows, sums,
// time and tool on the sheet; a seed draws the same rows again, another seed others, and every entry has its chance.
func TestReq_R110_PopulationsAndSamples(t *testing.T) {
	t.Parallel()
	data := playedDemo(t)
	all, sheet := sampled(t, "-data", data, "-of", "notice.delivered", "-n", "all")
	want := 0
	e, err := openEvidence(t.Context(), proc{err: os.Stderr}, data, "")
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	size, err := e.size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	if err := e.rows(t.Context(), 0, size, func(r *row) error {
		if r.Event.Kind() == "notice.delivered" {
			want++
			h := sha256.Sum256(append([]byte{0}, r.leaf...))
			sum.Write(h[:])
			if all[want-1][0] != itoa(int(r.Index)) || all[want-1][9] != hex.EncodeToString(h[:]) {
				return fmt.Errorf("row %d is %q, the entry %d", want, all[want-1], r.Index)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(all) != want || want < 15 || sheet.Population != want || !sheet.Complete || sheet.Entries != size || sheet.Seed != "" ||
		sheet.Query != "entries of type notice.delivered" || sheet.Tool != "countersign "+version() || sheet.Generated == "" || sheet.Root == "" ||
		sheet.PopSHA256 != hex.EncodeToString(sum.Sum(nil)) {
		t.Errorf("%d rows of %d, sheet %+v", len(all), want, sheet)
	}
	entriesOf := func(rows [][]string) (out []string) {
		for _, r := range rows {
			out = append(out, r[0])
		}
		return out
	}
	drawnOnce := map[string]bool{}
	first, _ := sampled(t, "-data", data, "-of", "notice.delivered", "-n", "5", "-seed", "0")
	for seed := range 40 {
		rows, sheet := sampled(t, "-data", data, "-of", "notice.delivered", "-n", "5", "-seed", itoa(seed))
		again, _ := sampled(t, "-data", data, "-of", "notice.delivered", "-n", "5", "-seed", itoa(seed))
		if len(rows) != 5 || !slices.Equal(entriesOf(rows), entriesOf(again)) || sheet.Complete || sheet.Seed != itoa(seed) || sheet.Population != want {
			t.Fatalf("seed %d draws %q, then %q, sheet %+v", seed, entriesOf(rows), entriesOf(again), sheet)
		}
		if seed == 1 && slices.Equal(entriesOf(rows), entriesOf(first)) {
			t.Error("two seeds draw the same")
		}
		for _, r := range rows {
			drawnOnce[r[0]] = true
		}
	}
	if len(drawnOnce) < want*9/10 {
		t.Errorf("40 samples of 5 drew %d of %d entries", len(drawnOnce), want)
	}
}

// TestReq_R35_TheCardOfACredential reads the card of an entitlement out of the demo's ledger: owner and attestation, purpose and ticket, rotation,
// measured revocation, and who approved it with a proof that holds; what is missing is a finding.
func TestReq_R35_TheCardOfACredential(t *testing.T) {
	t.Parallel()
	data := playedDemo(t)
	var c evidenceCard
	out, errs, code := runHere(t, nil, "ledger", "card", "bastion/deploy", "-data", data, "-json")
	if err := json.Unmarshal([]byte(out), &c); err != nil || code != exitDone {
		t.Fatalf("exit %d, %v, %s%s", code, err, out, errs)
	}
	if c.Owner != "Jonas Weber" || c.ReviewDate == "" || c.Purpose == "" || !slices.Equal(c.Tickets, []string{"OPS-4711"}) || c.Rotation == "" || c.Longest != "4h" ||
		c.Issued != 1 || c.Open != 0 || c.Revoked != 1 || c.Last == nil || len(c.Approvals) != 1 {
		t.Errorf("the card is %+v", c)
	}
	g := c.Approvals[0]
	if !slices.Equal(g.Approvers, []string{"Jonas Weber", "Priya Nair"}) || len(g.Votes) != 2 || g.Holder != "Maya Chen" {
		t.Errorf("the approval is %+v", g)
	}
	words := strings.Fields(g.Prove)
	proof, errs, code := runHere(t, nil, append(append([]string{}, words[1:]...), "-data", data)...)
	if code != exitDone {
		t.Fatalf("%s: exit %d, %s", g.Prove, code, errs)
	}
	told, errs, code := runHere(t, nil, "ledger", "check-proof", writeTemp(t, proof))
	for _, v := range g.Votes {
		if code != exitDone || !strings.Contains(told, "Entry "+itoa(int(v))+",") {
			t.Errorf("the proof says nothing of the vote in entry %d: exit %d, %s%s", v, code, told, errs)
		}
	}
	if !slices.Equal(c.Findings, []string{"no drill of it is on record"}) {
		t.Errorf("findings: %q", c.Findings)
	}
	out, _, _ = runHere(t, nil, "ledger", "card", "bastion/root", "-data", data)
	for _, want := range []string{"FINDING: no drill of it is on record.", "FINDING: no ticket was named", "break glass, by a runbook that was approved before"} {
		if !strings.Contains(out, want) {
			t.Errorf("the card of root lacks %q:\n%s", want, out)
		}
	}
}

// TestReq_R35_RevocationIsMeasured computes the figures of a card from known moments.
func TestReq_R35_RevocationIsMeasured(t *testing.T) {
	r := &cardReader{
		card: evidenceCard{Policy: "sha256:x", Owner: "Ada", ReviewDate: "2099-01-01", Purpose: "p"}, grants: map[workflows.GrantID]cardGrant{},
		ending: map[workflows.GrantID]workflows.Stamp{}, ended: map[workflows.GrantID]bool{}, waits: map[workflows.GrantID]bool{},
	}
	for i := range 100 {
		id := workflows.GrantID("g_" + itoa(i))
		r.grants[id], r.ending[id] = cardGrant{}, 1_000_000
		r.revoked(workflows.Record{At: workflows.Instant{UTC: workflows.Stamp(1_000_000 * (i + 2))}}, id, i < 99) // after 1, 2, … 100 seconds
	}
	r.grants["g_open"] = cardGrant{}
	r.finish()
	if c := r.card; c.Revoked != 99 || c.P50 != 50 || c.P95 != 95 || c.Slowest != 99 || c.Unconfirmed != 1 || c.Open != 1 || !slices.Contains(c.Findings, "1 revocation of it could not be read back") {
		t.Errorf("the card is %+v", c)
	}
}
