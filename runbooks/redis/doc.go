// Package redis grants an account of its own on a Redis server (7 or later, or Valkey): an ACL user for one grant, with the
// entitlement's rules and a password that is handed over once. Taking it back deletes the account, which closes its
// connections; a Redis account has no expiry.
//
// The account is called countersign:GRANT:HOLDER, so that CLIENT LIST, ACL LOG and slow logs of the server lead to the grant and to the person, whose
// name stands there in ASCII ("Maya%20Chen"). The server is told the password's SHA-256 and never the password.
//
// The server forgets accounts when it restarts, unless an aclfile was saved with them. Nothing of ours is saved on granting;
// after revoking the file is saved, so that one which somebody else saved meanwhile does not bring the account back. Accounts
// are not replicated: each node is a target of its own.
//
// The bot's own account, made by an administrator, and looked at by Probe:
//
//	ACL SETUSER countersign on >PASSWORD resetkeys resetchannels -@all +ping +acl|setuser +acl|deluser +acl|getuser
//	  +acl|list +acl|save +acl|dryrun +acl|whoami +client|list +client|kill
//
// Redis cannot limit which accounts ACL SETUSER changes, so whoever has the bot's password can make accounts: that is what
// the server entrusts it with. It reads and writes no key.
//
// A target of a configuration folder:
//
//	id: cache
//	title: Cache of the shop
//	connector: redis
//	owner: ravi
//	environment: production
//	data_class: internal
//	settings:
//	  url: rediss://cache.example.org:6379
//	  username: countersign
//	  password_file: /run/secrets/cache.password
//	entitlements:
//	  - id: read-baskets
//	    title: Read baskets
//	    description: Reads the keys of baskets. Changes nothing.
//	    business_task: Finding out why a basket is wrong.
//	    review_date: 2036-01-01
//	    longest: 4h
//	    params:
//	      rules: ["~basket:*", "+@read"]
//
// In place of rules an entitlement may name a role of the server: an account role:NAME that is off and has no password, made by an administrator
// with ACL SETUSER role:read-baskets off ~basket:* +@read. Forms offer the roles that are there, and a grant gets what the role has when it
// is made.
//
// Programs' own accounts are rotated in place: the server takes two passwords of one account until the old one is retired.
package redis
