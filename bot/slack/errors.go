package slack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// RateLimited says that nothing happened and when to ask again. The pause is per method.
type RateLimited struct {
	Method     string
	RetryAfter time.Duration
}

func (e *RateLimited) Error() string {
	return fmt.Sprintf("calling %s: Slack asks to wait %v", e.Method, e.RetryAfter)
}

// Permanent says that nothing happened and that the same call will never succeed. Details are Slack's own words about blocks that are
// not valid; they name places in the blocks, no contents.
type Permanent struct {
	Method, Code string
	Details      []string
}

func (e *Permanent) Error() string {
	if len(e.Details) > 0 {
		return fmt.Sprintf("calling %s: Slack refused: %s %q", e.Method, e.Code, e.Details)
	}
	return fmt.Sprintf("calling %s: Slack refused: %s", e.Method, e.Code)
}

// Auth says that the token may not do this: it is revoked, of the wrong type, or lacks a scope. An operator must act.
type Auth struct {
	Method, Code     string
	Needed, Provided string // scopes, with code missing_scope
}

func (e *Auth) Error() string {
	if e.Needed != "" {
		return fmt.Sprintf("calling %s: the Slack token lacks the scope %q", e.Method, e.Needed)
	}
	return fmt.Sprintf("calling %s: Slack does not accept the token: %s", e.Method, e.Code)
}

// Ambiguous says that the call may or may not have succeeded: look before doing it again.
type Ambiguous struct {
	Method, Code string // Code is Slack's word, "http_502" or empty
	Err          error
}

func (e *Ambiguous) Error() string {
	if e.Code != "" {
		return fmt.Sprintf("calling %s: it is not known whether it worked: %s", e.Method, e.Code)
	}
	return fmt.Sprintf("calling %s: it is not known whether it worked: %v", e.Method, e.Err)
}

func (e *Ambiguous) Unwrap() error { return e.Err }

// Unreached says that no connection came about: nothing happened, and the call can simply be made again.
type Unreached struct {
	Method string
	Err    error
}

func (e *Unreached) Error() string {
	return fmt.Sprintf("calling %s: Slack was not reached: %v", e.Method, e.Err)
}

func (e *Unreached) Unwrap() error { return e.Err }

// Conflict says that a view has changed since its hash was taken.
type Conflict struct{ Method string }

func (e *Conflict) Error() string { return "calling " + e.Method + ": the view has changed meanwhile" }

// Expired says that a trigger id is older than three seconds or was used.
type Expired struct{ Method, Code string }

func (e *Expired) Error() string {
	return fmt.Sprintf("calling %s: the trigger can no longer be used: %s", e.Method, e.Code)
}

// A class is what a caller can do about an error code.
type class byte

const (
	classPermanent class = iota + 1
	classAuth
	classRate
	classAmbiguous
	classConflict
	classExpired
)

// codeClass sorts Slack's error codes; 0 is a code we have never heard of, which counts as permanent: trying a call again that Slack
// answered with a definite no would repeat it for ever.
func codeClass(code string) class {
	switch code {
	case "ratelimited", "rate_limited", "message_limit_exceeded", "restricted_too_many":
		return classRate
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope", "not_allowed_token_type",
		"no_permission", "org_login_required", "ekm_access_denied", "access_denied", "team_access_not_granted", "invalid_token",
		"two_factor_setup_required", "app_not_installed", "forbidden_team", "enterprise_is_restricted", "accesslimited":
		return classAuth
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "update_failed", "fetch_members_failed",
		"file_update_failed", "team_added_to_org", "external_channel_migrating", "streaming_state_conflict",
		"list_record_comment_fetch_failed":
		return classAmbiguous
	case "hash_conflict":
		return classConflict
	case "expired_trigger_id", "exchanged_trigger_id":
		return classExpired
	}
	if slices.Contains(strings.Fields(permanentCodes), code) {
		return classPermanent
	}
	return 0
}

// slackError makes the typed error of an answer that says no.
func slackError(method string, a apiAnswer) error {
	switch codeClass(a.Error) {
	case classRate:
		return &RateLimited{Method: method, RetryAfter: retryAfterDefault}
	case classAuth:
		return &Auth{Method: method, Code: a.Error, Needed: clip(a.Needed), Provided: a.Provided}
	case classAmbiguous:
		return &Ambiguous{Method: method, Code: a.Error}
	case classConflict:
		return &Conflict{Method: method}
	case classExpired:
		return &Expired{Method: method, Code: a.Error}
	}
	return &Permanent{Method: method, Code: clip(a.Error), Details: a.Metadata.Messages}
}

// translate is the border: every error of a Web API call leaves the room through it, as one of the types above.
func translate(method string, err error) error {
	if err == nil {
		return nil
	}
	var known callError
	if errors.As(err, &known) {
		return known
	}
	return &Ambiguous{Method: method, Err: bare(err)}
}

// callError is what the types above have in common, so that translate finds them below whatever slack-go wrapped round them.
type callError interface {
	error
	calling() string
}

func (e *RateLimited) calling() string { return e.Method }
func (e *Permanent) calling() string   { return e.Method }
func (e *Auth) calling() string        { return e.Method }
func (e *Ambiguous) calling() string   { return e.Method }
func (e *Unreached) calling() string   { return e.Method }
func (e *Conflict) calling() string    { return e.Method }
func (e *Expired) calling() string     { return e.Method }

// bare takes the address out of an error: a response URL and a socket's ticket are secrets.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// unsent says whether the connection did not even come about.
func unsent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	if errors.Is(err, context.Canceled) {
		return false
	}
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}
