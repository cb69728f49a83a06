package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/countersign-bot/countersign/runbooks"
)

// states gives the words for the answers that are expected; what is not here is told by its class.
var states = map[string]struct {
	class runbooks.Class
	words string
}{
	"28000": {runbooks.Broken, "the database does not let the bot's account in"},
	"28P01": {runbooks.Broken, "the database refuses the bot's password"},
	"3D000": {runbooks.Broken, "the database that the bot is configured for does not exist"},
	"42501": {runbooks.Broken, "the bot's account lacks the right to do this (it needs CREATEROLE and pg_signal_backend)"},
	"42704": {runbooks.Refuse, "the role or the account does not exist"},
	"42939": {runbooks.Refuse, "the name is one that the server keeps for itself"},
	"0LP01": {runbooks.Refuse, "the account and the role would be members of each other"},
	"53300": {runbooks.Retry, "the database has no connection left"},
	"55P03": {runbooks.Retry, "the role is locked by somebody else"},
	"57014": {runbooks.Retry, "the statement was cancelled"},
	"23505": {runbooks.Retry, "somebody else changed the same membership at the same time"},
	"25006": {runbooks.Retry, "the database is read-only (a standby?)"},
}

// classify makes an error of the driver one that can be kept: only the code and our own words, because messages and
// details quote names, rows and connection strings.
func classify(what string, err error) error {
	if err == nil {
		return nil
	}
	var classed *runbooks.Error
	if errors.As(err, &classed) {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return runbooks.Errorf(runbooks.Retry, err, "%s: the database did not answer in time", what)
		}
		return runbooks.Errorf(runbooks.Retry, err, "%s: the database could not be reached", what)
	}
	if s, ok := states[pg.Code]; ok {
		return runbooks.Errorf(s.class, err, "%s: %s (SQLSTATE %s)", what, s.words, pg.Code)
	}
	return runbooks.Errorf(classOf(pg.Code), err, "%s: the database answered with an error (SQLSTATE %s)", what, safeCode(pg.Code))
}

// classOf judges a code by its first two characters (PostgreSQL manual, appendix A).
func classOf(code string) runbooks.Class {
	for _, prefix := range []string{"08", "40", "53", "55", "57", "58", "XX"} {
		if strings.HasPrefix(code, prefix) {
			return runbooks.Retry
		}
	}
	return runbooks.Broken
}

// safeCode keeps a foreign server from writing into our texts.
func safeCode(code string) string {
	for _, r := range code {
		if !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z') {
			return "unreadable"
		}
	}
	return fmt.Sprintf("%.5s", code)
}
