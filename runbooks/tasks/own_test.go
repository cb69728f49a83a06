package tasks_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/tasks"
)

const ownSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// standard signs as the specification of Standard Webhooks says, written a second time.
func standard(id, stamp, body string) string {
	k, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(ownSecret, "whsec_"))
	mac := hmac.New(sha256.New, k)
	io.WriteString(mac, id+"."+stamp+"."+body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// TestReq_R55_OwnService: the question is signed, and only a whole answer is one.
func TestReq_R55_OwnService(t *testing.T) {
	t.Parallel()
	answer := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Webhook-Signature") != standard(r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), string(body)) || r.URL.Path != "/countersign" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if string(body) != `{"op":"task","ref":"CHG-7","v":1}` {
			t.Errorf("asked %s", body)
		}
		fmt.Fprint(w, answer)
	}))
	defer srv.Close()
	s, err := tasks.OpenOwn(tasks.OwnConfig{Rest: rest.Config{URL: srv.URL + "/countersign"}, Pattern: "CHG-[0-9]{1,8}", Secret: runbooks.NewSecret(ownSecret)})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Covers("CHG-7") || s.Covers("CHG-7x") || s.Covers("xCHG-7") {
		t.Error("the pattern is not held against the whole reference")
	}
	for _, x := range []struct {
		answer       string
		ok           bool
		exists, open bool
	}{
		{`{"exists":true,"open":true,"status":"Scheduled","from":"2027-03-01T20:00:00Z","until":"2027-03-01T23:00:00Z"}`, true, true, true},
		{`{"exists":true,"open":false}`, true, true, false},
		{`{"exists":false}`, true, false, false},
		{`{}`, false, false, false},
		{`{"exists":true}`, false, false, false},
		{`not JSON`, false, false, false},
		{`{"exists":true,"open":true,"from":"2027-03-01T20:00:00Z","until":"2027-03-01T19:00:00Z"}`, false, false, false},
	} {
		answer = x.answer
		got, err := s.Task(t.Context(), "CHG-7")
		if (err == nil) != x.ok || got.Exists != x.exists || got.Open != x.open {
			t.Errorf("%s: %+v (%v)", x.answer, got, err)
		}
	}
}

func TestOwnHook(t *testing.T) {
	t.Parallel()
	s, err := tasks.OpenOwn(tasks.OwnConfig{Rest: rest.Config{URL: "https://changes.example.com/x"}, Pattern: "CHG-[0-9]+", Secret: runbooks.NewSecret(ownSecret)})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	body := `{"ref":"CHG-7"}`
	for name, x := range map[string]struct {
		at     time.Time
		body   string
		signed string
		ok     bool
	}{
		"signed": {now, body, body, true}, "old": {now.Add(-6 * time.Minute), body, body, false}, "from the future": {now.Add(6 * time.Minute), body, body, false},
		"changed": {now, `{"ref":"CHG-8"}`, body, false},
	} {
		stamp := strconv.FormatInt(x.at.Unix(), 10)
		h := http.Header{"Webhook-Id": {"m1"}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {"v1,AAAA " + standard("m1", stamp, x.signed)}}
		refs, err := s.Hook(h, []byte(x.body), now)
		if (err == nil) != x.ok || x.ok && (len(refs) != 1 || refs[0] != "CHG-7") {
			t.Errorf("%s: %q (%v)", name, refs, err)
		}
	}
	if _, err := s.Grant(t.Context(), runbooks.Grant{}); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("a system of tasks grants: %v", err)
	}
}
