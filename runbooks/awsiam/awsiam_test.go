package awsiam_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/awsiam"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

const account = "123456789012" // moto's

// world is one imitated AWS, in which every call is authorised. The bot has the rights that Permissions gives, and no more.
type world struct {
	endpoint string
	root     *awsapi.Client
	bot      awsapi.Config
	n        atomic.Int64
}

type key struct {
	ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
	Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{endpoint: runbooktest.Moto(t)}
	w.root = w.as(t, key{"root", "root"}) // nobody is authorised yet
	w.user(t, "root-admin")
	admin := w.key(t, "root-admin")
	w.iam(t, "PutUserPolicy", url.Values{"UserName": {"root-admin"}, "PolicyName": {"all"}, "PolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
	}}, nil)
	w.user(t, "bot")
	bot := w.key(t, "bot")
	w.iam(t, "PutUserPolicy", url.Values{"UserName": {"bot"}, "PolicyName": {"bot"}, "PolicyDocument": {everywhere(awsiam.Permissions(account, "", true))}}, nil)
	w.root = w.as(t, admin)
	w.bot = w.config(bot)
	resp, err := http.Post(w.endpoint+"/moto-api/reset-auth", "text/plain", strings.NewReader("0"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return w
}

// everywhere widens a policy to all resources: moto judges actions, and takes every resource for "*".
func everywhere(policy string) string {
	return regexp.MustCompile(`"Resource":\["[^"]*"\]`).ReplaceAllString(policy, `"Resource":["*"]`)
}

func (w *world) config(k key) awsapi.Config {
	return awsapi.Config{Region: "eu-central-1", KeyID: runbooks.NewSecret(k.ID), Secret: runbooks.NewSecret(k.Secret), Endpoint: w.endpoint}
}

func (w *world) as(t *testing.T, k key) *awsapi.Client {
	t.Helper()
	c, err := awsapi.Open(w.config(k))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// iam is an administrator's hand.
func (w *world) iam(t *testing.T, action string, form url.Values, out any) {
	t.Helper()
	if err := w.root.Query(t.Context(), awsapi.IAM, action, form, out); err != nil {
		t.Fatal(err)
	}
}

func (w *world) user(t *testing.T, name string) {
	t.Helper()
	w.iam(t, "CreateUser", url.Values{"UserName": {name}}, nil)
}

func (w *world) key(t *testing.T, user string) key {
	t.Helper()
	var k key
	w.iam(t, "CreateAccessKey", url.Values{"UserName": {user}}, &k)
	return k
}

// people makes four users with a key each; every system has its own.
func (w *world) people(t *testing.T) ([]string, []key) {
	t.Helper()
	var names []string
	var keys []key
	n := w.n.Add(1)
	for _, p := range []string{"maya", "jonas", "sofia", "priya"} {
		name := fmt.Sprintf("%s-%d", p, n)
		w.user(t, name)
		names, keys = append(names, name), append(keys, w.key(t, name))
	}
	return names, keys
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (w *world) open(t *testing.T, c *clock) *awsiam.Connector {
	t.Helper()
	con, err := awsiam.Open(awsiam.Config{AWS: w.bot, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = con.Close() })
	return con
}

func grant(n int, user string, at time.Time, params map[string][]string) runbooks.Grant {
	return runbooks.Grant{
		ID: workflows.GrantID(fmt.Sprintf("g_%d", n)), Request: "r_1", Identity: workflows.IdentityID("p_" + user), Holder: user, Account: user,
		Target: "aws", Entitlement: "e", Params: params, Start: at, End: at.Add(time.Hour),
	}
}

// inForce holds a policy to what AWS would make of its time condition, which moto ignores.
func (w *world) inForce(t *testing.T, user string, at time.Time) bool {
	t.Helper()
	var names struct {
		Names []string `xml:"ListUserPoliciesResult>PolicyNames>member"`
	}
	w.iam(t, "ListUserPolicies", url.Values{"UserName": {user}}, &names)
	for _, name := range names.Names {
		if d := w.policy(t, user, name); at.Before(d.ends) {
			return true
		}
	}
	return false
}

type policy struct {
	Statement []struct {
		Effect           string
		Action, Resource []string
		Condition        map[string]map[string][]string
	}
	ends time.Time
}

func (w *world) policy(t *testing.T, user, name string) policy {
	t.Helper()
	var out struct {
		Document string `xml:"GetUserPolicyResult>PolicyDocument"`
	}
	w.iam(t, "GetUserPolicy", url.Values{"UserName": {user}, "PolicyName": {name}}, &out)
	raw, err := url.PathUnescape(out.Document)
	if err != nil {
		t.Fatal(err)
	}
	var d policy
	if err := json.Unmarshal([]byte(raw), &d); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	d.ends = time.Now().AddDate(10, 0, 0)
	if when := d.Statement[0].Condition["DateLessThan"]["aws:CurrentTime"]; len(when) == 1 {
		if d.ends, err = time.Parse(time.RFC3339, when[0]); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// TestReq_R64_ActionsPass holds the connector to the contract of all connectors, on an AWS that authorises every call, the bot's as well.
// TestReq_R60_NativeExpiry shows what moto ignores.
func TestReq_R64_ActionsPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		names, keys := w.people(t)
		c := &clock{at: time.Now().UTC().Truncate(time.Second)}
		start := c.at
		params := map[string][]string{awsiam.ParamActions: {"sns:ListTopics"}, awsiam.ParamResources: {"*"}}
		return runbooktest.System{
			Connector: w.open(t, c),
			Grant:     func(n int) runbooks.Grant { return grant(n, names[n], start, params) },
			Advance:   c.add,
			Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
				return w.lists(t, keys[slices.Index(names, g.Account)]) && w.inForce(t, g.Account, c.now())
			},
			Arrived: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt, place runbooktest.Place) string {
				s := w.policy(t, g.Account, "countersign-"+string(g.ID)).Statement[0]
				if place.Name == awsiam.ParamActions {
					return s.Action[0]
				}
				return s.Resource[0]
			},
			More: func(t *testing.T) []runbooktest.Sound {
				taken := grant(9, names[2], start, map[string][]string{awsiam.ParamRole: {w.role(t, "taken-"+names[2])}})
				return []runbooktest.Sound{{Grant: taken, Arrived: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt, _ runbooktest.Place) string {
					return w.policy(t, g.Account, "countersign-"+string(g.ID)).Statement[0].Resource[0]
				}}}
			},
			Words: filepath.Join("testdata", "words.txt"),
			Foreign: func(t *testing.T, g runbooks.Grant) {
				w.iam(t, "PutUserPolicy", url.Values{"UserName": {g.Account}, "PolicyName": {"by-hand"}, "PolicyDocument": {
					`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sns:ListTopics"],"Resource":["*"]}]}`,
				}}, nil)
			},
			Rotation: func(t *testing.T) runbooktest.Turning {
				id := keys[0].ID
				old := "key " + names[0] + "/…" + id[len(id)-6:]
				return runbooktest.Turning{
					Order: runbooks.Rotation{ID: "rot_1", Account: names[0], Old: old}, Account: old,
					Old: func(t *testing.T) bool { return w.knows(t, keys[0]) },
					New: func(t *testing.T, secret, _ string) bool {
						id, word, _ := strings.Cut(secret, ":")
						return w.knows(t, key{id, word})
					},
				}
			},
		}
	})
}

