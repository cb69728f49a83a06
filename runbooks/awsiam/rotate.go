package awsiam

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
)

// turned reads an order: whose key is replaced, and which one. The inventory names a key as Discover does, and an account by its user, who then has one key
// beside the one that the order made.
func (c *Connector) turned(ctx context.Context, r runbooks.Rotation, made string) (user, old string, keys []accessKey, err error) {
	user, old = r.Account, r.Old
	if rest, ok := strings.CutPrefix(user, "key "); ok && old == "" {
		at := strings.LastIndex(rest, "/…")
		if at < 0 {
			return "", "", nil, refuse("%.80q is no access key as this target lists it", user)
		}
		user, old = rest[:at], user
	}
	if keys, err = c.keys(ctx, user); err != nil || old != "" {
		return user, old, keys, err
	}
	for _, k := range keys {
		if ref := keyRef(user, k.ID); ref != made {
			if old != "" {
				return "", "", nil, refuse("the user has several access keys: name the one to replace, as countersign identities shows it")
			}
			old = ref
		}
	}
	return user, old, keys, nil
}

// Renew makes a second access key for the user. AWS shows it once and lets a user have two: when a call is repeated without what the one before
// answered, the key that is not the one to retire was made by it, nobody has it, and it makes room.
func (c *Connector) Renew(ctx context.Context, r runbooks.Rotation) (runbooks.Renewed, error) {
	made, _, whole := strings.Cut(r.Secret.Reveal(), ":")
	user, old, keys, err := c.turned(ctx, r, keyRef(r.Account, made))
	if err != nil {
		return runbooks.Renewed{}, err
	}
	if !slices.ContainsFunc(keys, func(k accessKey) bool { return keyRef(user, k.ID) == old }) {
		return runbooks.Renewed{}, refuse("the user has no access key %s", old)
	}
	for _, k := range keys {
		if keyRef(user, k.ID) == old || len(keys) < 2 {
			continue
		}
		if whole && k.ID == made { // made, kept and perhaps tried already
			return runbooks.Renewed{Ref: keyRef(user, made), Secret: r.Secret}, nil
		}
		if used, err := c.discoveredKey(ctx, user, k); err != nil || !used.LastUsed.IsZero() {
			return runbooks.Renewed{}, refuse("the user has a second access key that is in use: there is no room for a new one")
		}
		if err := c.deleteKey(ctx, user, k.ID); err != nil {
			return runbooks.Renewed{}, err
		}
	}
	var out struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	if err := c.api.Query(ctx, awsapi.IAM, "CreateAccessKey", url.Values{"UserName": {user}}, &out); err != nil {
		return runbooks.Renewed{}, err
	}
	if out.ID == "" || out.Secret == "" {
		return runbooks.Renewed{}, runbooks.Errorf(runbooks.Broken, nil, "AWS made an access key and did not show it")
	}
	return runbooks.Renewed{Ref: keyRef(user, out.ID), Secret: runbooks.NewSecret(out.ID + ":" + out.Secret)}, nil
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
	if user := who.ARN[strings.LastIndex(who.ARN, "/")+1:]; user == "" || n.Ref != keyRef(user, id) || r.Account != user && !strings.HasPrefix(r.Account, "key "+user+"/…") {
		return runbooks.Errorf(runbooks.Broken, nil, "the new access key belongs to somebody else")
	}
	return nil
}

// Retire deletes the old key. Inactive would be softer, but a key that is only inactive can be switched on again.
func (c *Connector) Retire(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	user, old, keys, err := c.turned(ctx, r, n.Ref)
	switch {
	case err != nil:
		return err
	case n.Ref == "" || n.Ref == old:
		return refuse("the old access key and the new one are the same")
	}
	for _, k := range keys {
		if keyRef(user, k.ID) == old {
			return c.deleteKey(ctx, user, k.ID)
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
