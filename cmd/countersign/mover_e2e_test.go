package main

import (
	"net/http"
	"testing"

	"github.com/countersign-bot/countersign/workflows/identities"
)

// R18, R37: the identity provider says that somebody is no longer in a group, in Entra's words, and that somebody left, in Okta's. The real target refuses
// both, although nobody did anything else, and what the mover owned is handed over; a bystander's access goes on.
func TestReq_R37_TheProvidersWordEndsAccessAndHandsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start(prefix + "_SCIM_TOKEN=" + scimTestToken)
	held := map[string]string{}
	for _, who := range []string{"maya", "kenji", "priya"} {
		if held[who] = w.grant(who, "1h", "Something of "+who+" is to be repaired."); !w.letIn(who, held[who]) {
			t.Fatalf("%s is not let in", who)
		}
	}
	_, out := w.scimCall("GET", "Users?filter=userName+eq+%22"+w.people["maya"].email+"%22", "")
	maya := resourceID(t, out)
	if status, out := w.scimCall("PATCH", "Groups/engineers", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Remove","path":"members","value":[{"value":"`+maya+`"}]}]}`); status != http.StatusOK {
		t.Fatalf("moved: %d %v", status, out)
	}
	w.shutOut("maya", held["maya"])
	for _, r := range w.recorded("person.left", 1) {
		if e, ok := r.Event.(identities.Left); !ok || e.Why != identities.LeftRole {
			t.Errorf("on record: %+v", r.Event)
		}
	}
	w.recorded("person.handed_over", 1)
	if h, ok := w.recorded("identity.handover_opened", 1)[0].Event.(identities.HandoverOpened); !ok || h.Why != identities.WhyLeaver || h.Rungs[0].Why != "backup owner" {
		t.Errorf("her deployment robot: %+v", h)
	}

	email := w.people["kenji"].email
	_, out = w.scimCall("GET", "Users?filter=userName+eq+%22"+email+"%22", "")
	kenji := resourceID(t, out)
	if status, out := w.scimCall("PUT", "Users/"+kenji, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"`+kenji+`","userName":"`+email+`","name":{"givenName":"Kenji","familyName":"Mori"},"active":false,"groups":[]}`); status != http.StatusOK || out["active"] != false {
		t.Fatalf("left: %d %v", status, out)
	}
	w.shutOut("kenji", held["kenji"])
	if !w.letIn("priya", held["priya"]) {
		t.Error("a bystander lost access")
	}
	w.recorded("person.handed_over", 2)
	w.verify()
}

// resourceID is the id of the only resource that a provider found.
func resourceID(t *testing.T, found map[string]any) string {
	t.Helper()
	list, _ := found["Resources"].([]any)
	if len(list) != 1 {
		t.Fatalf("found %v", found)
	}
	id, _ := list[0].(map[string]any)["id"].(string)
	return id
}
