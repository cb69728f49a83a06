package awssso_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/awssso"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

const (
	store   = "d-1111222233"
	account = "123456789012"
)

var people = []string{"maya", "jonas", "sofia", "priya"}

// slow stands before moto, which has every assignment at once, and answers as AWS does: in progress, until it was asked
// some times. An order that it was told to fail fails.
type slow struct {
	*httptest.Server
	mu    sync.Mutex
	polls map[string]int // by order
	tasks int            // questions until an order is done
	each  func()         // runs before each answer that one is at work
	fail  bool
	down  bool
	asked atomic.Int64
	heard []string // who called, of changes
	may   []string // actions that the simulation of the bot's policies allows, which moto has not
}

const wanted = 2 // questions until an order is done, unless a test says otherwise

func newSlow(t *testing.T, to string) *slow {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	s := &slow{polls: map[string]int{}, tasks: wanted, each: func() {}}
	proxy := httputil.NewSingleHostReverseProxy(u)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // calls that are cut short
	proxy.ModifyResponse = func(r *http.Response) error {
		if target := r.Request.Header.Get("X-Amz-Target"); r.StatusCode != http.StatusOK || !strings.Contains(target, "AccountAssignment") || strings.Contains(target, "List") {
			return nil
		}
		return s.unfinish(r)
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		down := s.down
		if target := r.Header.Get("X-Amz-Target"); strings.Contains(target, "CreateAccountAssignment") || strings.Contains(target, "DeleteAccountAssignment") {
			s.heard = append(s.heard, r.UserAgent())
		}
		s.mu.Unlock()
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && s.simulates(w, r) {
			return
		}
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// simulates tells whether it dealt with the call.
func (s *slow) simulates(w http.ResponseWriter, r *http.Request) bool {
	raw, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(raw))
	form, err := url.ParseQuery(string(raw))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || form.Get("Action") != "SimulatePrincipalPolicy" || s.may == nil {
		return false
	}
	fmt.Fprint(w, "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults>")
	for name, values := range form {
		if strings.HasPrefix(name, "ActionNames.member.") {
			decision := map[bool]string{true: "allowed", false: "implicitDeny"}[slices.Contains(s.may, values[0])]
			fmt.Fprintf(w, "<member><EvalActionName>%s</EvalActionName><EvalDecision>%s</EvalDecision></member>", values[0], decision)
		}
	}
	fmt.Fprint(w, "</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>")
	return true
}

// unfinish makes an answer one of an order that is still at work.
func (s *slow) unfinish(r *http.Response) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var body map[string]map[string]any
	if err := json.Unmarshal(raw, &body); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, x := range body {
		id, _ := x["RequestId"].(string) // which moto keeps when it takes an assignment back
		id += " " + what
		s.asked.Add(1)
		if s.polls[id]++; s.polls[id] <= s.tasks {
			s.each()
			x["Status"] = "IN_PROGRESS"
		} else if s.fail {
			x["Status"], x["FailureReason"] = "FAILED", "the account is suspended"
		}
	}
	raw, err = json.Marshal(body)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	r.Header.Set("Content-Length", fmt.Sprint(len(raw)))
	return err
}

type world struct {
	slow     *slow
	hand     *awsapi.Client
	instance string
	ids      map[string]string
	n        atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	moto := runbooktest.Moto(t)
	w := &world{slow: newSlow(t, moto), ids: map[string]string{}}
	var err error
	if w.hand, err = awsapi.Open(config(moto)); err != nil {
		t.Fatal(err)
	}
	var instances struct {
		Instances []struct{ InstanceArn string }
	}
	w.call(t, awsapi.SSO, "SWBExternalService.ListInstances", map[string]any{}, &instances)
	w.instance = instances.Instances[0].InstanceArn
	for _, p := range people {
		var out struct{ UserId string }
		w.call(t, awsapi.IdentityStore, "AWSIdentityStore.CreateUser", map[string]any{
			"IdentityStoreId": store, "UserName": p, "DisplayName": p, "Name": map[string]string{"GivenName": p, "FamilyName": p},
		}, &out)
		w.ids[p] = out.UserId
	}
	return w
}

func config(endpoint string) awsapi.Config {
	return awsapi.Config{Region: "us-east-1", KeyID: runbooks.NewSecret("bot"), Secret: runbooks.NewSecret("bot"), Endpoint: endpoint}
}

func (w *world) call(t *testing.T, service, target string, in, out any) {
	t.Helper()
	if err := w.hand.JSON(t.Context(), service, target, in, out); err != nil {
		t.Fatal(err)
	}
}

// set makes a permission set that is in use on the account.
func (w *world) set(t *testing.T) string {
	t.Helper()
	var out struct {
		PermissionSet struct{ PermissionSetArn string }
	}
	w.call(t, awsapi.SSO, "SWBExternalService.CreatePermissionSet", map[string]any{"InstanceArn": w.instance, "Name": fmt.Sprintf("Set%d", w.n.Add(1))}, &out)
	arn := out.PermissionSet.PermissionSetArn
	w.call(t, awsapi.SSO, "SWBExternalService.ProvisionPermissionSet", map[string]any{"InstanceArn": w.instance, "PermissionSetArn": arn, "TargetType": "AWS_ACCOUNT", "TargetId": account}, nil)
	return arn
}

