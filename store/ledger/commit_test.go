package ledger_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
)

// TestCommitIsHMAC holds commitments to the standard library's HMAC, over all lengths about a block's and longer than the room on the stack.
func TestCommitIsHMAC(t *testing.T) {
	for n := range 2100 {
		salt, value := ledger.Salt{byte(n), 31: byte(n >> 3)}, strings.Repeat("ü", n/2)+strings.Repeat("x", n%2)
		mac := hmac.New(sha256.New, salt[:])
		fmt.Fprintf(mac, "countersign/commit/v1%s\x00%s", "reason", value)
		if got, want := ledger.Commit(salt, "reason", value), hex.EncodeToString(mac.Sum(nil)); got != want {
			t.Fatalf("%d bytes: %s, want %s", n, got, want)
		}
	}
}

func TestCommit(t *testing.T) {
	c, o, err := ledger.Seal(seeded("salt"), "reason", "on call")
	if err != nil || !ledger.Open(c, o) || len(c) != 64 {
		t.Fatalf("%q, %v", c, err)
	}
	for name, bad := range map[string]ledger.Opening{
		"value":          {Field: o.Field, Salt: o.Salt, Value: "on call "},
		"field":          {Field: "comment", Salt: o.Salt, Value: o.Value},
		"salt":           {Field: o.Field, Salt: ledger.Salt{}, Value: o.Value},
		"border moved":   {Field: "reaso", Salt: o.Salt, Value: "n\x00on call"},
		"border blurred": {Field: "reason\x00on call", Salt: o.Salt, Value: ""},
		"no field":       {Salt: o.Salt, Value: o.Value},
	} {
		if ledger.Open(c, bad) {
			t.Errorf("opens with another %s", name)
		}
	}
	blurred := ledger.Opening{Field: "a\x00b", Salt: o.Salt, Value: "c"}
	if ledger.Open(ledger.Commit(o.Salt, "a", "b\x00c"), blurred) {
		t.Error("a commitment to one field opens as another whose name holds a zero byte")
	}
	if _, _, err := ledger.Seal(seeded("salt"), "", "x"); err == nil {
		t.Error("a field without a name is sealed")
	}
	if _, err := ledger.NewSalt(strings.NewReader("short")); err == nil {
		t.Error("a short salt passes")
	}
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var back ledger.Opening
	if err := json.Unmarshal(b, &back); err != nil || back != o {
		t.Errorf("%s reads back as %+v, %v", b, back, err)
	}
	if err := json.Unmarshal([]byte(`{"salt":"AB"}`), &back); err == nil {
		t.Error("a short salt is read")
	}
}
