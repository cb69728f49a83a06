package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

const (
	scannerSecret = "a secret of the scanner, long enough"
	ciKey         = "ghp_7H1sK3yB3l0ngsT0TheC1Pipel1neXXXX01"
	strayKey      = "ghp_N0b0dyKn0wsWh0seTh1sK3yIsXXXXXXXX02"
	otherStray    = "glpat-An0therStray0neFromTheSARIF"
)

// post sends a find as a scanner does.
func postLeak(ctx context.Context, url, body string, header map[string]string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/leaks", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return res.StatusCode, nil
}

func hubSigned(body string) map[string]string {
	mac := hmac.New(sha256.New, []byte(scannerSecret))
	mac.Write([]byte(body))
	return map[string]string{"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil))}
}

// TestReq_R29_ScannersReportAndNothingIsKept: GitHub's alerts, signed either way, and a SARIF report. A known fingerprint opens an incident and a rotation,
// an unknown one is a shadow credential; what is not signed is turned away; no secret is in any file of the bot afterwards.
func TestReq_R29_ScannersReportAndNothingIsKept(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	mustSay(t, err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	mustSay(t, err)
	keys, err := json.Marshal(map[string]any{"public_keys": []any{map[string]any{
		"key_identifier": "90a421169f0a406205f1563a953312f0", "key": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "is_current": true,
	}}})
	mustSay(t, err)
	d := demoAsJonasWith(t, map[string]string{"roles.yaml": jonasRoles}, map[string]string{"LEAK_SECRET": scannerSecret, "LEAK_KEYS": fileOf(t, "keys.json", string(keys))})
	sum := sha256.Sum256([]byte(ciKey))
	said(t, d.identityCLI(t, "import", fileOf(t, "cmdb.csv", "id,kind,name,owner,purpose,expires,fingerprint\n"+
		"key-ci,api_key,CI key,maya,Uploads build artefacts to the store.,2027-01-31,"+hex.EncodeToString(sum[:])+"\n"), "-source", "cmdb"), "1 new")

	known := `[{"token":"` + ciKey + `","type":"github_personal_access_token","url":"https://github.com/acme/shop/blob/main/ci.sh","source":"content"}]`
	for name, c := range map[string]struct {
		body   string
		header map[string]string
		want   int
	}{
		"unsigned":     {known, nil, http.StatusUnauthorized},
		"wrong secret": {known, map[string]string{"X-Hub-Signature-256": "sha256=" + strings.Repeat("00", 32)}, http.StatusUnauthorized},
		"wrong key":    {known, map[string]string{"Github-Public-Key-Identifier": "other", "Github-Public-Key-Signature": "AAAA"}, http.StatusUnauthorized},
		"no JSON":      {`[{"token":`, hubSigned(`[{"token":`), http.StatusBadRequest},
		"ping":         {`{"zen":"Keep it logically awesome."}`, hubSigned(`{"zen":"Keep it logically awesome."}`), http.StatusNoContent},
	} {
		if got, err := postLeak(t.Context(), d.child.url(), c.body, c.header); err != nil || got != c.want {
			t.Errorf("%s: %d %v, want %d", name, got, err, c.want)
		}
	}
	if rows := d.listed(t, "list", "-finding", identities.FindShadow); len(rows) != 0 {
		t.Fatalf("something was taken in: %+v", rows)
	}
	digest := sha256.Sum256([]byte(known))
	sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	mustSay(t, err)
	partner := map[string]string{"Github-Public-Key-Identifier": "90a421169f0a406205f1563a953312f0", "Github-Public-Key-Signature": base64.StdEncoding.EncodeToString(sig)}
	for range 2 { // delivered twice: recorded once
		if got, err := postLeak(t.Context(), d.child.url(), known, partner); err != nil || got != http.StatusNoContent {
			t.Fatalf("a partner alert: %d %v", got, err)
		}
	}
	said(t, d.identityCLI(t, "evidence", "key-ci"), "Its secret has to be replaced by", "(leak)", "Seen where it must not be", "found by github, incident INC-1", "leaked",
		"FINDING: nobody attested it yet")
	if n := strings.Count(d.identityCLI(t, "evidence", "key-ci"), "Seen where it must not be"); n != 1 {
		t.Errorf("the find is on record %d times", n)
	}

	alert := `{"action":"created","alert":{"number":7,"secret_type":"github_personal_access_token","secret":"` + strayKey + `","html_url":"https://github.com/acme/shop/security/secret-scanning/7"},"repository":{"full_name":"acme/shop"}}`
	if got, err := postLeak(t.Context(), d.child.url(), alert, hubSigned(alert)); err != nil || got != http.StatusNoContent {
		t.Fatalf("an alert: %d %v", got, err)
	}
	report := `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Gitleaks"}},"results":[
		{"ruleId":"gitlab-pat","message":{"text":"found"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"deploy/run.sh"},"region":{"startLine":3,"snippet":{"text":"TOKEN=` + otherStray + `"}}}}]},
		{"ruleId":"github-pat","message":{"text":"found"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"ci.sh"},"region":{"startLine":9,"snippet":{"text":"` + strayKey + `"}}}}]}]}]}`
	said(t, d.identityCLI(t, "leaks", fileOf(t, "scan.sarif", report)), "2 finds on record", "nobody knew it: shadow-")
	if out, err := d.cli(t.Context(), "", "identities", "leaks", fileOf(t, "bad.sarif", `{"version":"2.1.0","runs":[{"results":[]}]}`)); err == nil || !strings.Contains(out, "runs[0].tool.driver.name is missing") {
		t.Errorf("a bad report: %v\n%s", err, out)
	}
	shadows := d.listed(t, "list", "-finding", identities.FindShadow)
	if len(shadows) != 2 { // the same key in two places is one
		t.Errorf("%d shadow credentials: %+v", len(shadows), shadows)
	}
	said(t, d.identityCLI(t, "leak", fileOf(t, "found.txt", ciKey+"\n"), "-place", "a chat"), "known: key-ci", "incident INC-2")
	if out, err := d.cli(t.Context(), "", "ledger", "verify"); err != nil {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
	for _, secret := range []string{ciKey, strayKey, otherStray} {
		kept(t, d.dir, secret)
	}
}

// TestReq_R20_ALeakIsClosedInSlack: a leak stands on the list until somebody says what was done about it: reading of it is not the end. Who was
// asked says so where they are, and the ledger has it; who was not sees nothing.
func TestReq_R20_ALeakIsClosedInSlack(t *testing.T) {
	t.Parallel()
	d := demoAsJonasWith(t, map[string]string{"roles.yaml": jonasRoles, "escalations.yaml": nightPaths}, nil)
	s, ctx := &story{demo: d}, t.Context()
	said(t, d.identityCLI(t, "leak", fileOf(t, "found.txt", strayKey+"\n"), "-place", "a chat"), "shadow-")
	page, err := s.dm(ctx, "sofia", "I look after it")
	mustSay(t, err)
	typed := func(who, command, text string) string {
		t.Helper()
		del := s.slack.Command(ctx, s.slackID(who), "access", command, text)
		if del.Err != nil {
			t.Fatal(del.Err)
		}
		return string(del.AckPayload)
	}
	said(t, typed("maya", "/access", "leak list"), "none that you were asked about")
	mustSay(t, s.press(ctx, "sofia", page, screens.ActAck))
	s.waitCLI(t, 0, []string{"escalations", "list"}, "acknowledged")
	list := typed("sofia", "/access", "leak list")
	said(t, list, "shadow-", "/breakglass close e_")
	id := escalationIn.FindString(list)
	said(t, typed("maya", "/breakglass", "close "+id+" nothing at all"), "not")
	said(t, typed("sofia", "/breakglass", "close "+id+" The key was revoked where it was made."), "nothing is left to do")
	said(t, typed("sofia", "/access", "leak list"), "none that you were asked about")
	said(t, s.mustCLI(t, "ledger", "show", "-data", filepath.Join(d.dir, "data"), "-last", "3", "-json"), "escalation.closed", "The key was revoked where it was made", "slack")
	s.verified(t)
}

// escalationIn finds the id of an escalation.
var escalationIn = regexp.MustCompile(`e_[a-z2-7]{16}`)

// kept fails for every file of the bot that holds a text.
func kept(t *testing.T, dir, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, []byte(text)) {
			t.Errorf("%s keeps a secret", path)
		}
		return err
	})
	mustSay(t, err)
}

