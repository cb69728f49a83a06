package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/intake"
)

// Leaks: a secret that was seen where it must not be is turned into keyed fingerprints in the process that gets it, and dropped. What is compared and
// kept are the fingerprints.

// whose implements bot.Whose.
type whose struct{ s *serving }

var _ bot.Whose = whose{}

const (
	maxSerial     = 100 // characters of what could be a serial number
	maxMarkTarget = 40  // targets on which an account of that name is looked for
)

// Keys implements bot.Whose.
func (w whose) Keys(text string) []string {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	var out []string
	add := func(key string) {
		if !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	for _, print := range w.s.handedPrints(text) {
		add(grants.SecretKey(print))
	}
	for _, p := range printsOf(text) {
		for _, print := range w.s.keyedPrints(p) {
			if print == "" {
				return nil // without the key nothing can be compared, and the text must not be kept
			}
			add(identities.PrintKey(print))
		}
	}
	for _, print := range w.s.handedPrints(text) { // a rotation puts on record what it handed over
		add(identities.PrintKey(print))
	}
	if n := len(text); n <= maxSerial && !strings.ContainsAny(text, " \n") {
		for _, clear := range []string{identities.PrintKey(text), identities.SerialKey(text), identities.LastFourKey(text)} {
			if w.isKept(clear) {
				add(clear)
			}
		}
		targets := 0
		for t := range w.s.desk.Policy().Targets {
			if targets++; targets <= maxMarkTarget {
				for _, mark := range w.s.keyedPrints(accountText(t, text)) {
					add(identities.MarkKey(mark))
				}
			}
		}
	}
	return out
}

// isKept tells whether the inventory keeps a key in clear anyway. Only such a one may stand where the text itself must not: a text that is no serial
// number of anything may be the secret.
func (w whose) isKept(key string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), keyLookup)
	defer cancel()
	rows, err := w.s.store.Inventory(ctx, workflows.InventoryQuery{Key: key, Limit: 1})
	return err == nil && len(rows) > 0
}

const keyLookup = 500 * time.Millisecond // Slack waits three seconds for the acknowledgement, and three keys are looked up

// Mark implements bot.Whose.
func (w whose) Mark(text string) string { return w.s.keyedPrint("leak " + text) }

// printsOf are the texts under which a secret may have been put on record: itself, its digests as people and tools write them, and, of a private key or
// certificate, the fingerprint of its public part.
func printsOf(text string) []string {
	out := []string{text}
	sum := sha256.Sum256([]byte(text))
	out = append(out, hex.EncodeToString(sum[:]), "sha256:"+hex.EncodeToString(sum[:]), "SHA256:"+base64.RawStdEncoding.EncodeToString(sum[:]))
	if key, err := ssh.ParseRawPrivateKey([]byte(text)); err == nil {
		if signer, err := ssh.NewSignerFromKey(key); err == nil {
			out = append(out, ssh.FingerprintSHA256(signer.PublicKey()), ssh.FingerprintLegacyMD5(signer.PublicKey()))
		}
	}
	if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text)); err == nil {
		out = append(out, ssh.FingerprintSHA256(key), ssh.FingerprintLegacyMD5(key))
	}
	if block, _ := pem.Decode([]byte(text)); block != nil && block.Type == "CERTIFICATE" {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			sum := sha256.Sum256(cert.Raw)
			out = append(out, hex.EncodeToString(sum[:]), "SHA256:"+base64.RawStdEncoding.EncodeToString(sum[:]))
		}
	}
	return out
}

// reportOf turns a find into a report; the secrets in it end here.
func (s *serving) reportOf(l intake.Leak, by workflows.Acting, authn, channel string) desk.LeakReport {
	w := whose{s}
	r := desk.LeakReport{By: by, Source: l.Source, Form: l.Form, Place: l.Place, Authn: authn, Channel: channel}
	for _, secret := range l.Secrets {
		keys := w.Keys(secret)
		if r.Print == "" {
			r.Print = identities.FirstPrint(keys)
		}
		r.Keys = append(r.Keys, keys...)
	}
	r.Keys = r.Keys[:min(len(r.Keys), desk.MaxLeakKeys)]
	r.Mark = w.Mark(r.Print + "\n" + l.Place)
	r.Cause = workflows.Cause("leak/" + r.Mark)
	return r
}

