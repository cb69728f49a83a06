package awsapi

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// The settings of a target that both connectors to AWS share.
const (
	SettingRegion   = "region"            // eu-central-1; for IAM, which is global, the partition's own is right
	SettingKeyID    = "access_key_id"     // read from _file or _env
	SettingSecret   = "secret_access_key" // read from _file or _env
	SettingToken    = "session_token"     // read from _file or _env; only with temporary credentials
	SettingRole     = "assume_role"       // ARN of a role that the bot takes on for its calls
	SettingEndpoint = "endpoint"          // instead of AWS's own addresses
	SettingRoots    = "ca_file"           // certificate authorities in PEM, instead of the system's
)

// The services that are called: the name that is signed is the one in the address.
const (
	IAM           = "iam"
	STS           = "sts"
	SSO           = "sso"
	IdentityStore = "identitystore"
)

// Config says who calls, and where.
type Config struct {
	Region        string
	KeyID, Secret runbooks.Secret
	Token         runbooks.Secret // empty, or of temporary credentials
	Role          string          // empty, or the ARN of a role that is taken on first
	Endpoint      string          // empty: AWS's own
	Roots         *x509.CertPool
}

// Client calls AWS. It is safe for concurrent use.
type Client struct {
	cfg    Config
	own    aws.Credentials
	signer *v4.Signer
	byName map[string]*rest.Client

	mu    sync.Mutex
	taken aws.Credentials // of the role
	until time.Time
}

// Code is AWS's own name for an error; it is the cause of the errors of this package.
type Code string

// Error gives the code.
func (c Code) Error() string { return string(c) }

// Is tells whether an error is AWS's answer with one of these codes.
func Is(err error, codes ...Code) bool {
	var code Code
	if !errors.As(err, &code) {
		return false
	}
	for _, c := range codes {
		if c == code {
			return true
		}
	}
	return false
}

// Open reads the configuration; it calls nobody.
func Open(cfg Config) (*Client, error) {
	if cfg.KeyID.IsZero() || cfg.Secret.IsZero() {
		return nil, errors.New("settings need access_key_id_file and secret_access_key_file, or _env")
	}
	if !runbooks.Pattern(`[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}`)(cfg.Region) {
		return nil, fmt.Errorf("setting region: %q is not one such as eu-central-1", cfg.Region)
	}
	if cfg.Role != "" && !IsARN("iam", cfg.Role) {
		return nil, fmt.Errorf("setting assume_role: %q is not the ARN of a role", cfg.Role)
	}
	c := &Client{cfg: cfg, signer: v4.NewSigner(), byName: map[string]*rest.Client{}, own: aws.Credentials{
		AccessKeyID: strings.TrimSpace(cfg.KeyID.Reveal()), SecretAccessKey: strings.TrimSpace(cfg.Secret.Reveal()), SessionToken: strings.TrimSpace(cfg.Token.Reveal()),
	}}
	for _, service := range []string{IAM, STS, SSO, IdentityStore} {
		r := rest.Config{Service: "AWS", URL: cfg.Endpoint, Roots: cfg.Roots, Sign: func(ctx context.Context, r *http.Request, body []byte) error {
			return c.sign(ctx, service, r, body)
		}}
		if r.URL == "" {
			r.URL = address(service, cfg.Region)
		}
		var err error
		if c.byName[service], err = rest.Open(r); err != nil {
			return nil, fmt.Errorf("setting endpoint: %w", err)
		}
	}
	return c, nil
}

// address is where a service of a region is reached. IAM has one address for a partition.
func address(service, region string) string {
	suffix := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		suffix += ".cn"
	}
	switch {
	case service != IAM:
		return "https://" + service + "." + region + "." + suffix
	case strings.HasPrefix(region, "cn-"):
		return "https://iam.cn-north-1." + suffix
	case strings.HasPrefix(region, "us-gov-"):
		return "https://iam.us-gov." + suffix
	}
	return "https://iam." + suffix
}

// signingRegion is the region that a signature names.
func (c *Client) signingRegion(service string) string {
	switch {
	case service != IAM:
		return c.cfg.Region
	case strings.HasPrefix(c.cfg.Region, "cn-"):
		return "cn-north-1"
	case strings.HasPrefix(c.cfg.Region, "us-gov-"):
		return "us-gov-west-1"
	}
	return "us-east-1"
}

// IsARN tells whether a text is the name of something of a service ("" for any).
func IsARN(service, s string) bool {
	parts := strings.SplitN(s, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && strings.HasPrefix(parts[1], "aws") && (service == "" || parts[2] == service) && parts[5] != "" &&
		len(s) <= 2048 && runbooks.Pattern(`[\x21-\x7e]+`)(s) && !strings.ContainsAny(s, `"\<>`)
}

// Close ends idle connections.
func (c *Client) Close() error {
	for _, r := range c.byName {
		_ = r.Close()
	}
	return nil
}

func (c *Client) sign(ctx context.Context, service string, r *http.Request, body []byte) error {
	creds, err := c.credentials(ctx, r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := c.signer.SignHTTP(ctx, creds, r, hex.EncodeToString(sum[:]), service, c.signingRegion(service), time.Now()); err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "the call to AWS could not be signed")
	}
	return nil
}

// headerOwn marks a call that is made with the bot's own credentials; it is not sent.
const headerOwn = "X-Countersign-Own"

