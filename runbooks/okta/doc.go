// Package okta grants membership of groups and assignment of applications in an Okta organisation to people who are in it
// already, takes them back, and reads them back.
//
// # A target
//
//	id: okta
//	title: Okta
//	connector: okta
//	owner: jonas
//	environment: production
//	data_class: internal
//	settings:
//	  url: https://northwind.okta.com
//	  token_file: /etc/countersign/okta.token
//	  scope: 00g1a2b3c4d5e6f7g8h9 0oa1a2b3c4d5e6f7g8h9
//	  end_sessions: "true"
//	entitlements:
//	  - id: billing-admins
//	    title: Administer billing
//	    description: Member of the group billing-admins, which the billing system knows as its administrators.
//	    business_task: Correcting invoices.
//	    review_date: 2036-01-01
//	    account: true
//	    shared: true
//	    params:
//	      group: 00g1a2b3c4d5e6f7g8h9
//
// An entitlement names a group or an app by its id, which stands in the address bar of Okta's console. The account is the
// person's login. scope names all groups and apps that the target stands for: nothing outside of it is granted, and all of
// it is listed when the target is compared with the ledger.
//
// # Rights
//
// The token (token_file or token_env) belongs to a service account with a custom administrator role of the permissions
// "View users", "Manage group membership" and "Manage users' application assignments", on a resource set of just the groups
// and apps of scope; with end_sessions also "Clear users' sessions" and with the log "View system log". doctor refuses the
// standard roles of administrators, which can do far more, and roles on groups of scope: whoever joins such a group
// administers Okta, which is not granted in chat.
//
// # What is special
//
// Groups that Okta fills itself (of type BUILT_IN or APP_GROUP) are refused: another hand would undo the membership. A
// person who is not active is refused. An app that a person has through a group is refused, since taking a direct
// assignment back would not end the access.
//
// Membership is Okta's, but access is the application's: what an application made of it (its own session, a token) may last
// until it asks again. With end_sessions a revocation ends all of the person's sessions at Okta and the tokens that Okta
// issued, on every app, so they sign in again; without, sessions go on. Deactivation at an app is up to its provisioning.
//
// The system log says who changed a membership and when; it keeps 90 days.
package okta