// lists tries the action with the user's own key.
func (w *world) lists(t *testing.T, k key) bool {
	t.Helper()
	return w.call(t, aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret}, "sns", url.Values{"Action": {"ListTopics"}, "Version": {"2010-03-31"}}, nil) == http.StatusOK
}

// knows tells whether AWS knows whose key signs.
func (w *world) knows(t *testing.T, k key) bool {
	t.Helper()
	return w.call(t, aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret}, "sts", url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}}, nil) == http.StatusOK
}

// call signs a call as a person's program does.
func (w *world) call(t *testing.T, creds aws.Credentials, service string, form url.Values, out any) int {
	t.Helper()
	body := form.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.endpoint+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, req, hex.EncodeToString(sum[:]), service, "eu-central-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if out != nil && resp.StatusCode == http.StatusOK {
		if err := xml.NewDecoder(resp.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode
}

// TestReq_R69_UsersAndKeysAreDiscovered: a user, and each of its keys by the end of its id, which is all of it that is kept.
func TestReq_R69_UsersAndKeysAreDiscovered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names, keys := w.people(t)
	second := w.key(t, names[0])
	w.iam(t, "TagUser", url.Values{"UserName": {names[0]}, "Tags.member.1.Key": {"Owner"}, "Tags.member.1.Value": {"team uploads"}}, nil)
	got := map[string]runbooks.Discovered{}
	for x, err := range w.open(t, &clock{at: time.Now()}).Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got[x.Ref] = x
	}
	if x := got["user "+names[0]]; x.Name != names[0] || x.Owner != "team uploads" || x.MadeAt.IsZero() {
		t.Errorf("the user: %+v", x)
	}
	for _, id := range []string{keys[0].ID, second.ID} {
		x := got["key "+names[0]+"/…"+id[len(id)-6:]]
		if x.Kind != "api_key" || x.Of != "user "+names[0] || x.Facts["last_four"] != id[len(id)-4:] || x.MadeAt.IsZero() {
			t.Errorf("a key: %+v", x)
		}
		if strings.Contains(fmt.Sprint(x), id) {
			t.Errorf("the whole id of a key is told: %+v", x)
		}
	}
}