// credentials gives those of the role, once it was taken on, or the bot's own.
func (c *Client) credentials(ctx context.Context, r *http.Request) (aws.Credentials, error) {
	own := c.cfg.Role == "" || r.Header.Get(headerOwn) != ""
	r.Header.Del(headerOwn)
	if own {
		return c.own, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.until.Add(-margin)) {
		return c.taken, nil
	}
	var out struct {
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		} `xml:"AssumeRoleResult>Credentials"`
	}
	form := url.Values{"RoleArn": {c.cfg.Role}, "RoleSessionName": {"countersign"}, "DurationSeconds": {roleLife}}
	if err := c.query(ctx, http.Header{headerOwn: {"1"}}, STS, "AssumeRole", form, &out); err != nil {
		if runbooks.ClassOf(err) == runbooks.Refuse {
			err = runbooks.Errorf(runbooks.Broken, err, "taking on the role of assume_role: %s", err)
		}
		return aws.Credentials{}, err
	}
	x := out.Credentials
	c.taken, c.until = aws.Credentials{AccessKeyID: x.AccessKeyID, SecretAccessKey: x.SecretAccessKey, SessionToken: x.SessionToken}, x.Expiration
	return c.taken, nil
}

// Query makes a call of the query protocol; out takes the XML of the answer and may be nil.
func (c *Client) Query(ctx context.Context, service, action string, form url.Values, out any) error {
	return c.query(ctx, http.Header{}, service, action, form, out)
}

func (c *Client) query(ctx context.Context, header http.Header, service, action string, form url.Values, out any) error {
	version := map[string]string{IAM: "2010-05-08", STS: "2011-06-15"}[service]
	body := url.Values{"Action": {action}, "Version": {version}}
	for k, v := range form {
		body[k] = v
	}
	r, err := c.byName[service].Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/", Body: []byte(body.Encode()), Type: "application/x-www-form-urlencoded; charset=utf-8", Header: header,
	})
	if err != nil {
		return err
	}
	if r.Status != http.StatusOK {
		var e struct {
			Code    string `xml:"Error>Code"`
			Message string `xml:"Error>Message"`
		}
		_ = xml.Unmarshal(r.Body, &e) // what cannot be read is judged by its status
		return judge(action, r.Status, e.Code, e.Message)
	}
	if out == nil {
		return nil
	}
	if err := xml.Unmarshal(r.Body, out); err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "%s: AWS's answer cannot be read", action)
	}
	return nil
}

// JSON makes a call of the JSON protocol 1.1; target is the service's name for it with the action, out may be nil.
func (c *Client) JSON(ctx context.Context, service, target string, in, out any) error {
	_, action, _ := strings.Cut(target, ".")
	r, err := c.byName[service].Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/", Body: rest.JSON(in), Type: "application/x-amz-json-1.1", Header: http.Header{"X-Amz-Target": {target}},
	})
	if err != nil {
		return err
	}
	if r.Status != http.StatusOK {
		var e struct {
			Type    string `json:"__type"`
			Code    string `json:"code"`
			Message string `json:"message"`
			Upper   string `json:"Message"`
		}
		_ = json.Unmarshal(r.Body, &e)
		code := e.Type + e.Code
		if _, short, ok := strings.Cut(e.Type, "#"); ok {
			code = short
		}
		return judge(action, r.Status, code, e.Message+e.Upper)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(r.Body, out); err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "%s: AWS's answer cannot be read", action)
	}
	return nil
}

// judge classes an error by its code first: AWS throttles with 400.
func judge(action string, status int, code, message string) error {
	words := rest.Clean(code, maxWords)
	if words == "" {
		words = fmt.Sprintf("status %d", status)
	}
	class := runbooks.Refuse
	lower := strings.ToLower(code)
	switch {
	case strings.Contains(lower, "throttl"), strings.Contains(lower, "toomanyrequests"), strings.Contains(lower, "concurrentmodification"),
		strings.Contains(lower, "conflictexception"), strings.Contains(lower, "requestlimit"), status >= 500, status == http.StatusTooManyRequests,
		lower == "expiredtoken", lower == "entitytemporarilyunmodifiable":
		class = runbooks.Retry
	case status == http.StatusForbidden, status == http.StatusUnauthorized, strings.Contains(lower, "accessdenied"), strings.Contains(lower, "unrecognizedclient"),
		strings.Contains(lower, "invalidclienttokenid"), strings.Contains(lower, "signaturedoesnotmatch"):
		class = runbooks.Broken
	case status < 400:
		class = runbooks.Broken
	}
	if m := rest.Clean(message, maxWords); m != "" && class == runbooks.Refuse {
		words += ": " + m
	}
	return runbooks.Errorf(class, Code(code), "%s: AWS answers %s", action, words)
}

// Whoami is the identity behind the credentials.
type Whoami struct {
	Account string `xml:"GetCallerIdentityResult>Account"`
	ARN     string `xml:"GetCallerIdentityResult>Arn"`
}

// Whoami asks who the calls come from.
func (c *Client) Whoami(ctx context.Context) (Whoami, error) {
	var out Whoami
	err := c.Query(ctx, STS, "GetCallerIdentity", nil, &out)
	return out, err
}

// As gives a client with other credentials for the same places, for proving a new access key.
func (c *Client) As(keyID, secret runbooks.Secret) (*Client, error) {
	cfg := c.cfg
	cfg.KeyID, cfg.Secret, cfg.Token, cfg.Role = keyID, secret, runbooks.Secret{}, ""
	return Open(cfg)
}
