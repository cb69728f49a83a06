package awssso_test

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/awssso"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// TestReq_R72_CloudTrailNamesTheGrant: CloudTrail keeps the caller's user agent with every change, which names grant and holder.
func TestReq_R72_CloudTrailNamesTheGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := grant(0, w.set(t))
	g.Holder = "Maya Chen"
	runbooktest.Told(t, w.open(t), g, func() []string {
		w.slow.mu.Lock()
		defer w.slow.mu.Unlock()
		out := w.slow.heard
		w.slow.heard = nil
		return out
	})
}

// TestReq_R64_OffersAndPlans: every permission set of the instance is offered on the accounts of scope, by its name; a plan says what changes, and that a group
// gives the same already.
func TestReq_R64_OffersAndPlans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.set(t)
	c := w.open(t)
	found := false
	for o, err := range c.ListOffers(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found = found || o.Name == account+" Set1" && o.Params[awssso.ParamSet][0] == set && o.Params[awssso.ParamAccount][0] == account
	}
	if !found {
		t.Error("the permission set is not offered")
	}
	plan, err := c.Plan(t.Context(), grant(0, set))
	if err != nil || len(plan.Changes) != 1 || !strings.Contains(plan.Changes[0], "maya is assigned the permission set Set1 on the AWS account "+account) || len(plan.Standing) != 0 {
		t.Errorf("%+v (%v)", plan, err)
	}
	var group struct{ GroupId string }
	w.call(t, awsapi.IdentityStore, "AWSIdentityStore.CreateGroup", map[string]any{"IdentityStoreId": store, "DisplayName": "operators"}, &group)
	w.call(t, awsapi.IdentityStore, "AWSIdentityStore.CreateGroupMembership", map[string]any{
		"IdentityStoreId": store, "GroupId": group.GroupId, "MemberId": map[string]string{"UserId": w.ids["maya"]},
	}, nil)
	w.call(t, awsapi.SSO, "SWBExternalService.CreateAccountAssignment", map[string]any{
		"InstanceArn": w.instance, "TargetId": account, "TargetType": "AWS_ACCOUNT", "PermissionSetArn": set, "PrincipalType": "GROUP", "PrincipalId": group.GroupId,
	}, nil)
	for n, want := range []int{1, 0} { // maya is in the group, jonas is not
		if plan, err := c.Plan(t.Context(), grant(n, set)); err != nil || len(plan.Standing) != want {
			t.Errorf("person %d: %+v (%v)", n, plan, err)
		}
	}
	stranger := grant(0, set)
	stranger.Account = "nobody"
	if _, err := c.Plan(t.Context(), stranger); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("a plan for nobody: %v", err)
	}
}

// TestReq_R75_TooMuch: doctor proves by AWS's simulation that the bot may not change permission sets or people, and finds it where it may.
func TestReq_R75_TooMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(t)
	for _, x := range []struct {
		may  []string
		want string
	}{
		{[]string{}, ""}, {[]string{"sso:ListAccountAssignments"}, ""}, {[]string{"sso:CreatePermissionSet"}, "the bot has the right sso:CreatePermissionSet, which it does not need"},
	} {
		w.slow.mu.Lock()
		w.slow.may = x.may
		w.slow.mu.Unlock()
		bad, proven := "", false
		for _, f := range c.Probe(t.Context()) {
			if !f.OK {
				bad += f.What
			}
			proven = proven || strings.HasPrefix(f.What, "by AWS's simulation")
		}
		if bad != x.want || proven == (x.want != "") {
			t.Errorf("may %v: %q, proven %v", x.may, bad, proven)
		}
	}
}
