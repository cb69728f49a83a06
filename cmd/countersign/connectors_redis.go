package main

import (
	"os"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/redis"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func redisParams() *spec.Params {
	both := []string{redis.ParamRules, redis.ParamRole}
	return &spec.Params{Known: both, Either: both, Lists: []string{redis.ParamRole}, Makes: true, Scopes: true}
}

func openRedis(at opening) (runbooks.Connector, error) {
	password, err := settingSecret(at.target.Settings, redis.SettingPassword)
	if err != nil {
		return nil, err
	}
	return opened(redis.Open(at.target.Settings, password, os.ReadFile))
}
