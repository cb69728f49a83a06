package ledger_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/store/ledger"
)

func exampleLeaf() ledger.Leaf {
	return ledger.Leaf{
		V: 1, Type: "vote.cast", ID: "01JD8M3Q8Z", Stream: "request/r1", Seq: 3, Time: testStart, Mono: 9_007_199_254_740_993,
		Actor: "a_7", Person: "p_9", Cause: "inbox/4", Policy: ledger.DocumentHash([]byte("{}")),
		Sealed: map[string]string{"reason": ledger.Commit(ledger.Salt{1}, "reason", "on call")},
		Fields: map[string]any{
			"verdict": "approve", "stage": int64(1), "urgent": false, "zone": "Zürich \u2028 \U0001F600",
			"shown": []any{"a", int64(-5), map[string]any{"\U0001F600": true, "\uFFFD": "tab\t\x01\"\\/"}},
		},
	}
}

// genText favours what encodings stumble over.
func genText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z_]{1,8}`),
		rapid.StringOf(rapid.SampledFrom([]rune("a\x00\x08\t\n\f\r\x1f\x7f\"\\/<>&é\u2028\uD7FF\uE000\uFFFD\uFFFF\U00010000\U0010FFFF"))),
		rapid.String(),
	)
}

func genValue(depth int) *rapid.Generator[any] {
	plain := []*rapid.Generator[any]{
		rapid.Custom(func(t *rapid.T) any { return genText().Draw(t, "text") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.Int64Range(-ledger.MaxInt, ledger.MaxInt).Draw(t, "int") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.Bool().Draw(t, "bool") }),
	}
	if depth > 0 {
		plain = append(plain,
			rapid.Custom(func(t *rapid.T) any {
				return append([]any{}, rapid.SliceOfN(genValue(depth-1), 0, 4).Draw(t, "list")...)
			}),
			rapid.Custom(func(t *rapid.T) any { return rapid.MapOfN(genText(), genValue(depth-1), 0, 5).Draw(t, "map") }),
		)
	}
	return rapid.OneOf(plain...)
}

func genLeaf() *rapid.Generator[ledger.Leaf] {
	return rapid.Custom(func(t *rapid.T) ledger.Leaf {
		name := func(what string) string { return rapid.StringMatching(`[a-z"\\é😀/_.]{1,12}`).Draw(t, what) }
		maybe := func(what string) string {
			if rapid.Bool().Draw(t, "has "+what) {
				return name(what)
			}
			return ""
		}
		l := ledger.Leaf{
			V: rapid.IntRange(1, 9).Draw(t, "v"), Type: name("type"), ID: name("id"), Stream: name("stream"),
			Seq: rapid.Int64Range(1, ledger.MaxInt).Draw(t, "seq"), Time: rapid.Int64Range(1, 253402300799999999).Draw(t, "time"),
			Mono: rapid.Int64Min(0).Draw(t, "mono"), Actor: maybe("actor"), Person: maybe("person"), Cause: maybe("cause"),
		}
		if rapid.Bool().Draw(t, "bound") {
			l.Policy = ledger.DocumentHash([]byte(name("policy")))
		}
		if names := rapid.SliceOfDistinct(rapid.StringMatching(`[a-zé]{1,5}`), rapid.ID).Draw(t, "sealed"); len(names) > 0 {
			l.Sealed = map[string]string{}
			for i, n := range names {
				l.Sealed[n] = ledger.Commit(ledger.Salt{byte(i)}, n, "x")
			}
		}
		fields := rapid.MapOfN(genText(), genValue(3), 0, 8).Draw(t, "fields")
		for _, n := range []string{"actor", "cause", "id", "mono", "person", "policy", "sealed", "seq", "stream", "time", "type", "v"} {
			delete(fields, n)
		}
		if len(fields) > 0 {
			l.Fields = fields
		}
		return l
	})
}

func TestEncodeIsJCSAndDecodeItsInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := genLeaf().Draw(t, "leaf")
		b, err := ledger.Encode(l)
		if err != nil {
			t.Fatal(err)
		}
		want, err := jcs.Transform(b)
		if err != nil || string(want) != string(b) {
			t.Fatalf("jcs gives %q, %v\nwe wrote  %q", want, err, b)
		}
		back, err := ledger.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(l, back, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("decoded leaf differs (-want +got):\n%s", d)
		}
		if err := ledger.GlimpseError(b); err != nil {
			t.Fatalf("the verifier refuses it: %v", err)
		}
	})
}

