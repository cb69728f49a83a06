package scim_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/bot/scim"
	"github.com/countersign-bot/countersign/workflows"
)

const token = "0123456789abcdef0123456789abcdef"

// office is a staff of two that notes what it is told.
type office struct {
	left map[workflows.PersonID]bool
	said []string
	also []string // Slack accounts of p_ann
}

func (o *office) Accounts(_ context.Context, p workflows.PersonID) ([]string, error) {
	if p == "p_ann" {
		return o.also, nil
	}
	return nil, nil
}

func (o *office) Adopt(_ context.Context, p workflows.PersonID, accounts []string) error {
	if slices.Contains(accounts, "U0OTHERS1") {
		return scim.ErrTaken
	}
	o.also, o.said = accounts, append(o.said, "accounts of "+string(p)+": "+strings.Join(accounts, " "))
	return nil
}

func (o *office) Everybody(context.Context) ([]scim.Person, error) {
	return []scim.Person{
		{ID: "p_ann", Name: "Ann", Email: "ann@example.com", Active: !o.left["p_ann"]}, {ID: "p_bob", Name: "Bob", Email: "bob@example.com", Active: !o.left["p_bob"]},
	}, nil
}

func (o *office) Groups(context.Context) (map[string][]workflows.PersonID, error) {
	return map[string][]workflows.PersonID{"dba": {"p_ann", "p_bob"}}, nil
}

func (o *office) Left(_ context.Context, p workflows.PersonID, _ string) error {
	o.left[p], o.said = true, append(o.said, "left "+string(p))
	return nil
}

func (o *office) Moved(_ context.Context, p workflows.PersonID, _ string) error {
	o.said = append(o.said, "moved "+string(p))
	return nil
}

func (o *office) Back(_ context.Context, p workflows.PersonID) error {
	o.left[p], o.said = false, append(o.said, "back "+string(p))
	return nil
}

func call(t *testing.T, o *office, auth, method, path, body string) (int, map[string]any) {
	t.Helper()
	s, err := scim.New(o, token, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, scim.Prefix+path, strings.NewReader(body))
	r.Header.Set("Authorization", auth)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	var out map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatalf("%s %s answers %q: %v", method, path, w.Body, err)
		}
	}
	return w.Code, out
}

