package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/vault"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func vaultParams() *spec.Params {
	return &spec.Params{
		Known:  []string{vault.ParamPath, vault.ParamPolicies, vault.ParamPrincipals, vault.ParamName, vault.ParamField},
		Needed: []string{vault.ParamPath}, Lists: []string{vault.ParamPath},
	}
}

func openVault(at opening) (runbooks.Connector, error) {
	s := at.target.Settings
	err := knownSettings(s, []string{vault.SettingToken},
		vault.SettingURL, vault.SettingEngine, vault.SettingNamespace, vault.SettingTokenRole, vault.SettingWrap, vault.SettingScope, vault.SettingRoots)
	if err != nil {
		return nil, err
	}
	if at.cfg.Data == "" {
		return nil, errors.New("the register of what Vault gave needs " + prefix + "_DATA")
	}
	token, err1 := settingSecret(s, vault.SettingToken)
	roots, err2 := rest.Roots(s[vault.SettingRoots], os.ReadFile)
	wrap := 0
	var err3 error
	if text := s[vault.SettingWrap]; text != "" {
		if wrap, err3 = strconv.Atoi(text); err3 != nil || wrap < 1 {
			err3 = fmt.Errorf("setting %s: %q is not a number of seconds", vault.SettingWrap, text)
		}
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return vault.Open(vault.Config{
		Rest: rest.Config{URL: s[vault.SettingURL], Roots: roots}, Token: token, Engine: s[vault.SettingEngine], Namespace: s[vault.SettingNamespace],
		TokenRole: s[vault.SettingTokenRole], Wrap: time.Duration(wrap) * time.Second, Scope: words(s[vault.SettingScope]),
		Dir: filepath.Join(at.cfg.Data, "vault", string(at.target.ID)), Now: wall(at.clock),
	})
}
