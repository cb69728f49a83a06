// Package postgres grants membership of a PostgreSQL role to a login role that exists already, takes it back, ends the
// sessions that could still be using it, and reads the catalogue back.
//
// PostgreSQL has no expiry for memberships: the access ends when Revoke is called, and a session that did SET ROLE keeps
// the role after REVOKE until it is terminated.
//
// Whose membership is ours is told by its grantor. One that somebody else granted is standing access: it is neither
// taken for ours nor taken away, and Check reports it as present.
//
// Identifiers are the only foreign text in statements, quoted by pgx.Identifier; values are parameters. Each statement
// carries the grant's id in a comment and each connection in its application_name, so that the server's own log leads
// back to the grant.
package postgres