// The shapes in which Okta and Entra say that somebody left, moved or is back (R37).
func TestReq_R37_WhatOktaAndEntraSend(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		said               []string
	}{
		"okta deactivates": {
			"PATCH", "Users/p_ann", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}`,
			200,
			[]string{"left p_ann"},
		},
		"okta puts the whole user": {
			"PUT", "Users/p_ann", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"p_ann","userName":"ann@example.com","name":{"givenName":"Ann"},"active":false,"groups":[]}`,
			200,
			[]string{"left p_ann"},
		},
		"entra deactivates":              {"PATCH", "Users/p_bob", `{"Operations":[{"op":"Replace","path":"active","value":"False"}]}`, 200, []string{"left p_bob"}},
		"entra deactivates with a value": {"PATCH", "Users/p_bob", `{"Operations":[{"op":"Add","path":"displayName","value":"B"},{"op":"Replace","path":"active","value":false}]}`, 200, []string{"left p_bob"}},
		"a name changes":                 {"PATCH", "Users/p_bob", `{"Operations":[{"op":"Replace","path":"name.familyName","value":"X"}]}`, 200, nil},
		"deleted":                        {"DELETE", "Users/p_bob", ``, 204, []string{"left p_bob"}},
		"joined to who has the address":  {"POST", "Users", `{"userName":"ANN@example.com","active":true}`, 201, nil},
		"nobody of ours":                 {"POST", "Users", `{"userName":"eve@example.com","active":true}`, 400, nil},
		"nobody":                         {"PATCH", "Users/p_eve", `{"Operations":[{"op":"replace","value":{"active":false}}]}`, 404, nil},
		"okta takes out of a group":      {"PATCH", "Groups/dba", `{"Operations":[{"op":"remove","path":"members[value eq \"p_ann\"]"}]}`, 200, []string{"moved p_ann"}},
		"entra takes out of a group":     {"PATCH", "Groups/dba", `{"Operations":[{"op":"Remove","path":"members","value":[{"value":"p_bob"}]}]}`, 200, []string{"moved p_bob"}},
		"okta puts the whole group":      {"PUT", "Groups/dba", `{"displayName":"dba","members":[{"value":"p_bob","display":"bob"}]}`, 200, []string{"moved p_ann"}},
		"entra by a filter":              {"PATCH", "Groups/dba", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Remove","path":"members[value eq \"p_bob\"]"}]}`, 200, []string{"moved p_bob"}},
		"entra with a reference":         {"PATCH", "Groups/dba", `{"Operations":[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"p_ann"}]}]}`, 200, []string{"moved p_ann"}},
		"okta replaces the members":      {"PATCH", "Groups/dba", `{"Operations":[{"op":"replace","path":"members","value":[{"value":"p_bob","display":"bob@example.com"}]}]}`, 200, []string{"moved p_ann"}},
		"okta in one call":               {"PATCH", "Groups/dba", `{"Operations":[{"op":"remove","path":"members[value eq \"p_ann\"]"},{"op":"add","path":"members","value":[{"value":"p_bob","display":"bob@example.com"}]}]}`, 200, []string{"moved p_ann"}},
		"okta renames a group":           {"PATCH", "Groups/dba", `{"Operations":[{"op":"replace","value":{"id":"dba","displayName":"DBA team"}}]}`, 200, nil},
		"entra takes everybody out":      {"PATCH", "Groups/dba", `{"Operations":[{"op":"Remove","path":"members"}]}`, 200, []string{"moved p_ann", "moved p_bob"}},
		"members without a path":         {"PATCH", "Groups/dba", `{"Operations":[{"op":"replace","value":{"displayName":"dba","members":[{"value":"p_ann"}]}}]}`, 200, []string{"moved p_bob"}},
		"entra names no path":            {"PATCH", "Users/p_bob", `{"Operations":[{"op":"Replace","value":{"active":"False","name.givenName":"B"}}]}`, 200, []string{"left p_bob"}},
		"a stranger is added":            {"PATCH", "Groups/dba", `{"Operations":[{"op":"add","path":"members","value":[{"value":"p_eve"}]}]}`, 200, nil},
		"accounts are named": {
			"PUT", "Users/p_ann", `{"userName":"ann@example.com","active":true,"` + scim.SlackSchema + `":{"accounts":["U0ANN0001","T0OTHER01/U0ANN0002"]}}`,
			200,
			[]string{"accounts of p_ann: U0ANN0001 T0OTHER01/U0ANN0002"},
		},
		"accounts by their path":      {"PATCH", "Users/p_ann", `{"Operations":[{"op":"replace","path":"` + scim.SlackSchema + `:accounts","value":["U0ANN0001"]}]}`, 200, []string{"accounts of p_ann: U0ANN0001"}},
		"accounts in the whole":       {"PATCH", "Users/p_ann", `{"Operations":[{"op":"replace","value":{"` + scim.SlackSchema + `":{"accounts":[]}}}]}`, 200, []string{"accounts of p_ann: "}},
		"an account of another":       {"PATCH", "Users/p_ann", `{"Operations":[{"op":"replace","path":"` + scim.SlackSchema + `:accounts","value":["U0OTHERS1"]}]}`, 409, nil},
		"an account by its name":      {"PATCH", "Users/p_ann", `{"Operations":[{"op":"replace","path":"` + scim.SlackSchema + `:accounts","value":["ann"]}]}`, 400, nil},
		"accounts of no shape":        {"PATCH", "Users/p_ann", `{"Operations":[{"op":"replace","path":"` + scim.SlackSchema + `:accounts","value":7}]}`, 400, nil},
		"no JSON":                     {"PATCH", "Users/p_ann", `{`, 400, nil},
		"active is neither":           {"PATCH", "Users/p_ann", `{"Operations":[{"op":"replace","path":"active","value":"perhaps"}]}`, 400, nil},
		"a filter nobody understands": {"GET", "Users?filter=userName+sw+%22a%22", ``, 400, nil},
	} {
		o := &office{left: map[workflows.PersonID]bool{}}
		status, out := call(t, o, "Bearer "+token, c.method, c.path, c.body)
		if status != c.status {
			t.Errorf("%s: status %d, want %d: %v", name, status, c.status, out)
		}
		if d := cmp.Diff(c.said, o.said); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	o := &office{left: map[workflows.PersonID]bool{"p_ann": true}}
	if status, out := call(t, o, "Bearer "+token, "PATCH", "Users/p_ann", `{"Operations":[{"op":"replace","value":{"active":true}}]}`); status != 200 || out["active"] != true || o.said[0] != "back p_ann" {
		t.Errorf("somebody is back: %d %v %v", status, out, o.said)
	}
}

// Lists are found by their filter, and without the token there is nothing to see.
func TestListsAndDoors(t *testing.T) {
	t.Parallel()
	o := &office{left: map[workflows.PersonID]bool{}}
	for path, want := range map[string]float64{
		"Users": 2, "Users?filter=userName+eq+%22bob@example.com%22": 1, "Users?filter=userName+eq+%22eve@example.com%22": 0, "Users?count=0": 2,
		"Users?startIndex=99999999999999&count=-3": 2, "Groups": 1, "Groups?filter=displayName+eq+%22dba%22": 1,
	} {
		if status, out := call(t, o, "Bearer "+token, "GET", path, ""); status != 200 || out["totalResults"] != want {
			t.Errorf("%s: %d %v", path, status, out)
		}
	}
	for _, auth := range []string{"", "Bearer", "Bearer ", "Bearer " + token + "x", "Basic " + token, token} {
		if status, _ := call(t, o, auth, "DELETE", "Users/p_ann", ""); status != http.StatusUnauthorized || len(o.said) > 0 {
			t.Errorf("%q was let in: %d %v", auth, status, o.said)
		}
	}
	if _, err := scim.New(o, "short", nil); err == nil {
		t.Error("a short token opens the door")
	}
}
