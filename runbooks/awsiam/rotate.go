package awsiam

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
)

// Renew makes a second access key for the user. AWS shows it once and lets a user have two: when a call is repeated, the
// key that is not the one to retire was made by the call before, nobody has it, and it makes room.
func (c *Connector) Renew(ctx context.Context, r runbooks.Rotation) (runbooks.Renewed, error) {
	keys, err := c.keys(ctx, r.Account)
	if err != nil {
		return runbooks.Renewed{}, err
	}
	if !slices.ContainsFunc(keys, func(k accessKey) bool { return keyRef(r.Account, k.ID) == r.Old }) {
		return runbooks.Renewed{}, refuse("the user has no access key %s", r.Old)
	}
	for _, k := range keys {
		if keyRef(r.Account, k.ID) == r.Old || len(keys) < 2 {
			continue
		}
		if used, err := c.discoveredKey(ctx, r.Account, k); err != nil || !used.LastUsed.IsZero() {
			return runbooks.Renewed{}, refuse("the user has a second access key that is in use: there is no room for a new one")
		}
		if err := c.deleteKey(ctx, r.Account, k.ID); err != nil {
			return runbooks.Renewed{}, err
		}
	}
	var out struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	if err := c.api.Query(ctx, awsapi.IAM, "CreateAccessKey", url.Values{"UserName": {r.Account}}, &out); err != nil {
		return runbooks.Renewed{}, err
	}
	if out.ID == "" || out.Secret == "" {
		return runbooks.Renewed{}, runbooks.Errorf(runbooks.Broken, nil, "AWS made an access key and did not show it")
	}
	return runbooks.Renewed{Ref: keyRef(r.Account, out.ID), Secret: runbooks.NewSecret(out.ID + ":" + out.Secret)}, nil
}

// Prove asks AWS who the new key is.
func (c *Connector) Prove(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	id, secret, ok := strings.Cut(n.Secret.Reveal(), ":")
	if !ok {
		return runbooks.Errorf(runbooks.Broken, nil, "the new access key is not at hand")
	}
	as, err := c.api.As(runbooks.NewSecret(id), runbooks.NewSecret(secret))
	if err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "the new access key is not one")
	}
	defer as.Close()
	who, err := as.Whoami(ctx)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(who.ARN, "/"+r.Account) {
		return runbooks.Errorf(runbooks.Broken, nil, "the new access key belongs to somebody else")
	}
	return nil
}

// Retire deletes the old key. Inactive would be softer, but a key that is only inactive can be switched on again.
func (c *Connector) Retire(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	if n.Ref == r.Old {
		return refuse("the old access key and the new one are the same")
	}
	keys, err := c.keys(ctx, r.Account)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if keyRef(r.Account, k.ID) == r.Old {
			return c.deleteKey(ctx, r.Account, k.ID)
		}
	}
	return nil
}

func (c *Connector) deleteKey(ctx context.Context, user, id string) error {
	err := c.api.Query(ctx, awsapi.IAM, "DeleteAccessKey", url.Values{"UserName": {user}, "AccessKeyId": {id}}, nil)
	if awsapi.Is(err, "NoSuchEntity") {
		return nil
	}
	return err
}
