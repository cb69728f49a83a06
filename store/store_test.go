package store_test

import (
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Config { return storetest.Config(t) })
}

func TestPostgres(t *testing.T) {
	server := pgtest.Start(t, "fsync=off")
	storetest.Run(t, func(t *testing.T) store.Config {
		cfg := storetest.Config(t)
		cfg.DSN = server.NewDatabase(t)
		return cfg
	})
}
