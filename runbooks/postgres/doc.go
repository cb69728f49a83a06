// Package postgres grants membership of a PostgreSQL role to a login role that exists already, takes it back, ends the
// sessions that could still be using it, and reads the catalogue back.
//
// PostgreSQL has no expiry for memberships: the access ends when Revoke is called, and a session that did SET ROLE keeps
// the role after REVOKE until it is terminated.
//
// Whose membership is ours is told by its grantor. One that somebody else granted is standing access: it is neither
// taken for ours nor taken away, and Check reports it as present.
//
// With the parameter login: ephemeral a grant makes a login of its own (cs_…), member of the role, with a password that only its
// holder gets, sent as a SCRAM verifier. VALID UNTIL ends it for logins by password even when nobody revokes; it says nothing to
// logins by certificate, peer or trust, so keep cs_% out of those lines of pg_hba.conf. Revoke locks it, ends its sessions, gives
// what it owns to the bot's account and drops it, in this order: a session outlives DROP ROLE and could not be found any more.
//
// ListAccess tells the memberships of all accounts, the logins of grants and superusers beside the first one. It does not see
// what is granted on single tables. Who made a membership is its grantor; when, only with track_commit_timestamp = on.
//
// The bot's account needs CREATEROLE and pg_signal_backend (and on 16 ADMIN OPTION on each role), pg_read_all_stats to see where
// sessions come from, and nothing else; Probe says what it lacks and what it has too much.
//
// Identifiers are the only foreign text in statements, quoted by pgx.Identifier; values are parameters. Each statement
// carries the grant's id in a comment and each connection in its application_name, so that the server's own log leads
// back to the grant.
//
// Programs' own logins are rotated by generations: each is a login of its own, member of the role that the first login becomes,
// and in its place from log-in on (see rotate.go). Programs get the new name with the new password.
package postgres
