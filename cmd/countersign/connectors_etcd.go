package main

import (
	"errors"
	"os"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/etcd"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func etcdParams() *spec.Params {
	role := []string{etcd.ParamRole}
	return &spec.Params{Known: role, Needed: role, Lists: role, Scopes: true}
}

func openEtcd(at opening) (runbooks.Connector, error) {
	s := at.target.Settings
	if err := knownSettings(s, []string{"password", "canary_password"}, "url", "username", "ca_file", "canary_reads"); err != nil {
		return nil, err
	}
	password, err1 := settingSecret(s, "password")
	roots, err2 := rest.Roots(s["ca_file"], os.ReadFile)
	canary, err3 := settingSecretOr(s, "canary_password")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	con, err := etcd.Open(rest.Config{URL: s["url"], Roots: roots}, s["username"], password)
	if err == nil {
		err = con.Drill(etcd.Canary{Password: canary, Reads: s["canary_reads"]})
	}
	return opened(con, err)
}
