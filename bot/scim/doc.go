// Package scim is the door through which an identity provider says that somebody left, has another role, or is there again: SCIM 2.0 (RFC 7643,
// RFC 7644) as Okta and Microsoft Entra speak it, /Users and /Groups. It keeps nothing and makes nobody: people stand in the people file, who
// left in the ledger. Called by cmd, which joins it to the desk.
package scim
