package main

import (
	"os"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/kubernetes"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func kubernetesParams() *spec.Params {
	return &spec.Params{
		Known: []string{
			kubernetes.ParamNamespace, kubernetes.ParamClusterRole, kubernetes.ParamRole, kubernetes.ParamSubject, kubernetes.ParamServiceAccount,
			kubernetes.ParamAudience,
		},
		Needed: []string{kubernetes.ParamNamespace},
		Lists:  []string{kubernetes.ParamNamespace, kubernetes.ParamRole, kubernetes.ParamClusterRole},
	}
}

func openKubernetes(at opening) (runbooks.Connector, error) {
	settings := at.target.Settings
	token := func() (runbooks.Secret, error) { return settingSecret(settings, kubernetes.SettingToken) }
	if _, err := token(); err != nil {
		return nil, err
	}
	cfg, err := kubernetes.ReadSettings(settings, token, os.ReadFile)
	if err != nil {
		return nil, err
	}
	cfg.Now = wall(at.clock)
	return opened(kubernetes.Open(cfg))
}