// Different leaves never share an encoding, not even when a value of one contains the punctuation of the other.
func TestThreat_T30_OneEncodingOneEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genLeaf().Draw(t, "a"), genLeaf().Draw(t, "b")
		if rapid.Bool().Draw(t, "near") {
			b = a.Clone()
			b.Actor, b.Person = a.Actor+a.Person, ""
		}
		ea, errA := ledger.Encode(a)
		eb, errB := ledger.Encode(b)
		if errA != nil || errB != nil {
			t.Skip()
		}
		if same := cmp.Equal(a, b, cmpopts.EquateEmpty()); same != (string(ea) == string(eb)) {
			t.Fatalf("equal leaves: %v, but\n%s\n%s", same, ea, eb)
		}
	})
	base := `{"id":"i","mono":"1","seq":1,"stream":"s","time":"2026-11-22T01:02:03.456789Z","type":"x.y","v":1}`
	if _, err := ledger.Decode([]byte(base)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"space":                 {`"seq":1`, `"seq": 1`},
		"order":                 {`"id":"i","mono":"1"`, `"mono":"1","id":"i"`},
		"key twice":             {`"id":"i"`, `"id":"i","id":"i"`},
		"leading zero":          {`"seq":1`, `"seq":01`},
		"fraction":              {`"seq":1`, `"seq":1.0`},
		"exponent":              {`"seq":1`, `"seq":1e0`},
		"minus zero":            {`"id"`, `"a":-0,"id"`},
		"escaped letter":        {`"i"`, `"\u0069"`},
		"escaped slash":         {`"x.y"`, `"x\/y"`},
		"upper hex":             {`"id"`, `"a":"\u001F","id"`},
		"escaped space":         {`"id"`, `"a":"\u0020","id"`},
		"raw control":           {`"id"`, "\"a\":\"abcdefghi\tabcdefghi\",\"id\""},
		"long escape":           {`"id"`, `"a":"\u000a","id"`},
		"null":                  {`"id"`, `"a":null,"id"`},
		"float":                 {`"id"`, `"a":0.5,"id"`},
		"2^53":                  {`"id"`, `"a":9007199254740992,"id"`},
		"very long integer":     {`"id"`, `"a":99999999999999999999999999,"id"`},
		"empty actor":           {`"id"`, `"actor":"","id"`},
		"empty sealed":          {`"seq"`, `"sealed":{},"seq"`},
		"no commitment":         {`"seq"`, `"sealed":{"a":"b"},"seq"`},
		"policy not a hash":     {`"seq"`, `"policy":"p","seq"`},
		"mono a number":         {`"1"`, `1`},
		"mono padded":           {`"1"`, `"01"`},
		"mono too large":        {`"1"`, `"9223372036854775808"`},
		"time without zone":     {`789Z`, `789`},
		"time of three digits":  {`.456789Z`, `.456Z`},
		"30 February":           {`2026-11-22`, `2026-02-30`},
		"second 60":             {`01:02:03`, `01:02:60`},
		"no id":                 {`"id":"i",`, ``},
		"seq 0":                 {`"seq":1`, `"seq":0`},
		"v 0":                   {`"v":1`, `"v":0`},
		"control in name":       {`"x.y"`, `"x\ny"`},
		"trailing comma":        {`"v":1}`, `"v":1,}`},
		"trailing byte":         {`"v":1}`, `"v":1} `},
		"unclosed":              {`"v":1}`, `"v":1`},
		"not UTF-8":             {`"x.y"`, "\"x\xffy\""},
		"lone surrogate":        {`"id"`, `"a":"\ud800","id"`},
		"surrogate as UTF-8":    {`"x.y"`, "\"x\xed\xa0\x80y\""},
		"wrong order by UTF-16": {`"v":1}`, "\"v\":1,\"\uFFFD\":1,\"\U0001F600\":1}"},
		"17 levels":             {`"id"`, `"a":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `,"id"`},
	} {
		bad := strings.Replace(base, change[0], change[1], 1)
		if bad == base {
			t.Fatalf("%s: nothing was changed", name)
		}
		if l, err := ledger.Decode([]byte(bad)); err == nil {
			t.Errorf("%s: %s is accepted as %+v", name, bad, l)
		}
		if ledger.GlimpseError([]byte(bad)) == nil {
			t.Errorf("%s: the verifier accepts %s", name, bad)
		}
	}
	for name, good := range map[string]string{
		"16 levels": strings.Replace(base, `"id"`, `"a":`+strings.Repeat("[", 15)+strings.Repeat("]", 15)+`,"id"`, 1),
		"2^53-1":    strings.Replace(base, `"id"`, `"a":-9007199254740991,"id"`, 1),
	} {
		if _, err := ledger.Decode([]byte(good)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	type named struct{ F float64 }
	for name, change := range map[string]func(*ledger.Leaf){
		"collision":         func(l *ledger.Leaf) { l.Fields["seq"] = 1 },
		"collision actor":   func(l *ledger.Leaf) { l.Actor, l.Fields["actor"] = "", "x" },
		"null":              func(l *ledger.Leaf) { l.Fields["a"] = nil },
		"nil pointer":       func(l *ledger.Leaf) { l.Fields["a"] = (*named)(nil) },
		"float":             func(l *ledger.Leaf) { l.Fields["a"] = 1.0 },
		"float in a struct": func(l *ledger.Leaf) { l.Fields["a"] = named{1.5} },
		"2^53":              func(l *ledger.Leaf) { l.Fields["a"] = 1 << 53 },
		"uint64":            func(l *ledger.Leaf) { l.Fields["a"] = uint64(1 << 63) },
		"number":            func(l *ledger.Leaf) { l.Fields["a"] = json.Number("1.0") },
		"not a number":      func(l *ledger.Leaf) { l.Fields["a"] = json.Number("1 ") },
		"invalid text":      func(l *ledger.Leaf) { l.Fields["a"] = "\xff" },
		"invalid key":       func(l *ledger.Leaf) { l.Fields["\xff"] = "a" },
		"invalid nested":    func(l *ledger.Leaf) { l.Fields["a"] = struct{ S string }{"\xff"} },
		"channel":           func(l *ledger.Leaf) { l.Fields["a"] = make(chan int) },
		"no type":           func(l *ledger.Leaf) { l.Type = "" },
		"no time":           func(l *ledger.Leaf) { l.Time = 0 },
		"year 10000":        func(l *ledger.Leaf) { l.Time = 253402300800000000 },
		"seq 0":             func(l *ledger.Leaf) { l.Seq = 0 },
		"negative mono":     func(l *ledger.Leaf) { l.Mono = -1 },
		"newline in id":     func(l *ledger.Leaf) { l.ID = "a\nb" },
		"sealed not a hash": func(l *ledger.Leaf) { l.Sealed["x"] = "abc" },
		"sealed name":       func(l *ledger.Leaf) { l.Sealed["a\x00b"] = l.Sealed["reason"] },
		"too long":          func(l *ledger.Leaf) { l.Fields["a"] = strings.Repeat("x", ledger.MaxLeafBytes) },
		"too deep": func(l *ledger.Leaf) {
			var v any = "x"
			for range 16 {
				v = []any{v}
			}
			l.Fields["a"] = v
		},
	} {
		l := exampleLeaf()
		change(&l)
		if b, err := ledger.Encode(l); err == nil {
			t.Errorf("%s: encoded as %s", name, b)
		}
	}
}

func TestEncodeGoTypes(t *testing.T) {
	type kind string
	l := exampleLeaf()
	l.Fields = map[string]any{
		"a": int32(-1), "b": uint32(2), "c": uint64(3), "d": json.Number("-4"), "e": kind("k"), "f": []kind{"x"},
		"g": struct {
			B int               `json:"b"`
			A map[string]string `json:"a"`
		}{1, map[string]string{"z": "\u2028<&>", "\U0001F600": "\uFFFD"}},
		"h": map[string]string{"y": "1", "x": "2"}, "i": []map[string]any{{"q": 1}}, "j": []string{}, "k": map[string]any{},
	}
	b, err := ledger.Encode(l)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ledger.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"a": int64(-1), "b": int64(2), "c": int64(3), "d": int64(-4), "e": "k", "f": []any{"x"},
		"g": map[string]any{"a": map[string]any{"z": "\u2028<&>", "\U0001F600": "\uFFFD"}, "b": int64(1)},
		"h": map[string]any{"x": "2", "y": "1"}, "i": []any{map[string]any{"q": int64(1)}}, "j": []any{}, "k": map[string]any{},
	}
	if d := cmp.Diff(want, back.Fields); d != "" {
		t.Error(d)
	}
	if !back.Equal(l) || back.At() != time.UnixMicro(testStart).UTC() {
		t.Error("the decoded leaf is another one")
	}
}

func TestFormatTimeIsRFC3339(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Int64Range(1, 253402300799999999).Draw(t, "us")
		want := time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.000000Z")
		if got := ledger.FormatTime(us); got != want {
			t.Fatalf("%d: %s, want %s", us, got, want)
		}
		if back, err := ledger.ParseTime(want); err != nil || back != us {
			t.Fatalf("%s: %d, %v", want, back, err)
		}
	})
}

// A time that is read is written as it was, whatever digits and signs it is made of.
func TestParseTimeHasOneSpelling(t *testing.T) {
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		s := []byte(ledger.FormatTime(rapid.Int64Range(1, 253402300799999999).Draw(t, "us")))
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			s[rapid.IntRange(0, len(s)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("0123456789-:.TZ /\xb0")).Draw(t, "to")
		}
		us, err := ledger.ParseTime(string(s))
		want, errWant := time.Parse("2006-01-02T15:04:05.000000Z", string(s))
		if errWant == nil && want.UnixMicro() < 1 {
			errWant = err
		}
		if (err == nil) != (errWant == nil) || err == nil && (us != want.UnixMicro() || ledger.FormatTime(us) != string(s)) {
			t.Fatalf("%s: %d, %v; the standard library: %v, %v", s, us, err, want, errWant)
		}
		if err == nil {
			accepted++
		}
	})
	if accepted == 0 {
		t.Error("nothing was accepted")
	}
	for day, good := range map[string]bool{"2024-02-29": true, "2023-02-29": false, "2100-02-29": false, "2000-02-29": true, "2026-04-31": false, "2026-12-31": true} {
		if _, err := ledger.ParseTime(day + "T00:00:00.000000Z"); (err == nil) != good {
			t.Errorf("%s: %v", day, err)
		}
	}
}

func TestCanonicalDocuments(t *testing.T) {
	type stage struct {
		Name   string   `json:"name"`
		Quorum int      `json:"quorum"`
		Tags   []string `json:"tags,omitempty"`
	}
	for _, v := range []any{
		map[string]any{"b": []any{1, true}, "a": "ü<"},
		struct {
			Z []stage        `json:"z"`
			A map[string]int `json:"a"`
		}{[]stage{{"x", 2, nil}, {"y", 1, []string{"t"}}}, map[string]int{"\U0001F600": 1, "\uFFFF": 2}},
	} {
		got, err := ledger.Canonical(v)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		want, err := jcs.Transform(raw)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s, jcs gives %s, %v", got, want, err)
		}
		if err := ledger.CheckCanonical(got); err != nil {
			t.Error(err)
		}
		if err := ledger.CheckCanonical(append(got, '\n')); err == nil {
			t.Error("a byte behind the end passes")
		}
	}
	for _, v := range []any{nil, "x", []any{}, map[string]any{"a": nil}, struct{ S string }{"\xff"}, struct{ P *int }{}} {
		if b, err := ledger.Canonical(v); err == nil {
			t.Errorf("%#v is accepted as %s", v, b)
		}
	}
	if b, err := ledger.Canonical(struct{ S string }{`\ufffd` + "\uFFFD"}); err != nil || string(b) != `{"S":"\\ufffd`+"\uFFFD"+`"}` {
		t.Errorf("a text that looks like the replacement: %s, %v", b, err)
	}
}

// FuzzDecode: whatever is accepted is the one encoding of what it was decoded to, JCS agrees, and the verifier's reader accepts the
// same.
func FuzzDecode(f *testing.F) {
	b, err := ledger.Encode(exampleLeaf())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"id":"i","mono":"1","seq":1,"stream":"s","time":"2026-11-22T01:02:03.456789Z","type":"x.y","v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ledger.Decode(b)
		if glimpse := ledger.GlimpseError(b); (glimpse == nil) != (err == nil) {
			t.Fatalf("Decode says %v, the verifier %v", err, glimpse)
		}
		if err != nil {
			return
		}
		again, err := ledger.Encode(l)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%q decodes and encodes to %q, %v", b, again, err)
		}
		if want, err := jcs.Transform(b); err != nil || string(want) != string(b) {
			t.Fatalf("%q is %q for jcs, %v", b, want, err)
		}
	})
}

// FuzzEncode: any JSON object is either refused or written as jcs.Transform writes it.
func FuzzEncode(f *testing.F) {
	f.Add(`{"b":1,"a":["\u00e9",true,{}],"\ud83d\ude00":"\u2028"}`)
	f.Add(`{"":-0,"z":9007199254740991}`)
	f.Fuzz(func(t *testing.T, text string) {
		var m map[string]any
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if dec.Decode(&m) != nil || m == nil {
			return
		}
		got, err := ledger.Canonical(m)
		if err != nil {
			return
		}
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		want, err := jcs.Transform(raw)
		if err != nil || string(want) != string(got) {
			t.Fatalf("%q, jcs gives %q, %v", got, want, err)
		}
		if err := ledger.CheckCanonical(got); err != nil {
			t.Fatal(err)
		}
	})
}

func ExampleEncode() {
	b, err := ledger.Encode(ledger.Leaf{
		V: 1, Type: "request.withdrawn", ID: "01JD8M3Q8Z", Stream: "request/r1", Seq: 4, Time: 1795309323456789, Mono: 12,
		Actor: "a_7", Fields: map[string]any{"quorum": 1},
	})
	fmt.Println(string(b), err)
	// Output: {"actor":"a_7","id":"01JD8M3Q8Z","mono":"12","quorum":1,"seq":4,"stream":"request/r1","time":"2026-11-22T01:02:03.456789Z","type":"request.withdrawn","v":1} <nil>
}
