package ledger_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
)

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
