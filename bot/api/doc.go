// Package api is the front door for machines: an HTTP API and an MCP server through which a workload asks for access, waits, receives and
// gives back. It speaks JSON over the bot's own web server; the OpenAPI document at /v1/openapi.json describes every route, and the tests
// hold every answer to it.
//
// # Who is asking
//
// There are no API keys. A workload brings a token that somebody else signed for it: the ID token of a CI system or cluster (OpenID Connect),
// or a JWT-SVID (SPIFFE). POST /v1/session checks it — signature by the issuer's keys, algorithm, issuer, audience, times, and every claim that
// an entry `workloads:` of identities.yaml pins — and answers with a session that acts as exactly one non-human identity of the inventory. A
// token opens one session: the ledger keeps that it was used, so that presenting it again is refused and told, also after a restart. A session
// lives an hour, is kept in memory as a hash, and ends at once when the identity, its owner or the entry under which it was opened is gone.
//
// # What it can do
//
// Ask, look, wait, withdraw, receive what was granted, give it back, list what it holds. There is nothing here that approves, denies, changes a
// document or acts for somebody else: the request is the same as a person's, with the identity as its subject and its owner as the person who
// stands behind it, and people decide. A request of another identity and one that does not exist get the same answer.
//
// POST /v1/revoke-all is the kill switch: a workload may take everything away from itself, and from anybody where its entry says kill_switch,
// which is for security's own automation. It is no tool of the MCP server.
//
// # MCP
//
// POST /mcp serves the same to AI agents as tools of the Model Context Protocol (streamable HTTP, stateless): request_access, get_request,
// wait_for_decision, fetch_credential, return_access, list_my_grants. The bearer token is a session.
package api
