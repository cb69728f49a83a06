package workflows_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
	"github.com/countersign-bot/countersign/workflows/storytest"
	"github.com/countersign-bot/countersign/workflows/targets"
)

var update = flag.Bool("update", false, "write golden files anew")

func allKinds() []workflows.EventKind {
	var out []workflows.EventKind
	for _, list := range [][]workflows.EventKind{
		workflows.EventKinds(), workflows.PolicyEventKinds(), workflows.SystemEventKinds(), grants.EventKinds(), incidents.EventKinds(), escalations.EventKinds(), reviews.EventKinds(), runs.EventKinds(), campaigns.EventKinds(), identities.EventKinds(), targets.EventKinds(),
	} {
		out = append(out, list...)
	}
	return out
}

// fill sets every field of a value to something that is not its zero, the same every time.
func fill(v reflect.Value, name string) {
	if v.Type() == reflect.TypeFor[workflows.Stamp]() {
		v.SetInt(int64(storytest.Start().UTC))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.ToLower(name) + " <ü&>")
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(len(name)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), fmt.Sprintf("%s%d", name, i+1))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, k := range []string{"b", "a"} {
			e := reflect.New(v.Type().Elem()).Elem()
			fill(e, k)
			v.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), e)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), v.Type().Field(i).Name)
		}
	default:
		panic("no way to fill a " + v.Kind().String() + " of " + name)
	}
}

// encode is the event as JSON without HTML escapes, as people read it in the golden file.
func encode(t testing.TB, e workflows.Event) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// TestNoFieldIsCalledLikeTheEnvelope holds that no field of an event has a name that every leaf has already (package ledger): the store would
// refuse to write the entry.
func TestNoFieldIsCalledLikeTheEnvelope(t *testing.T) {
	t.Parallel()
	taken := []string{"actor", "cause", "id", "mono", "person", "policy", "sealed", "seq", "stream", "time", "type", "v"}
	for _, k := range allKinds() {
		typ := reflect.TypeOf(k.New()).Elem()
		for i := range typ.NumField() {
			f := typ.Field(i)
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); slices.Contains(taken, name) && f.Tag.Get("seal") == "" {
				t.Errorf("%s has a field %q", k.Name, name)
			}
		}
	}
}

// TestFrozenEvents holds the bytes of every kind of event with every field set. Old entries must decode and fold for ever: a kind
// or a field may be added, never renamed, retyped or removed. -update adds; it refuses to change what stands.
func TestFrozenEvents(t *testing.T) {
	const golden = "testdata/events.golden"
	l := storytest.New(allKinds())
	var got []string
	now := map[string]string{}
	for _, k := range allKinds() {
		p := k.New()
		fill(reflect.ValueOf(p).Elem(), k.Name)
		e := k.Value(p)
		if e.Kind() != k.Name {
			t.Errorf("%q makes events of kind %q", k.Name, e.Kind())
		}
		if _, twice := now[k.Name]; twice {
			t.Errorf("two kinds are called %q", k.Name)
		}
		now[k.Name] = encode(t, e)
		got = append(got, k.Name+" "+now[k.Name])
		again, err := l.Reread(e)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, again); d != "" {
			t.Errorf("%s from its bytes (-memory +bytes):\n%s", k.Name, d)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(want)), "\n") {
		if kind, old, ok := strings.Cut(line, " "); ok {
			if problem := holdsStill(old, now[kind]); problem != "" {
				t.Fatalf("%s: %s: old entries would not be read any more\n old %s\n now %s", kind, problem, old, now[kind])
			}
		}
	}
	text := strings.Join(got, "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(want), text); d != "" {
		t.Errorf("events changed; if something was only added, run with -update (-golden +now):\n%s", d)
	}
}

// holdsStill tells what of an old event's bytes a new one does not say in the same way.
func holdsStill(old, now string) string {
	if now == "" {
		return "the kind is gone"
	}
	var o, n map[string]json.RawMessage
	if json.Unmarshal([]byte(old), &o) != nil || json.Unmarshal([]byte(now), &n) != nil {
		return "not JSON"
	}
	for key, v := range o {
		var a, b any
		if json.Unmarshal(v, &a) != nil || json.Unmarshal(n[key], &b) != nil || !within(a, b) {
			return "field " + key + " changed"
		}
	}
	return ""
}

// within tells whether all of old is in now, at the same places.
func within(old, now any) bool {
	switch o := old.(type) {
	case map[string]any:
		n, ok := now.(map[string]any)
		for k, v := range o {
			ok = ok && within(v, n[k])
		}
		return ok
	case []any:
		n, ok := now.([]any)
		ok = ok && len(o) == len(n)
		for i := 0; ok && i < len(o); i++ {
			ok = within(o[i], n[i])
		}
		return ok
	}
	return reflect.DeepEqual(old, now)
}

