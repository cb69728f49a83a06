package main

import (
	"errors"
	"os"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/github"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func githubParams() *spec.Params {
	all := []string{github.ParamRepository, github.ParamRole, github.ParamTeam}
	return &spec.Params{Known: all, Either: []string{github.ParamRepository, github.ParamTeam}, Lists: all}
}

func openGitHub(at opening) (runbooks.Connector, error) {
	s := at.target.Settings
	err := knownSettings(s, []string{github.SettingToken, github.SettingKey, settingHookSecret}, settingGitHubTasks,
		github.SettingURL, github.SettingApp, github.SettingInstallation, github.SettingScope, github.SettingSSH, github.SettingRoots)
	if err != nil {
		return nil, err
	}
	token, err1 := settingSecretOr(s, github.SettingToken)
	key, err2 := settingSecretOr(s, github.SettingKey)
	roots, err3 := rest.Roots(s[github.SettingRoots], os.ReadFile)
	_, err4 := settingFlag(s, settingGitHubTasks)
	_, err5 := settingSecretOr(s, settingHookSecret)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	return opened(github.Open(github.Config{
		Rest: rest.Config{URL: s[github.SettingURL], Roots: roots}, Token: token, App: s[github.SettingApp],
		Installation: s[github.SettingInstallation], Key: key, Scope: words(s[github.SettingScope]), SSH: s[github.SettingSSH],
	}))
}