// takenLeaks is what became of the finds of a report.
type takenLeaks struct {
	Found     int      `json:"found"`
	Matched   []string `json:"matched,omitempty"`
	Shadow    []string `json:"shadow,omitempty"`
	Grants    []string `json:"grants,omitempty"`
	Incidents []string `json:"incidents,omitempty"`
	Again     int      `json:"again,omitempty"`
}

// takeLeaks reports finds, one after the other. It may be repeated.
func (s *serving) takeLeaks(ctx context.Context, list []intake.Leak, by workflows.Acting, authn, channel string) (takenLeaks, *workflows.Refusal, error) {
	var out takenLeaks
	for _, l := range list {
		r, err := s.desk.ReportLeak(ctx, s.reportOf(l, by, authn, channel))
		if err != nil || r.Refusal != nil {
			return out, r.Refusal, err
		}
		out.Found++
		switch {
		case r.Again:
			out.Again++
		case r.Incident != "":
			out.Incidents = append(out.Incidents, r.Incident)
		}
		for _, id := range r.Matched {
			if !slices.Contains(out.Matched, string(id)) {
				out.Matched = append(out.Matched, string(id))
			}
		}
		for _, id := range r.Grants {
			if !slices.Contains(out.Grants, string(id)) {
				out.Grants = append(out.Grants, string(id))
			}
		}
		if r.Shadow != "" && !slices.Contains(out.Shadow, string(r.Shadow)) {
			out.Shadow = append(out.Shadow, string(r.Shadow))
		}
	}
	return out, nil, nil
}

// leakReply says it to whoever reported. What they may not see of the inventory is not in it.
func (s *serving) leakReply(ctx context.Context, n takenLeaks, by workflows.Acting) (reply, error) {
	out := reply{OK: true, Text: fmt.Sprintf("%s on record, %d of them known before.", quantity(n.Found, "find", "finds"), n.Again)}
	if !s.desk.SeesInventory(ctx, by.Person) {
		n.Matched, n.Shadow, n.Incidents, n.Grants = nil, nil, nil, nil
	}
	for _, id := range n.Grants {
		out.Lines = append(out.Lines, "known: it came with access "+id+"; what of that still stood is being taken back, and its holder is told")
	}
	for _, id := range n.Matched {
		out.Lines = append(out.Lines, "known: "+id+"; its secret has to be replaced, and who answers for it is told")
	}
	for _, id := range n.Incidents {
		out.Lines = append(out.Lines, "incident "+id+" is open")
	}
	for _, id := range n.Shadow {
		out.Lines = append(out.Lines, "nobody knew it: "+id+", a shadow credential")
	}
	var err error
	out.Data, err = json.Marshal(n)
	return out, err
}

// uploadLeak takes one secret from the people's socket: the body is the secret, and is kept nowhere.
func (s *serving) uploadLeak(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "leak", func(ctx context.Context) (reply, error) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLeakSecret))
		if err != nil {
			return refusedReply(workflows.Refuse(workflows.CodeTooLong, "A secret has at most 16 KiB.", "")), nil
		}
		l := intake.Leak{Source: "person", Form: printable(r.URL.Query().Get("form")), Place: printable(r.URL.Query().Get("place"))}
		if text := strings.TrimSpace(string(body)); text != "" {
			l.Secrets = []string{text}
		}
		return s.takeReported(ctx, []intake.Leak{l})
	})
}

const maxLeakSecret = 16 << 10

// uploadSARIF takes the report of a scanner from the people's socket.
func (s *serving) uploadSARIF(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "leaks", func(ctx context.Context) (reply, error) {
		list, err := intake.ReadSARIF(r.Body)
		if err != nil {
			return refusedReply(workflows.Refuse(workflows.CodeBadField, "The report was not taken: "+err.Error()+".", "")), nil
		}
		return s.takeReported(ctx, list)
	})
}

func (s *serving) takeReported(ctx context.Context, list []intake.Leak) (reply, error) {
	by, no, err := s.unixActor(ctx)
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return s.refuse(ctx, "", by, "leak", no)
	}
	n, no, err := s.takeLeaks(ctx, list, by, unixPeer, viaCLI)
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return refusedReply(no), nil
	}
	return s.leakReply(ctx, n, by)
}

// sameMAC compares the hex of an HMAC-SHA256 in constant time.
func sameMAC(key, body []byte, got string) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	raw, err := hex.DecodeString(got)
	return err == nil && hmac.Equal(raw, mac.Sum(nil))
}
