package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
)

// resultNoOp is what OpenLDAP answers to a modification that it would have made but for the no-op control.
const resultNoOp = 0x410e

// results gives the words for the answers that are expected (RFC 4511, 4.1.9); what is not here is Broken.
var results = map[uint16]struct {
	class runbooks.Class
	words string
}{
	ldap.LDAPResultInvalidCredentials:          {runbooks.Broken, "the directory refuses the bot's password"},
	ldap.LDAPResultInappropriateAuthentication: {runbooks.Broken, "the directory does not let the bot's account in this way"},
	ldap.LDAPResultStrongAuthRequired:          {runbooks.Broken, "the directory wants a stronger way to log in"},
	ldap.LDAPResultConfidentialityRequired:     {runbooks.Broken, "the directory wants TLS"},
	ldap.LDAPResultInsufficientAccessRights:    {runbooks.Broken, "the bot's account lacks the right to do this"},
	ldap.LDAPResultNoSuchObject:                {runbooks.Broken, "the directory has no such place, or hides it from the bot's account"},
	ldap.LDAPResultConstraintViolation:         {runbooks.Refuse, "the directory's rules do not allow this"},
	ldap.LDAPResultSizeLimitExceeded:           {runbooks.Refuse, "this is more, or longer, than the directory allows"},
	ldap.LDAPResultInvalidAttributeSyntax:      {runbooks.Refuse, "the group cannot hold such a name"},
	ldap.LDAPResultObjectClassViolation:        {runbooks.Refuse, "the group cannot have such a member"},
	ldap.LDAPResultBusy:                        {runbooks.Retry, "the directory is busy"},
	ldap.LDAPResultUnavailable:                 {runbooks.Retry, "the directory is not available"},
	ldap.LDAPResultUnwillingToPerform:          {runbooks.Retry, "the directory is unwilling for now"},
	ldap.LDAPResultTimeLimitExceeded:           {runbooks.Retry, "the directory's time for this is over"},
	ldap.LDAPResultReferral:                    {runbooks.Broken, "the directory refers to another server: point the url at the one that takes writes"},
	ldap.LDAPResultOther:                       {runbooks.Retry, "the directory stumbled"},
}

// classify makes an error of the client one that can be kept: the code and our own words, because messages quote entries.
func classify(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	var classed *runbooks.Error
	if errors.As(err, &classed) {
		return err
	}
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) {
		return runbooks.Errorf(runbooks.Broken, err, "%s: the directory's certificate is not to be trusted", what)
	}
	if ctx.Err() != nil {
		return runbooks.Errorf(runbooks.Retry, errors.Join(ctx.Err(), err), "%s: the directory did not answer in time", what)
	}
	var answer *ldap.Error
	if !errors.As(err, &answer) || answer.ResultCode >= ldap.ErrorNetwork && answer.ResultCode < 0x1000 {
		return runbooks.Errorf(runbooks.Retry, err, "%s: the directory could not be reached", what)
	}
	if r, ok := results[answer.ResultCode]; ok {
		return runbooks.Errorf(r.class, err, "%s: %s (LDAP result %d)", what, r.words, answer.ResultCode)
	}
	return runbooks.Errorf(runbooks.Broken, err, "%s: the directory answered with LDAP result %d", what, answer.ResultCode)
}

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}

// is tells whether err is one of these answers of the directory.
func is(err error, codes ...uint16) bool { return ldap.IsErrorAnyOf(err, codes...) }

func resultCode(err error) string {
	var answer *ldap.Error
	if errors.As(err, &answer) {
		return fmt.Sprintf("LDAP result %d", answer.ResultCode)
	}
	return "no answer"
}
