package store_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// odd has what the events of today do not have, and what they might.
type odd struct {
	Named   string                    // without a name of its own
	Hidden  string                    `json:"-"`
	Small   int8                      `json:"small,omitempty"`
	Quoted  int64                     `json:"quoted,string"`
	Flag    bool                      `json:"flag,omitempty"`
	Pointer *workflows.Seat           `json:"pointer"`
	Pointed *string                   `json:"pointed,omitempty"`
	Lists   map[string][]string       `json:"lists,omitempty"`
	Structs map[string]workflows.Seat `json:"structs"`
	Times   []workflows.Stamp         `json:"times,omitempty"`
	Time    workflows.Stamp           `json:"time_of"`
	Zero    workflows.Seat            `json:"zero,omitzero"`
	Text    string                    `json:"text" seal:"true"`
	Texts   []string                  `json:"texts" seal:"true"`
	Mapped  map[string]string         `json:"mapped,omitempty" seal:"true"`
}

func (odd) Kind() string { return "test.odd" }

// fill sets v to something random, often to nothing, and to what is at the edges.
func fill(r *rand.Rand, v reflect.Value) {
	if !v.CanSet() || r.IntN(6) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString([]string{"", "a", "ü ☃ \U0001F680", "<&>\u2028", "\"\\\n\x00\x7f", "0", "\ufffd", "p_1"}[r.IntN(8)])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt([]int64{0, 1, -1, 127, r.Int64N(1 << 50)}[r.IntN(5)])
		if v.Type() == reflect.TypeFor[workflows.Stamp]() {
			v.SetInt(r.Int64N(250_000_000_000_000_000))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.Slice:
		n := r.IntN(4)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fillSome(r, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, k)
			fillSome(r, e)
			v.SetMapIndex(k, e)
		}
	}
}

// fillSome fills an element: a missing one in a list has no place in the profile.
func fillSome(r *rand.Rand, v reflect.Value) {
	fill(r, v)
	for (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.IsNil() {
		fill(r, v)
	}
}

// TestShapesSpeakJSON holds the quick way from an event to its leaf and to the record of it to the way through encoding/json that readers
// go: for every kind there is, with random contents.
func TestShapesSpeakJSON(t *testing.T) {
	kinds := slices.Concat(store.EventKinds(), storetest.EventKinds(), workflows.EventKinds(), workflows.PolicyEventKinds(), workflows.SystemEventKinds(),
		grants.EventKinds(), reviews.EventKinds(), runs.EventKinds(), incidents.EventKinds(), escalations.EventKinds(), identities.EventKinds(), []workflows.EventKind{workflows.Of[odd]()})
	long := 0
	for _, kind := range kinds {
		if !store.HasShape(kind) {
			t.Logf("events of kind %s take the long way", kind.Name)
			long++
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
				p := kind.New()
				fill(r, reflect.ValueOf(p).Elem())
				e := kind.Value(p)
				quick, qerr := store.EncodeQuick(kind, e)
				slow, serr := store.EncodeSlow(kind, e)
				if (qerr == nil) != (serr == nil) {
					rt.Fatalf("%+v: quick %v, slow %v", e, qerr, serr)
				}
				if qerr == nil {
					if string(quick.Leaf) != string(slow.Leaf) {
						rt.Fatalf("%+v\nquick %s\nslow  %s", e, quick.Leaf, slow.Leaf)
					}
					if diff := cmp.Diff(slow.Record, quick.Record); diff != "" {
						rt.Fatalf("%+v\n%s", e, diff)
					}
					if diff := cmp.Diff(slow.Texts, quick.Texts); diff != "" {
						rt.Fatalf("%+v\n%s", e, diff)
					}
				}
			})
		})
	}
	if long > len(kinds)/10 {
		t.Errorf("%d of %d kinds take the long way", long, len(kinds))
	}
}

// TestShapesRefuse has what neither way may write.
func TestShapesRefuse(t *testing.T) {
	kind := workflows.Of[odd]()
	for name, e := range map[string]odd{
		"bytes that are no text":         {Named: "a\xff"},
		"sealed bytes that are no text":  {Text: "a\xff"},
		"such bytes in a sealed map":     {Mapped: map[string]string{"k": "a\xff"}},
		"an integer that doubles cannot": {Structs: map[string]workflows.Seat{"a": {Parts: []int{1 << 60}}}},
		"a time that has no spelling":    {Time: math.MaxInt64},
		"a missing list in a list":       {Lists: map[string][]string{"\xff": {}}},
	} {
		if _, err := store.EncodeQuick(kind, e); err == nil {
			t.Errorf("%s: written", name)
		}
		if _, err := store.EncodeSlow(kind, e); err == nil {
			t.Errorf("%s: written the slow way", name)
		}
	}
}

// TestRecordsShareNothing changes an event after it was appended: the record stays what was recorded.
func TestRecordsShareNothing(t *testing.T) {
	e := odd{Lists: map[string][]string{"a": {"b"}}, Texts: []string{"c"}, Mapped: map[string]string{"d": "e"}, Pointer: &workflows.Seat{Parts: []int{1}}}
	got, err := store.EncodeQuick(workflows.Of[odd](), e)
	if err != nil {
		t.Fatal(err)
	}
	want := odd{Lists: map[string][]string{"a": {"b"}}, Texts: []string{"c"}, Mapped: map[string]string{"d": "e"}, Pointer: &workflows.Seat{Parts: []int{1}}, Structs: nil}
	e.Lists["a"][0], e.Texts[0], e.Mapped["d"], e.Pointer.Parts[0] = "x", "x", "x", 2
	if diff := cmp.Diff(want, got.Record.Event.(odd)); diff != "" {
		t.Error(diff)
	}
}