// TestReq_R35_TheFourAnswersOfAnIdentity: one card and one export answer owner and attestation, rotation, measured revocation, purpose and ticket; what
// is not known is a finding.
func TestReq_R35_TheFourAnswersOfAnIdentity(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles})
	said(t, d.identityCLI(t, "import", fileOf(t, "cmdb.csv", "id,kind,name,owner,backup,purpose,expires,stored,secret_ref,revocation,created,rotated,rotate_every,ticket\n"+
		"key-full,api_key,Full key,maya,sofia,Uploads build artefacts to the store.,2027-01-31,vault,vault:kv/full,runbook key-off,2026-05-01,2026-11-01,90d,OPS-4711\n"+
		"key-bare,api_key,,,,,,,,,,,,\n"), "-source", "cmdb"), "2 new")
	d.identityCLI(t, "attest", "key-full", "keep")
	d.identityCLI(t, "suspend", "key-full", "-reason", "to see how long it takes")
	_, err := until(t.Context(), "the suspension to be carried out", func() (string, bool) {
		out := d.identityCLI(t, "evidence", "key-full")
		return out, strings.Contains(out, "Taking it back was measured")
	})
	mustSay(t, err)
	out := d.identityCLI(t, "evidence", "key-full")
	said(t, out, "Owner: Maya Chen; backup: Sofia Rossi; attested 20", "Purpose: Uploads build artefacts to the store; ticket: OPS-4711", "rotated every 90d, next by 2027-01-30", "Can take it back: Maya Chen, Sofia Rossi", "p95")
	for _, blank := range []string{"nobody owns it", "nobody attested it", "secret is replaced", "never measured", "what it is for", "no ticket"} {
		if strings.Contains(out, "FINDING: "+blank) {
			t.Errorf("%q is said of what is known:\n%s", blank, out)
		}
	}
	said(t, d.identityCLI(t, "evidence", "key-bare"), "FINDING: nobody owns it", "FINDING: nobody attested it yet", "FINDING: how often its secret is replaced", "FINDING: taking it back was never measured",
		"FINDING: what it is for is not on record", "FINDING: no ticket or request", "FINDING: how its secret is replaced is not on record", "Rotation: nobody can say how; last not known",
		"FINDING: when it was used last is not on record", "FINDING: exactly what it may do is not on record")
	d.identityCLI(t, "rotate", "key-full")
	d.identityCLI(t, "rotated", "key-full", "-evidence", "the old one answers 401")
	out = d.identityCLI(t, "evidence", "key-full")
	said(t, out, "Rotation: as the last time: by hand, and somebody says how they know that the old one is dead; last 20")
	if strings.Contains(out, "how its secret is replaced") {
		t.Errorf("the method is on record:\n%s", out)
	}
	var r reply
	mustSay(t, json.Unmarshal([]byte(d.identityCLI(t, "evidence", "key-full", "-json")), &r))
	var card credentialCard
	mustSay(t, json.Unmarshal(r.Data, &card))
	if card.Row.ID != workflows.IdentityID("key-full") || card.Owner != "maya" || card.Attested == 0 || card.Measured != 1 || card.Method == "" || card.Entry.Ticket != "OPS-4711" || len(card.Revokers) == 0 {
		t.Errorf("the export: %+v", card)
	}
}