// The guard of TestFrozenEvents can say no.
func TestFrozenEventsGuard(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		old, now string
		ok       bool
	}{
		{`{"a":1}`, `{"a":1}`, true},
		{`{"a":1}`, `{"a":1,"b":2}`, true},
		{`{"a":[{"b":1}]}`, `{"a":[{"b":1,"c":2}]}`, true},
		{`{"a":1}`, ``, false},
		{`{"a":1}`, `{"b":1}`, false},
		{`{"a":1}`, `{"a":"1"}`, false},
		{`{"a":[{"b":1}]}`, `{"a":[{"c":1}]}`, false},
		{`{"a":[1]}`, `{"a":[1,2]}`, false},
	} {
		if got := holdsStill(c.old, c.now) == ""; got != c.ok {
			t.Errorf("%s to %s: %t", c.old, c.now, got)
		}
	}
}

// Only texts can be sealed: the store has to know how to commit to them. Whom an event is about and what it decides is never
// sealed.
func TestSealedFields(t *testing.T) {
	t.Parallel()
	for _, k := range allKinds() {
		typ := reflect.TypeOf(k.New()).Elem()
		for i := range typ.NumField() {
			f := typ.Field(i)
			tag, sealed := f.Tag.Lookup("seal")
			switch f.Type {
			case reflect.TypeFor[string](), reflect.TypeFor[[]string](), reflect.TypeFor[map[string]string]():
			default:
				if sealed {
					t.Errorf("%s.%s is sealed and no text", k.Name, f.Name)
				}
			}
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name == "" || name != strings.ToLower(name) || (sealed && tag != "true") {
				t.Errorf("%s.%s: tag %q", k.Name, f.Name, f.Tag)
			}
		}
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	s := storytest.Start().UTC
	if got := s.String(); got != "2026-11-02T09:00:00.000000Z" {
		t.Error(got)
	}
	for _, bad := range []string{
		"", "2026-11-02T09:00:00Z", "2026-11-02T09:00:00.000Z", "2026-11-02T09:00:00.000000+00:00", "2026-11-02T09:00:00.0000000Z",
		"2026-11-02 09:00:00.000000Z", "2026-13-02T09:00:00.000000Z", "2026-11-02T24:00:00.000000Z", "2026-11-02T09:00:00.000000z",
	} {
		var x workflows.Stamp
		if err := x.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is read as %s", bad, x)
		}
	}
	if !(workflows.Instant{}).IsZero() || workflows.Stamp(1).IsZero() || s.After(0) || (workflows.Instant{UTC: 5}).Reached(workflows.Instant{}) {
		t.Error("a time that was not set is reached")
	}
	if got := workflows.StampOf(s.Time().Add(999)); got != s {
		t.Errorf("nanoseconds are kept: %s", got)
	}
	if got := s.Add(1500).Sub(s); got != 1000 {
		t.Errorf("added %s", got)
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for span, want := range map[workflows.Span]string{0: "0m", 60: "1m", 90: "90s", 3600: "1h", 5400: "90m", 86400: "1d", 90000: "25h", 1: "1s"} {
		if got := span.String(); got != want {
			t.Errorf("%d: %s, want %s", int(span), got, want)
		}
		if workflows.SpanOf(span.Duration()) != span {
			t.Errorf("%d does not come back", int(span))
		}
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	for s, want := range map[workflows.StreamID][2]string{
		workflows.RequestStream("r_1"):                      {workflows.KindRequest, "r_1"},
		workflows.GrantStream("svc-x", "pg-main", "writer"): {workflows.KindGrant, "svc-x/pg-main/writer"},
		workflows.RunbookStream("failover"):                 {workflows.KindRunbook, "failover"},
		workflows.ReviewStream("v_1"):                       {workflows.KindReview, "v_1"},
		workflows.PersonStream("p_1"):                       {workflows.KindPerson, "p_1"},
		workflows.IdentityStream("svc-x"):                   {workflows.KindIdentity, "svc-x"},
		workflows.HomeSurface("p_1"):                        {"home", "p_1"},
		workflows.PolicyStream:                              {workflows.KindPolicy, ""},
		workflows.SystemStream:                              {workflows.KindSystem, ""},
	} {
		if got := [2]string{s.Kind(), s.Rest()}; got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
	if i := workflows.IdentityID("p_1"); !i.IsPerson() || i.Person() != "p_1" || i.Person().Identity() != i {
		t.Error("a person is not a person")
	}
	if i := workflows.IdentityID("svc-deploy"); i.IsPerson() || i.Person() != "" {
		t.Error("a robot is a person")
	}
}
