package main

import (
	"errors"
	"os"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/awsiam"
	"github.com/countersign-bot/countersign/runbooks/awssso"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func awsiamParams() *spec.Params {
	return &spec.Params{
		Known:  []string{awsiam.ParamActions, awsiam.ParamResources, awsiam.ParamRole},
		Either: []string{awsiam.ParamActions, awsiam.ParamRole}, Lists: []string{awsiam.ParamRole},
	}
}

func awsssoParams() *spec.Params {
	both := []string{awssso.ParamAccount, awssso.ParamSet}
	return &spec.Params{Known: both, Needed: both, Lists: both}
}

// awsConfig reads what both connectors to AWS need; more are the settings that one of them knows beside that.
func awsConfig(settings map[string]string, more ...string) (awsapi.Config, error) {
	secrets := []string{awsapi.SettingKeyID, awsapi.SettingSecret, awsapi.SettingToken}
	plain := append([]string{awsapi.SettingRegion, awsapi.SettingRole, awsapi.SettingEndpoint, awsapi.SettingRoots}, more...)
	if err := knownSettings(settings, secrets, plain...); err != nil {
		return awsapi.Config{}, err
	}
	id, err1 := settingSecret(settings, awsapi.SettingKeyID)
	secret, err2 := settingSecret(settings, awsapi.SettingSecret)
	token, err3 := settingSecretOr(settings, awsapi.SettingToken)
	roots, err4 := rest.Roots(settings[awsapi.SettingRoots], os.ReadFile)
	return awsapi.Config{
		Region: settings[awsapi.SettingRegion], KeyID: id, Secret: secret, Token: token, Role: settings[awsapi.SettingRole],
		Endpoint: settings[awsapi.SettingEndpoint], Roots: roots,
	}, errors.Join(err1, err2, err3, err4)
}

func openAWSIAM(at opening) (runbooks.Connector, error) {
	cfg, err := awsConfig(at.target.Settings, awsiam.SettingBoundary)
	if err != nil {
		return nil, err
	}
	return opened(awsiam.Open(awsiam.Config{AWS: cfg, Boundary: at.target.Settings[awsiam.SettingBoundary], Now: wall(at.clock)}))
}

func openAWSSSO(at opening) (runbooks.Connector, error) {
	s := at.target.Settings
	cfg, err := awsConfig(s, awssso.SettingInstance, awssso.SettingStore, awssso.SettingScope)
	if err != nil {
		return nil, err
	}
	return opened(awssso.Open(awssso.Config{AWS: cfg, Instance: s[awssso.SettingInstance], Store: s[awssso.SettingStore], Scope: words(s[awssso.SettingScope])}))
}
