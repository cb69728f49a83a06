package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

const awsTarget = `id: aws
title: The AWS account
connector: awsiam
owner: jonas
environment: production
data_class: internal
settings: {region: eu-central-1, access_key_id_file: FOLDER/id, secret_access_key_file: FOLDER/secret, endpoint: 'ENDPOINT'}
entitlements:
  - {id: use, title: Use the account, description: Uses it., business_task: Repairs., review_date: 2036-01-01, longest: 4h, account: true, params: {actions: ['sns:ListTopics'], resources: ['*']}}
`

// TestReq_R41_AKeyIsReplacedAndTheInventoryKnowsTheNext: an access key on an emulated AWS, discovered with nobody to answer for it, is replaced by the library's routine through
// serve: both keys stand while readers move, the old one is deleted and read back as gone, and the identity is known by the next key: nothing new is discovered,
// and it can be replaced again.
func TestReq_R41_AKeyIsReplacedAndTheInventoryKnowsTheNext(t *testing.T) {
	t.Parallel()
	endpoint, dir, ctx := runbooktest.Moto(t), t.TempDir(), t.Context()
	admin, err := awsapi.Open(awsapi.Config{Region: "eu-central-1", KeyID: runbooks.NewSecret("root"), Secret: runbooks.NewSecret("root"), Endpoint: endpoint})
	mustSay(t, err)
	t.Cleanup(func() { _ = admin.Close() })
	mustSay(t, admin.Query(ctx, awsapi.IAM, "CreateUser", url.Values{"UserName": {"uploader"}}, nil))
	mustSay(t, admin.Query(ctx, awsapi.IAM, "CreateAccessKey", url.Values{"UserName": {"uploader"}}, nil))
	keys := func() []string { return awsKeys(ctx, t, admin) }
	first := keys()[0]
	for name, text := range map[string]string{"id": "bot", "secret": "bot"} {
		mustSay(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	files := map[string]string{"roles.yaml": jonasRoles, "targets/aws.yaml": strings.NewReplacer("FOLDER", dir, "ENDPOINT", endpoint).Replace(awsTarget)}
	routine := map[string]string{"targets/directory.yaml": ""}
	readyRoutines(t)(routine)
	files["workflows/carry-out.yaml"] = routine["workflows/carry-out.yaml"]
	files["runbooks/rotate-access-key.md"] = strings.NewReplacer("id: rotate-login", "id: rotate-access-key", "pg-main/readonly", "aws/use", "pattern: '[a-z0-9_]{1,60}'", "pattern: '.{1,120}'").
		Replace(routine["runbooks/rotate-login.md"])
	x := &ownLife{t: t, story: &story{demo: demoAsJonas(t, files)}}
	said(t, x.identityCLI(t, "discover", "aws"), "2 new") // the user, and its key
	end, id := x.clock.Now().Wall.AddDate(0, 6, 0).Format("2006-01-02"), ""
	for _, r := range x.listed(t, "orphans") {
		if r.Kind == "api_key" {
			id = string(r.ID)
		}
	}
	x.identityCLI(t, "claim", id, "-owner", "jonas", "-backup", "maya", "-purpose", "Uploads the pictures of the shop.", "-expires", end)
	for _, when := range []string{"first", "second"} {
		old := keys()[0]
		x.identityCLI(t, "rotate", id)
		run := x.turning(id)
		next, _, _ := strings.Cut(x.taken()["Secret"], ":")
		if got := keys(); len(got) != 2 || got[0] != old || got[1] != next {
			t.Errorf("%s: while readers move there are %q, want the old key %q and the one that was handed over, %q", when, got, old, next)
		}
		if when == "second" {
			x.identityCLI(t, "discover", "aws") // which sees a key that nobody knows yet
		}
		x.mustCLI(t, "runbook", "step", run, "2", "done", "-reason", "the uploader was started anew")
		said(t, x.closed(id), "account: key uploader/…"+next[len(next)-6:])
		if got := keys(); len(got) != 1 || got[0] != next || next == first {
			t.Errorf("%s: afterwards there are %q, want %q alone", when, got, next)
		}
		said(t, x.identityCLI(t, "discover", "aws"), "0 new", "0 gone")
	}
	said(t, x.mustCLI(t, "ledger", "search", "identity.rotation_closed", "-json"), `"connector"`, `"verified"`)
	if rows := x.listed(t, "list", "-target", "aws"); len(rows) != 2 {
		t.Errorf("in the inventory: %+v", rows)
	}
	mustSay(t, x.advance(ctx, time.Minute))
	x.verified(t)
}

// awsKeys are the access keys of the user, the oldest first.
func awsKeys(ctx context.Context, t *testing.T, c *awsapi.Client) []string {
	t.Helper()
	var out struct {
		Keys []struct {
			ID string `xml:"AccessKeyId"`
		} `xml:"ListAccessKeysResult>AccessKeyMetadata>member"`
	}
	mustSay(t, c.Query(ctx, awsapi.IAM, "ListAccessKeys", url.Values{"UserName": {"uploader"}}, &out))
	var ids []string
	for _, k := range out.Keys {
		ids = append(ids, k.ID)
	}
	return ids
}
