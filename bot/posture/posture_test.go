package posture_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/posture"
	"github.com/countersign-bot/countersign/workflows"
)

const claim = "disk-encrypted"

// lab is a receiver with one webhook secret and one device key, at a moment that its owner moves.
type lab struct {
	t      *testing.T
	dir    string
	now    time.Time
	secret []byte
	agent  ed25519.PrivateKey
	rc     *posture.Receiver
	told   []workflows.IdentityID
}

func newLab(t *testing.T) *lab {
	t.Helper()
	x := &lab{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), secret: []byte(strings.Repeat("s", 32))}
	x.agent = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))
	x.open()
	return x
}

func (x *lab) open() {
	x.t.Helper()
	r, err := posture.Open("mdm", filepath.Join(x.dir, "posture.json"), func() workflows.Stamp { return workflows.StampOf(x.now) }, func(s string) workflows.IdentityID {
		return map[string]workflows.IdentityID{"ada@example.com": "p_ada", "svc-deploy": "svc-deploy"}[s]
	})
	if err != nil {
		x.t.Fatal(err)
	}
	x.rc = &posture.Receiver{
		Register: r, Secret: x.secret, Keys: map[string]ed25519.PublicKey{"laptop-1": x.agent.Public().(ed25519.PublicKey)},
		Now: func() time.Time { return x.now }, Log: slog.New(slog.DiscardHandler), Changed: func(id workflows.IdentityID) { x.told = append(x.told, id) },
	}
}

func (x *lab) body(subject string, holds bool, at time.Time, valid int) string {
	return fmt.Sprintf(`{"subject":%q,"claims":{%q:%t},"observed_at":%q,"valid_seconds":%d}`, subject, claim, holds, at.Format(time.RFC3339), valid)
}

