package runbooks_test

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
)

// TestParseOffers: what a program or service of the operator's own lists is read strictly: what it got wrong is said, and nothing of it is offered.
func TestParseOffers(t *testing.T) {
	t.Parallel()
	got, err := runbooks.ParseOffers([]byte(`{"offers":[{"name":"support","params":{"team":["support"]},"description":"Answers customers.","account":true},{"name":"b","params":{"team":["b"]}}]}`))
	if err != nil || len(got) != 2 || got[0].Name != "support" || got[0].Params["team"][0] != "support" || got[0].Description != "Answers customers." || !got[0].Account || got[1].Account {
		t.Fatalf("%+v (%v)", got, err)
	}
	if got, err := runbooks.ParseOffers([]byte(`{}`)); err != nil || len(got) != 0 {
		t.Errorf("nothing to grant: %v (%v)", got, err)
	}
	for text, want := range map[string]string{
		``: "not a JSON object", `[]`: "not a JSON object", `{"offer":[]}`: "not a JSON object", `{"offers":[]}{}`: "something follows",
		`{"offers":[{"name":"a"}]}`: `offer 1 ("a") has no params`, `{"offers":[{"name":"a","params":{"x":["1"]}},{"name":"a","params":{"x":["2"]}}]}`: "offer 2",
		`{"offers":[{"name":"","params":{"x":["1"]}}]}`: "the name is empty", `{"offers":[{"name":"a","params":{"x":["\u0000"]}}]}`: "control character",
		`{"offers":[{"name":"a","params":{"x":"1"}}]}`: "not a JSON object", `{"offers":[` + strings.Repeat(`{"name":"a","params":{"x":["1"]}},`, 5001) + `{}]}`: "more than 5000",
	} {
		if got, err := runbooks.ParseOffers([]byte(text)); err == nil || len(got) != 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v (%v), want %s", text, got, err, want)
		}
	}
}
