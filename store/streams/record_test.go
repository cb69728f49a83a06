package streams_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/streams"
)

// TestLinesKeepTheLeaf holds that a line gives back the entry byte for byte, whatever stands in it.
func TestLinesKeepTheLeaf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leaf, err := ledger.Encode(ledger.Leaf{
			V: 1, Type: "x.happened", ID: "e_1", Stream: "system", Seq: 1, Time: 1, Mono: 1,
			Fields: map[string]any{"text": rapid.String().Draw(t, "text"), "n": rapid.Int64Range(-ledger.MaxInt, ledger.MaxInt).Draw(t, "n")},
		})
		if err != nil {
			t.Skip(err)
		}
		r, err := streams.NewRecord(origin, "s", 3, 9, leaf)
		if err != nil {
			t.Fatal(err)
		}
		r.Sentence = rapid.String().Draw(t, "sentence")
		line, err := r.Line()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(line, []byte("\n")) != 1 || !json.Valid(line) {
			t.Fatalf("not one line of JSON: %q", line)
		}
		back, err := streams.ParseRecord(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(back.Leaf, leaf) || ledger.LeafHash(back.Leaf).String() != r.LeafHash {
			t.Fatalf("sent %q, got %q", leaf, back.Leaf)
		}
		if diff := cmp.Diff(r, back); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestFrozenLine holds the format: receivers of long ago still read it.
func TestFrozenLine(t *testing.T) {
	leaf := []byte(`{"id":"e_1","mono":"1","seq":1,"stream":"system","time":"2026-11-22T01:02:03.456789Z","type":"instance.stopped","v":1}`)
	r, err := streams.NewRecord(origin, "siem", 7, 8, leaf)
	if err != nil {
		t.Fatal(err)
	}
	r.Sentence, r.Note, r.Openings = "The program was stopped.", "a note", map[string]string{"reason": "lunch"}
	line, err := r.Line()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"v":1,"origin":"example.com/countersign/test","stream":"siem","entry":7,"previous":6,"size":8,"time":"2026-11-22T01:02:03.456789Z",` +
		`"type":"instance.stopped","leaf_hash":"0RvDkLBU72PrmMNnzMLuV4SOvgCnKP0Nu5SHFvT3yQk=","leaf":{"id":"e_1","mono":"1","seq":1,"stream":"system",` +
		`"time":"2026-11-22T01:02:03.456789Z","type":"instance.stopped","v":1},"sentence":"The program was stopped.","openings":{"reason":"lunch"},"note":"a note"}` + "\n"
	if diff := cmp.Diff(want, string(line)); diff != "" {
		t.Error(diff)
	}
}

func TestRecordsThatCannotBe(t *testing.T) {
	for _, line := range []string{
		``, `{}`, `[]`, `{"v":2,"leaf":{},"size":1}`, `{"v":1,"entry":1,"size":1,"leaf":{}}`, `{"v":1,"entry":-1,"size":1,"leaf":{}}`,
		`{"v":1,"entry":0,"previous":-2,"size":1,"leaf":{}}`, `{"v":1,"entry":0,"previous":-1,"size":1}`,
		`{"v":1,"entry":0,"previous":-1,"size":1,"leaf":{}} {}`,
	} {
		if r, err := streams.ParseRecord([]byte(line)); err == nil {
			t.Errorf("%s was read as %+v", line, r)
		}
	}
}
