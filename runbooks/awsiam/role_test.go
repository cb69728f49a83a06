package awsiam_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsiam"
)

// session takes a role on as a person does and gives its credentials.
func (w *world) session(t *testing.T, k key, role, name string) (aws.Credentials, bool) {
	t.Helper()
	var out struct {
		ID     string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Token  string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {role}, "RoleSessionName": {name}}
	status := w.call(t, aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret}, "sts", form, &out)
	return aws.Credentials{AccessKeyID: out.ID, SecretAccessKey: out.Secret, SessionToken: out.Token}, status == http.StatusOK
}

func (w *world) role(t *testing.T, name string) string {
	t.Helper()
	w.iam(t, "CreateRole", url.Values{"RoleName": {name}, "AssumeRolePolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`,
	}}, nil)
	w.iam(t, "PutRolePolicy", url.Values{"RoleName": {name}, "PolicyName": {"topics"}, "PolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sns:ListTopics"],"Resource":["*"]}]}`,
	}}, nil)
	return "arn:aws:iam::" + account + ":role/" + name
}

// TestReq_R62_RoleSessionEnds: a session that was opened under a grant is refused after the revocation, although its credentials have not
// ended; TestReq_R72: its name is the grant's id. The denial goes away when no session can be left.
func TestReq_R62_RoleSessionEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names, keys := w.people(t)
	c := &clock{at: time.Now().UTC().Truncate(time.Second)}
	con, role := w.open(t, c), w.role(t, "operator")
	g := grant(0, names[0], c.at, map[string][]string{awsiam.ParamRole: {role}})
	r, err := con.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(r.Use.Command, "--role-session-name g_0") {
		t.Errorf("the card shows %q", r.Use.Command)
	}
	creds, ok := w.session(t, keys[0], role, string(g.ID))
	if !ok {
		t.Fatal("the role cannot be taken on")
	}
	list := url.Values{"Action": {"ListTopics"}, "Version": {"2010-03-31"}}
	if status := w.call(t, creds, "sns", list, nil); status != http.StatusOK {
		t.Fatalf("the session is answered %d", status)
	}
	if _, ok := w.session(t, keys[1], role, string(g.ID)); ok {
		t.Error("somebody else can take the role on")
	}
	for range 2 {
		if _, err := con.Revoke(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if status := w.call(t, creds, "sns", list, nil); status != http.StatusForbidden {
			t.Errorf("the open session is answered %d after the revocation", status)
		}
	}
	if _, ok := w.session(t, keys[0], role, string(g.ID)); ok {
		t.Error("the role can be taken on after the revocation")
	}
	c.add(13 * time.Hour)
	later := grant(2, names[1], c.at, map[string][]string{awsiam.ParamRole: {role}})
	if _, err := con.Grant(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	if _, err := con.Revoke(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	var left struct {
		Names []string `xml:"ListRolePoliciesResult>PolicyNames>member"`
	}
	w.iam(t, "ListRolePolicies", url.Values{"RoleName": {"operator"}}, &left)
	if want := []string{"topics", "countersign-ended-g_2"}; !cmp.Equal(left.Names, want) {
		t.Errorf("the role has the policies %q, want %q", left.Names, want)
	}
}

// TestReq_R60_NativeExpiry: what is written down ends by itself, and the role's grant binds the session's name.
func TestReq_R60_NativeExpiry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names, _ := w.people(t)
	c := &clock{at: time.Date(2027, 3, 1, 9, 0, 0, 999_000_000, time.UTC)}
	con := w.open(t, c)
	for i, x := range []struct {
		params    map[string][]string
		condition map[string]map[string][]string
	}{
		{
			map[string][]string{awsiam.ParamActions: {"s3:GetObject"}, awsiam.ParamResources: {"arn:aws:s3:::shop/*"}},
			map[string]map[string][]string{"DateLessThan": {"aws:CurrentTime": {"2027-03-01T10:00:00Z"}}},
		},
		{
			map[string][]string{awsiam.ParamRole: {"arn:aws:iam::" + account + ":role/x"}},
			map[string]map[string][]string{"DateLessThan": {"aws:CurrentTime": {"2027-03-01T10:00:00Z"}}, "StringEquals": {"sts:RoleSessionName": {"g_1"}}},
		},
	} {
		g := grant(i, names[i], c.at, x.params)
		if _, err := con.Grant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		got := w.policy(t, names[i], "countersign-"+string(g.ID)).Statement[0].Condition
		if diff := cmp.Diff(x.condition, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names, _ := w.people(t)
	c := &clock{at: time.Now().UTC()}
	bound, err := awsiam.Open(awsiam.Config{AWS: w.bot, Now: c.now, Boundary: "arn:aws:iam::" + account + ":policy/people"})
	if err != nil {
		t.Fatal(err)
	}
	good := map[string][]string{awsiam.ParamActions: {"s3:GetObject"}, awsiam.ParamResources: {"*"}}
	for _, x := range []struct {
		con    *awsiam.Connector
		user   string
		params map[string][]string
		words  string
	}{
		{w.open(t, c), "nobody", good, "there is no IAM user of the account's name"},
		{bound, names[0], good, "the IAM user lacks the permissions boundary that this target asks for"},
		{w.open(t, c), names[0], map[string][]string{awsiam.ParamActions: {"iam:CreateUser"}, awsiam.ParamResources: {"*"}}, `names "iam:CreateUser": what iam makes outlives the grant`},
		{w.open(t, c), names[0], map[string][]string{awsiam.ParamActions: {"*"}, awsiam.ParamResources: {"*"}}, `"actions" is not an action such as s3:GetObject`},
		{w.open(t, c), names[0], map[string][]string{awsiam.ParamActions: {"s3:GetObject"}}, "neither actions and resources nor a role alone"},
		{w.open(t, c), names[0], map[string][]string{"action": {"s3:GetObject"}}, `a parameter "action", which is not one of actions, resources, role`},
	} {
		if _, err := x.con.Grant(t.Context(), grant(0, x.user, c.at, x.params)); runbooks.ClassOf(err) != runbooks.Refuse || !strings.Contains(err.Error(), x.words) {
			t.Errorf("%v, want %s", err, x.words)
		}
	}
}

// TestReq_R75_Rights: the rights of the connector's page suffice (all other tests run with them, authorised call by call), and a root key
// is told.
func TestReq_R75_Rights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := &clock{at: time.Now().UTC()}
	for _, f := range w.open(t, c).Probe(t.Context()) {
		if !f.OK {
			t.Errorf("%+v", f)
		}
	}
	names, keys := w.people(t)
	weak, err := awsiam.Open(awsiam.Config{AWS: w.config(keys[0]), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := weak.Grant(t.Context(), grant(0, names[0], c.at, map[string][]string{awsiam.ParamActions: {"s3:GetObject"}, awsiam.ParamResources: {"*"}})); runbooks.ClassOf(err) != runbooks.Broken {
		t.Errorf("without rights: %v", err)
	}
	found := false
	for _, f := range weak.Probe(t.Context()) {
		found = found || !f.OK
	}
	if !found {
		t.Error("doctor finds nothing wrong with a key that may do nothing")
	}
}
