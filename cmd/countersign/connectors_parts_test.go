package main

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsiam"
	"github.com/countersign-bot/countersign/runbooks/awssso"
	programs "github.com/countersign-bot/countersign/runbooks/command"
	"github.com/countersign-bot/countersign/runbooks/etcd"
	"github.com/countersign-bot/countersign/runbooks/github"
	"github.com/countersign-bot/countersign/runbooks/kubernetes"
	"github.com/countersign-bot/countersign/runbooks/ldap"
	"github.com/countersign-bot/countersign/runbooks/okta"
	"github.com/countersign-bot/countersign/runbooks/postgres"
	"github.com/countersign-bot/countersign/runbooks/redis"
	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/runbooks/vault"
	"github.com/countersign-bot/countersign/runbooks/webhook"
	"github.com/countersign-bot/countersign/runbooks/x509"
)

// builtIn are the types behind the kinds of target that grant something.
func builtIn() map[string][]runbooks.Connector {
	return map[string][]runbooks.Connector{
		"awsiam": {(*awsiam.Connector)(nil)}, "awssso": {(*awssso.Connector)(nil)}, "command": {(*programs.Connector)(nil)}, "etcd": {(*etcd.Connector)(nil)}, "github": {(*github.Connector)(nil)},
		"kubernetes": {(*kubernetes.Connector)(nil)}, "ldap": {(*ldap.Connector)(nil)}, "okta": {(*okta.Connector)(nil)}, "postgres": {(*postgres.Connector)(nil)},
		"redis": {(*redis.Connector)(nil)}, "sshca": {(*sshca.Connector)(nil)}, "vault": {(*vault.Leases)(nil), (*vault.Signed)(nil)},
		"webhook": {(*webhook.Connector)(nil)}, "x509": {(*x509.Target)(nil)},
	}
}

// TestReq_R64_WhatEachConnectorTells: every kind of target that grants something tells what it has to grant, what granting would change and what is there, and
// lets doctor look at the bot's own rights. Those that stand for a program or a service of somebody's own tell what that lists, and cannot know the rest; doctor looks at sshca from
// outside. A new kind of target needs its row here.
func TestReq_R64_WhatEachConnectorTells(t *testing.T) {
	t.Parallel()
	types := builtIn()
	for name, kind := range connectorKinds() {
		if kind.params != nil && kind.params.Grantless {
			continue
		}
		list, ok := types[name]
		if !ok {
			t.Errorf("%s is built in and has no row in this test", name)
		}
		for _, con := range list {
			_, lists := con.(runbooks.Lister)
			_, offers := con.(runbooks.Catalog)
			_, plans := con.(runbooks.Planner)
			_, probes := con.(runbooks.Prober)
			behind := name == "command" || name == "webhook"
			if !probes && name != "sshca" || !offers || !behind && !(lists && plans) {
				t.Errorf("%s (%T): lists access %v, lists what it can grant %v, plans %v, lets doctor look %v", name, con, lists, offers, plans, probes)
			}
			if kind.params != nil && len(kind.params.Lists) == 0 {
				t.Errorf("%s lists what it can grant, and no parameter can be picked from it", name)
			}
		}
		if kind.params == nil {
			continue
		}
		for _, words := range [][]string{kind.params.Lists, kind.params.Needed, kind.params.Either} {
			for _, w := range words {
				if !slices.Contains(kind.params.Known, w) {
					t.Errorf("%s: %q is not a word that it knows", name, w)
				}
			}
		}
	}
	if extra := len(types) - len(slices.DeleteFunc(slices.Collect(maps.Keys(types)), func(n string) bool { _, ok := connectorKinds()[n]; return !ok })); extra != 0 {
		t.Errorf("%d rows of %v are built in no more", extra, reflect.TypeOf(types))
	}
}

// TestCatalogueOfTwoWords: where a form picks two words of one offer, each is picked by itself; what agrees in no other word is not offered.
func TestCatalogueOfTwoWords(t *testing.T) {
	t.Parallel()
	offer := map[string][]string{"repository": {"northwind/shop"}, "role": {"push"}}
	for _, x := range []struct {
		asked map[string][]string
		field string
		want  string
	}{
		{map[string][]string{"repository": {"${fields.repo}"}, "role": {"${fields.role}"}}, "repo", "northwind/shop"},
		{map[string][]string{"repository": {"${fields.repo}"}, "role": {"${fields.role}"}}, "role", "push"},
		{map[string][]string{"repository": {"${fields.repo}"}, "role": {"push"}}, "repo", "northwind/shop"},
		{map[string][]string{"repository": {"${fields.repo}"}, "role": {"admin"}}, "repo", ""},
	} {
		if got, _ := standsFor(x.asked, offer, x.field); got != x.want {
			t.Errorf("%v: %s is %q, want %q", x.asked, x.field, got, x.want)
		}
	}
}

// TestSessionsOfAnAgeAreSeenOnce: a server that tells how old a connection is gives another beginning at each look; it is one session. Where the beginning is
// told, a process id that is used again is another.
func TestSessionsOfAnAgeAreSeenOnce(t *testing.T) {
	t.Parallel()
	at := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	look := func(ref string, since time.Time, reckoned bool) string {
		return sessionsSeen([]runbooks.Session{{Ref: ref, Since: since, Reckoned: reckoned}})[0].Session
	}
	if a, b := look("client 3", at, true), look("client 3", at.Add(time.Second), true); a != b {
		t.Errorf("one connection is seen as %q and as %q", a, b)
	}
	if a, b := look("pid 3", at, false), look("pid 3", at.Add(time.Second), false); a == b {
		t.Errorf("two processes are both seen as %q", a)
	}
}
