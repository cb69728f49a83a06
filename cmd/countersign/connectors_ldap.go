package main

import (
	"os"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/ldap"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func ldapParams() *spec.Params {
	return &spec.Params{Known: []string{ldap.ParamGroup}, Needed: []string{ldap.ParamGroup}, Lists: []string{ldap.ParamGroup}, Makes: true, Scopes: true}
}

func openLDAP(at opening) (runbooks.Connector, error) {
	password, err := settingSecret(at.target.Settings, ldap.SettingPassword)
	if err != nil {
		return nil, err
	}
	cfg, err := ldap.ReadSettings(at.target.Settings, password, os.ReadFile)
	if err != nil {
		return nil, err
	}
	if cfg.CanaryPassword, err = settingSecretOr(at.target.Settings, ldap.SettingCanary); err != nil {
		return nil, err
	}
	return opened(ldap.Open(cfg))
}
