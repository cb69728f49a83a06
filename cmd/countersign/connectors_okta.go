package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/okta"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func oktaParams() *spec.Params {
	both := []string{okta.ParamGroup, okta.ParamApp}
	return &spec.Params{Known: both, Either: both, Lists: both}
}

func openOkta(at opening) (runbooks.Connector, error) {
	s := at.target.Settings
	if err := knownSettings(s, []string{okta.SettingToken}, okta.SettingURL, okta.SettingScope, okta.SettingSessions, okta.SettingRoots); err != nil {
		return nil, err
	}
	token, err1 := settingSecret(s, okta.SettingToken)
	roots, err2 := rest.Roots(s[okta.SettingRoots], os.ReadFile)
	end, err3 := settingFlag(s, okta.SettingSessions)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return opened(okta.Open(okta.Config{
		Rest: rest.Config{URL: s[okta.SettingURL], Roots: roots}, Token: token, Scope: words(s[okta.SettingScope]), EndSessions: end,
	}))
}

// settingFlag reads a setting that is true or false; false where it is missing.
func settingFlag(settings map[string]string, name string) (bool, error) {
	switch s := settings[name]; s {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default:
		return false, fmt.Errorf("setting %s: %q is neither true nor false", name, s)
	}
}
