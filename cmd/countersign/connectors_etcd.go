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
	if err := knownSettings(s, []string{"password"}, "url", "username", "ca_file"); err != nil {
		return nil, err
	}
	password, err1 := settingSecret(s, "password")
	roots, err2 := rest.Roots(s["ca_file"], os.ReadFile)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return opened(etcd.Open(rest.Config{URL: s["url"], Roots: roots}, s["username"], password))
}
