package desk_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// R23: owner, purpose and end are all needed, and each is one that can be: an active full member or a team with two of them at least, a purpose that
// says something, and an end within a year. What is refused leaves the identity as it was.
func TestReq_R23_OwnerPurposeAndEndAreWhatTheyMustBe(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		d.groups["one"], d.groups["two"], d.groups["half"] = persons("ivy"), persons("ivy", "ida"), persons("ivy", "gus")
	})
	x.dir.is("gus", guest)
	x.says("svc-found", func(e *identities.Entry) { e.Owner, e.Backup, e.Purpose, e.Expires = "", "", "", 0 })
	const purpose = "Copies the orders of the day."
	end := x.now().Add(100 * 24 * time.Hour)
	for _, c := range []struct {
		name, to, purpose string
		end               workflows.Stamp
		want              string
	}{
		{"a guest", "p_gus", purpose, end, workflows.CodeGuest},
		{"nobody on record", "p_mallory", purpose, end, workflows.CodeBadField},
		{"another identity", "svc-deploy", purpose, end, workflows.CodeBadField},
		{"a team that is not there", "group:none", purpose, end, workflows.CodeBadField},
		{"a team of one", "group:one", purpose, end, workflows.CodeNobody},
		{"a team of two, one of them a guest", "group:half", purpose, end, workflows.CodeNobody},
		{"no purpose", "p_ivy", "", end, workflows.CodeBadField},
		{"a word for a purpose", "p_ivy", "deploys", end, workflows.CodeBadField},
		{"no end", "p_ivy", purpose, 0, workflows.CodeBadField},
		{"an end that is over", "p_ivy", purpose, x.now(), workflows.CodeBadField},
		{"an end beyond a year", "p_ivy", purpose, x.now().Add(identities.MaxLife + time.Hour), workflows.CodeCap},
		{"a team of two", "group:two", purpose, end, ""},
	} {
		_, before := x.identity("svc-found")
		x.identityDo("sam", desk.IdentityCommand{Identity: "svc-found", Do: desk.DoClaim, To: c.to, Expires: c.end, Says: identities.Entry{Purpose: c.purpose}}, c.want)
		after, e := x.identity("svc-found")
		if done := after.Row().State == workflows.IdentityActive; done != (c.want == "") {
			t.Errorf("%s: the identity is %s", c.name, after.Row().State)
		}
		if c.want != "" {
			same(t, c.name, before, e)
		}
	}
}