func (x *lab) post(body string, head map[string]string) int {
	x.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/posture", strings.NewReader(body))
	for k, v := range head {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	x.rc.ServeHTTP(w, r)
	return w.Code
}

func (x *lab) hook(body string) map[string]string {
	at := strconv.FormatInt(x.now.Unix(), 10)
	mac := hmac.New(sha256.New, x.secret)
	mac.Write([]byte("msg_1." + at + "." + body))
	return map[string]string{"Webhook-Id": "msg_1", "Webhook-Timestamp": at, "Webhook-Signature": "v1,bm90IHRoaXM= v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
}

func (x *lab) jws(head, body string) string {
	b := base64.RawURLEncoding
	signed := b.EncodeToString([]byte(head)) + "." + b.EncodeToString([]byte(body))
	return signed + "." + b.EncodeToString(ed25519.Sign(x.agent, []byte(signed)))
}

func (x *lab) said(holder workflows.IdentityID) workflows.Posture {
	x.t.Helper()
	p, err := x.rc.Register.Posture(x.t.Context(), holder, claim)
	if err != nil {
		x.t.Fatal(err)
	}
	return p
}

// R43: a posture claim counts when it is signed and fresh; nothing else is ever said.
func TestReq_R43_OnlyWhatIsSignedAndFreshCounts(t *testing.T) {
	t.Parallel()
	jwt := map[string]string{"Content-Type": "application/jwt"}
	for _, c := range []struct {
		name string
		post func(x *lab) int
		code int
	}{
		{"a webhook", func(x *lab) int { b := x.body("ada@example.com", true, x.now, 60); return x.post(b, x.hook(b)) }, 204},
		{"a signed claim", func(x *lab) int {
			return x.post(x.jws(fmt.Sprintf(`{"alg":"EdDSA","kid":"laptop-1","iat":%d}`, x.now.Unix()), x.body("ada@example.com", true, x.now, 60)), jwt)
		}, 204},
		{"no signature", func(x *lab) int { return x.post(x.body("ada@example.com", true, x.now, 60), nil) }, 401},
		{"another body than was signed", func(x *lab) int {
			return x.post(x.body("ada@example.com", true, x.now, 60), x.hook(x.body("ada@example.com", false, x.now, 60)))
		}, 401},
		{"a webhook of yesterday", func(x *lab) int {
			b := x.body("ada@example.com", true, x.now, 60)
			h := x.hook(b)
			x.now = x.now.Add(6 * time.Minute)
			return x.post(b, h)
		}, 401},
		{"a claim of yesterday", func(x *lab) int {
			return x.post(x.jws(fmt.Sprintf(`{"alg":"EdDSA","kid":"laptop-1","iat":%d}`, x.now.Unix()-400), x.body("ada@example.com", true, x.now, 60)), jwt)
		}, 401},
		{"alg none", func(x *lab) int {
			b := base64.RawURLEncoding
			return x.post(b.EncodeToString([]byte(fmt.Sprintf(`{"alg":"none","kid":"laptop-1","iat":%d}`, x.now.Unix())))+"."+b.EncodeToString([]byte(x.body("ada@example.com", true, x.now, 60)))+".", jwt)
		}, 401},
		{"HS256 with the public key", func(x *lab) int {
			return x.post(x.jws(fmt.Sprintf(`{"alg":"HS256","kid":"laptop-1","iat":%d}`, x.now.Unix()), x.body("ada@example.com", true, x.now, 60)), jwt)
		}, 401},
		{"a key that nobody listed", func(x *lab) int {
			return x.post(x.jws(fmt.Sprintf(`{"alg":"EdDSA","kid":"laptop-2","iat":%d}`, x.now.Unix()), x.body("ada@example.com", true, x.now, 60)), jwt)
		}, 401},
		{"somebody unheard of", func(x *lab) int { b := x.body("eve@example.com", true, x.now, 60); return x.post(b, x.hook(b)) }, 400},
		{"the future", func(x *lab) int {
			b := x.body("ada@example.com", true, x.now.Add(time.Hour), 60)
			return x.post(b, x.hook(b))
		}, 400},
		{"for ever", func(x *lab) int { b := x.body("ada@example.com", true, x.now, 1e9); return x.post(b, x.hook(b)) }, 400},
		{"an unknown field", func(x *lab) int { b := `{"subject":"ada@example.com","admin":true}`; return x.post(b, x.hook(b)) }, 400},
		{"a claim with a path", func(x *lab) int {
			b := `{"subject":"ada@example.com","claims":{"../x":true},"observed_at":"2026-11-22T09:00:00Z"}`
			return x.post(b, x.hook(b))
		}, 400},
		{"too large", func(x *lab) int { b := strings.Repeat("x", 20<<10); return x.post(b, x.hook(b)) }, 413},
	} {
		x := newLab(t)
		if got := c.post(x); got != c.code {
			t.Errorf("%s: %d, want %d", c.name, got, c.code)
		}
		p := x.said("p_ada")
		if p.Said != (c.code == 204) || p.Said && (!p.Holds || !p.Fresh(workflows.StampOf(x.now)) || len(x.told) != 1) {
			t.Errorf("%s: %+v, told %v", c.name, p, x.told)
		}
	}
}

// What is said ends by its own time; a newer answer replaces it, an older or repeated one does not; a restart keeps it.
func TestNewestAnswerCountsUntilItsTimeIsOver(t *testing.T) {
	t.Parallel()
	x := newLab(t)
	send := func(holds bool, at time.Time) {
		t.Helper()
		b := x.body("ada@example.com", holds, at, 600)
		if code := x.post(b, x.hook(b)); code != 204 {
			t.Fatal(code)
		}
	}
	send(true, x.now)
	send(false, x.now.Add(-time.Minute)) // late
	if p := x.said("p_ada"); !p.Holds {
		t.Errorf("an older answer won: %+v", p)
	}
	x.open()
	if p := x.said("p_ada"); !p.Said || !p.Holds {
		t.Errorf("a restart forgot it: %+v", p)
	}
	x.now = x.now.Add(time.Minute)
	send(false, x.now)
	if p := x.said("p_ada"); p.Holds || !p.Fresh(workflows.StampOf(x.now)) {
		t.Errorf("the newer answer does not count: %+v", p)
	}
	x.now = x.now.Add(11 * time.Minute)
	if p := x.said("p_ada"); p.Fresh(workflows.StampOf(x.now)) {
		t.Errorf("it counts after its time: %+v", p)
	}
	if info, err := os.Stat(filepath.Join(x.dir, "posture.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// R43: of two reports of one moment, as a sender that stamps whole seconds makes them, the no counts, whichever comes first, also after a restart.
// Something newer says otherwise, if it is so.
func TestReq_R43_OfOneMomentTheNoCounts(t *testing.T) {
	t.Parallel()
	for _, order := range [][]bool{{true, false}, {false, true}, {true, false, true}, {false, true, true}} {
		x := newLab(t)
		send := func(holds bool) {
			t.Helper()
			b := x.body("ada@example.com", holds, x.now, 600)
			if code := x.post(b, x.hook(b)); code != 204 {
				t.Fatal(code)
			}
		}
		for _, holds := range order {
			send(holds)
		}
		for range 2 {
			if p := x.said("p_ada"); !p.Said || p.Holds || !p.Fresh(workflows.StampOf(x.now)) {
				t.Errorf("%v of one moment: %+v", order, p)
			}
			x.open()
		}
		x.now = x.now.Add(time.Second)
		send(true)
		if p := x.said("p_ada"); !p.Holds {
			t.Errorf("%v, and a yes a second later: %+v", order, p)
		}
	}
}

// A report that says more claims than are kept is refused whole: not a word of it counts, whichever of its claims was looked at first.
func TestTooManyClaimsAreRefusedWhole(t *testing.T) {
	t.Parallel()
	x := newLab(t)
	send := func(holds bool, claims ...string) int {
		t.Helper()
		b := fmt.Sprintf(`{"subject":"ada@example.com","claims":{"%s":%t},"observed_at":%q}`, strings.Join(claims, fmt.Sprintf(`":%t,"`, holds)), holds, x.now.Format(time.RFC3339))
		return x.post(b, x.hook(b))
	}
	all := []string{claim}
	for i := range 19 {
		all = append(all, fmt.Sprintf("claim-%d", i))
	}
	if code := send(true, all...); code != 204 {
		t.Fatalf("twenty claims: %d", code)
	}
	x.now = x.now.Add(time.Second)
	all[19] = "another"
	if code := send(false, all...); code != 400 {
		t.Errorf("the twenty-first: %d", code)
	}
	if p := x.said("p_ada"); !p.Holds {
		t.Errorf("what was refused counts: %+v", p)
	}
	if code := send(false, all[:19]...); code != 204 || x.said("p_ada").Holds {
		t.Errorf("those that are known: %d, %+v", code, x.said("p_ada"))
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for s, ok := range map[string]bool{"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 24)): true, "whsec_c2hvcnQ=": false, "": false, "whsec_!": false} {
		if _, err := posture.ParseSecret(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for s, ok := range map[string]bool{"a " + key + " # laptop\n\n#\nb " + key: true, "a " + key + "\na " + key: false, "a": false, "a b": false, "": true} {
		if _, err := posture.ParseKeys(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}
