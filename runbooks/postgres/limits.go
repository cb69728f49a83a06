package postgres

import "time"

const (
	// maxIdentifier is what PostgreSQL keeps of a name (NAMEDATALEN - 1): a longer one is cut by the server without an
	// error, and would then name somebody else.
	maxIdentifier = 63

	// maxShown bounds a host or a database in the command on the card: the longest DNS name.
	maxShown = 253

	// callTimeout bounds one call, including the end of sessions, which took 0.14 s each when it was tried.
	callTimeout = 30 * time.Second

	// connectTimeout bounds the connection alone, so that one host that is down does not use up the call.
	connectTimeout = 10 * time.Second

	// statementTimeout and lockTimeout bound what a statement may wait for on the server, also when we are gone.
	statementTimeout = 20 * time.Second
	lockTimeout      = 5 * time.Second

	// pollEvery is how often sessions that were told to end are looked at.
	pollEvery = 20 * time.Millisecond

	// maxSessions bounds what is listed; the server's own max_connections is rarely above it.
	maxSessions = 1000

	// maxComment bounds a role's comment: it is shown in a form.
	maxComment = 300

	// maxLoginSessions bounds what one login that a grant made can open: a person with a few tools.
	maxLoginSessions = 10

	// scramRounds is what PostgreSQL itself takes (RFC 7677 asks for 4,096 at least); the password has 162 bits.
	scramRounds = 4096

	// listPage is how much of the catalogue is read at once: some 200 KB.
	listPage = 500

	// minVersion is the oldest server: pg_terminate_backend and the predefined roles are as used here since 14.
	minVersion = 140000
)
