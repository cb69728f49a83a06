// Package webhook lets a service of the operator's own make access, take it back and read it back, by signed HTTPS calls as
// Standard Webhooks (https://www.standardwebhooks.com) describes them. It is for systems that no other connector speaks to.
//
// # A target
//
//	id: crm
//	title: CRM
//	connector: webhook
//	owner: jonas
//	environment: production
//	data_class: internal
//	settings:
//	  url: https://access.crm.example.com/countersign
//	  secret_file: /etc/countersign/crm.secret
//	  timeout_seconds: "60"
//	  revoke_leaves: Pages that are open in a browser stay until they are reloaded.
//
// secret_file, or secret_env, holds whsec_ and 24 to 64 random bytes in base64. While a secret is being changed it holds the
// old and the new one, with a line between: each signs every call, and a receiver is content with either.
//
// The url is https. Its name must lead to public addresses, which is checked for each connection after the name was
// resolved; with "private_host: NAME", where NAME is the url's host again, private networks are allowed as well, and with
// "loopback_host: NAME" this machine, only, and http. Link-local addresses and those where clouds hand out credentials are
// never called. Redirects are not followed, and a proxy from the environment is not used. ca_file names a file of
// certificate authorities to be trusted instead of the system's.
//
// # What a receiver is told
//
// A POST with this JSON, where op is grant, revoke or check:
//
//	{"v":1, "op":"grant", "grant":"g_…", "request":"r_…", "identity":"p_…", "holder":"Maya Chen", "account":"maya",
//	 "target":"crm", "entitlement":"support", "params":{"team":["support"]}, "fields":{"reason":"…"},
//	 "start":"2027-03-01T09:00:00Z", "end":"2027-03-01T10:00:00Z"}
//
// request, holder, account, params and fields are left out when they are empty. Keys may be added.
//
// With the setting "comes_with: password" an order to grant also holds "secret":{"login":"…","password":"…"}: the same password each
// time the grant is asked for. The receiver sets it and keeps no more than a hash of it; the holder is handed it once, and it
// stands in no log, message or entry of ours.
//
// With the setting "lists: true" it is also asked what it can grant, by {"v":1, "op":"offers"}, and answers with what forms offer and doctor holds entitlements against:
//
//	{"offers":[{"name":"support", "params":{"team":["support"]}, "description":"Answers customers.", "account":true}]}
//
// With the setting "tries: true" drills ask it to use a canary's access as its holder would: op is try, the order is otherwise that to grant (with the password,
// where one comes with it), and the answer that to a check: present when the canary is let in, absent when it is refused. Without it drills read back only.
//
// The headers webhook-id, webhook-timestamp and webhook-signature are those of the specification: the signature is "v1,"
// and the base64 of HMAC-SHA256 over "id.timestamp.body"; several stand with spaces between. A receiver verifies one of them
// and refuses a timestamp more than five minutes away. The id of a grant and of a revocation is the same each time it is
// asked for ("grant_g_…", "revoke_g_…"), and also stands in the header idempotency-key; a check has a new one each time.
//
// # What it answers
//
//	200, 201, 204  done; for a check, the presence
//	202            in progress
//	401, 403, 404, 405, 410, 413, 415, 3xx   the operator must mend something
//	408, 425, 429, 5xx, no answer            unknown: reading back decides, and the call comes again
//	409, 422 and every other 4xx             refused: the requester is told
//
// The body is empty or one JSON object of at most 128 KiB with the keys ref, facts, personal, use (steps, command, host,
// files), text, presence and poll, all optional:
//
//	{"ref":"seat 4711", "facts":{"team":"support"}, "use":{"steps":["Sign in as always."], "host":"crm.example.com"}}
//	{"text":"the team support has no free seat"}
//	{"presence":"unconfirmed", "text":"2 of 3 regions have it"}
//	{"poll":"/countersign/jobs/17"}
//
// facts stand in the ledger for ever, personal is sealed there, use is shown to the holder, and text to people. None of them
// may hold a secret: what looks like one is taken out. presence is present, absent or unconfirmed.
//
// With 202, poll names a place on the same scheme, host and port. It is asked with a signed GET (empty body, the id of the
// order) every poll_seconds, 2 by default, until it answers something else than 202, as the order itself would have been
// answered. Without poll, or when timeout_seconds are over, the order comes again later under the same id.
//
// # What is asked of it
//
//   - grant with a grant's id that was granted changes nothing and answers the same; with another end or account under the
//     same id, it refuses with 409.
//   - revoke of what is not there succeeds; and it looks, instead of answering from memory because it knows the id: access
//     may have come back behind our back.
//   - check looks at the thing itself.
//   - calls may come twice, and at the same time.
//
// The connector decides nothing, knows no service, and keeps nothing.
package webhook
