package awsiam_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsiam"
)

// TestReq_R64_OffersAndPlans: forms offer the roles that people of the account may take on, not those of services; a plan says what will be allowed and until when,
// and what another policy gives already.
func TestReq_R64_OffersAndPlans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names, _ := w.people(t)
	c := &clock{at: time.Now().UTC().Truncate(time.Second)}
	con, role := w.open(t, c), w.role(t, "operator")
	w.iam(t, "CreateRole", url.Values{"RoleName": {"machines"}, "AssumeRolePolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	}}, nil)
	w.iam(t, "CreateRole", url.Values{"RoleName": {"elsewhere"}, "AssumeRolePolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"sts:AssumeRole"}]}`,
	}}, nil)
	var offers []string
	for o, err := range con.ListOffers(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		offers = append(offers, strings.Join(o.Params[awsiam.ParamRole], " ")+" "+o.Description)
	}
	if !slices.Equal(offers, []string{role + " policy topics"}) {
		t.Errorf("offered: %q", offers)
	}
	for arn, want := range map[string]bool{role: false, "arn:aws:iam::999999999999:role/x": true} {
		if con.IsUnlisted(t.Context(), map[string][]string{awsiam.ParamRole: {arn}}) != want {
			t.Errorf("whether %s would be listed", arn)
		}
	}
	g := grant(0, names[0], c.at, map[string][]string{awsiam.ParamActions: {"sns:ListTopics"}, awsiam.ParamResources: {"*"}})
	plan, err := con.Plan(t.Context(), g)
	want := names[0] + " may sns:ListTopics on * until " + g.End.Format(time.RFC3339)
	if err != nil || !slices.Equal(plan.Changes, []string{want}) || len(plan.Standing) != 0 {
		t.Errorf("%+v (%v)", plan, err)
	}
	w.iam(t, "PutUserPolicy", url.Values{"UserName": {names[0]}, "PolicyName": {"by-hand"}, "PolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sns:ListTopics","sns:Publish"],"Resource":"*"}]}`,
	}}, nil)
	if plan, err := con.Plan(t.Context(), g); err != nil || len(plan.Standing) != 1 || !strings.Contains(plan.Standing[0], "by-hand") {
		t.Errorf("with a policy by hand: %+v (%v)", plan, err)
	}
	g.Account = "nobody"
	if _, err := con.Plan(t.Context(), g); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("a plan for nobody: %v", err)
	}
}