func (w *world) open(t *testing.T) *awssso.Connector {
	t.Helper()
	c, err := awssso.Open(awssso.Config{AWS: config(w.slow.URL), Instance: w.instance, Store: store, Scope: []string{account}, Poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func grant(n int, set string) runbooks.Grant {
	start := time.Now().UTC().Truncate(time.Second)
	return runbooks.Grant{
		ID: workflows.GrantID(fmt.Sprintf("g_%d", n)), Request: "r_1", Identity: workflows.IdentityID("p_" + people[n]), Holder: people[n], Account: people[n],
		Target: "aws-sso", Entitlement: "e", Params: map[string][]string{awssso.ParamAccount: {account}, awssso.ParamSet: {set}}, Start: start, End: start.Add(time.Hour),
	}
}

// assigned asks moto, as an administrator.
func (w *world) assigned(t *testing.T, set, person string) bool {
	t.Helper()
	var out struct {
		AccountAssignments []struct{ PrincipalId string }
	}
	w.call(t, awsapi.SSO, "SWBExternalService.ListAccountAssignments", map[string]any{"InstanceArn": w.instance, "AccountId": account, "PermissionSetArn": set}, &out)
	for _, a := range out.AccountAssignments {
		if a.PrincipalId == w.ids[person] {
			return true
		}
	}
	return false
}

// TestReq_R64_Passes holds the connector to the contract of all connectors, on moto behind a front that takes its time as AWS does.
func TestReq_R64_Passes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		set := w.set(t)
		return runbooktest.System{
			Connector: w.open(t),
			Grant:     func(n int) runbooks.Grant { return grant(n, set) },
			Works:     func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool { return w.assigned(t, set, g.Account) },
			Words:     filepath.Join("testdata", "words.txt"),
			InProgress: func(_ *testing.T, n int, each func()) {
				w.slow.mu.Lock()
				defer w.slow.mu.Unlock()
				w.slow.tasks, w.slow.each = n, each
			},
			Arrived: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt, place runbooktest.Place) string {
				t.Errorf("%v: %+v was accepted", place, g)
				return ""
			},
		}
	})
	if w.slow.asked.Load() < 10*wanted {
		t.Errorf("orders were asked about %d times: nothing was ever in progress", w.slow.asked.Load())
	}
}

// TestFault_F26_InProgress: an order that is still at work when the call ends is an unknown outcome; the next call finds it done. One that
// fails is told with AWS's words.
func TestFault_F26_InProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.set(t)
	c, err := awssso.Open(awssso.Config{AWS: config(w.slow.URL), Instance: w.instance, Store: store, Scope: []string{account}, Poll: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for ctx.Err() == nil && !w.assignedOr(ctx, set) {
		}
	}()
	if _, err := c.Grant(ctx, grant(0, set)); runbooks.ClassOf(err) != runbooks.Retry {
		t.Errorf("cut short while AWS is at it: %v", err)
	}
	if _, err := c.Grant(t.Context(), grant(0, set)); err != nil {
		t.Errorf("asked again: %v", err)
	}
	w.slow.mu.Lock()
	w.slow.fail = true
	w.slow.mu.Unlock()
	if _, err := w.open(t).Grant(t.Context(), grant(1, set)); runbooks.ClassOf(err) != runbooks.Retry || !strings.Contains(err.Error(), "the account is suspended") {
		t.Errorf("AWS fails: %v", err)
	}
}

// assignedOr is assigned for another goroutine than the test's: an error is a no.
func (w *world) assignedOr(ctx context.Context, set string) bool {
	var out struct{ AccountAssignments []any }
	err := w.hand.JSON(ctx, awsapi.SSO, "SWBExternalService.ListAccountAssignments", map[string]any{"InstanceArn": w.instance, "AccountId": account, "PermissionSetArn": set}, &out)
	return err == nil && len(out.AccountAssignments) > 0
}

// TestReq_R66_MadeByHand: an assignment by somebody else is listed with the user's name, not as ours, and can be taken away.
func TestReq_R66_MadeByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.set(t)
	w.call(t, awsapi.SSO, "SWBExternalService.CreateAccountAssignment", map[string]any{
		"InstanceArn": w.instance, "TargetId": account, "TargetType": "AWS_ACCOUNT", "PermissionSetArn": set, "PrincipalType": "USER", "PrincipalId": w.ids["sofia"],
	}, nil)
	c := w.open(t)
	n := 0
	for a, err := range c.ListAccess(t.Context()) {
		if err != nil || a.Account != "sofia" || a.Ours {
			t.Fatalf("%+v (%v)", a, err)
		}
		n++
		if _, err := c.RemoveAccess(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if n != 1 || w.assigned(t, set, "sofia") {
		t.Errorf("%d listed, still there %v", n, w.assigned(t, set, "sofia"))
	}
	w.slow.mu.Lock()
	w.slow.down = true
	w.slow.mu.Unlock()
	if p, err := c.Check(t.Context(), grant(0, set)); p != runbooks.Unconfirmed || err == nil {
		t.Errorf("AWS is away: %s (%v)", p, err)
	}
}
