// Package github grants roles on repositories and membership of teams on GitHub, or on a GitHub Enterprise server, to
// accounts that exist already, takes them back, and reads them back.
//
// # A target
//
//	id: github
//	title: GitHub
//	connector: github
//	owner: jonas
//	environment: production
//	data_class: internal
//	settings:
//	  url: https://api.github.com
//	  scope: northwind
//	  app_id: "123456"
//	  installation_id: "4567890"
//	  app_key_file: /etc/countersign/github-app.pem
//	entitlements:
//	  - id: shop-write
//	    title: Write to the shop's repository
//	    description: Pushes to northwind/shop; branch protection still holds.
//	    business_task: Repairing the shop.
//	    review_date: 2036-01-01
//	    account: true
//	    shared: true
//	    params:
//	      repository: northwind/shop
//	      role: push
//	  - id: deployers
//	    title: Deploy the shop
//	    description: May approve deployments to the environment production, whose reviewers are this team.
//	    business_task: Releasing the shop.
//	    review_date: 2036-01-01
//	    account: true
//	    shared: true
//	    params:
//	      team: northwind/deployers
//
// An entitlement names a repository with a role (pull, triage, push, maintain or admin), or a team. What a pipeline may do
// is granted through a team: one that an environment lists as its reviewers may deploy, one that a runner group serves may
// use its runners.
//
// scope names the organisations, and single repositories as owner/name, that the target stands for: nothing outside of it
// is granted, and all of it is listed when the target is compared with the ledger.
//
// # Rights
//
// Either a GitHub App (app_id, installation_id, and its private key in app_key_file or app_key_env) that is installed on the
// repositories in question with the permissions "Administration: write" for roles on repositories, "Members: write" for
// teams, and "Metadata: read", and nothing else: doctor reads them back and says what is missing and what is too much. Or
// a token (token_file or token_env) of an account with the same rights; what a fine-grained token may do GitHub does not
// tell, and doctor says so. Of a classic token it does: repo and admin:org, which is more than is needed.
//
// # What is special
//
// GitHub sends an invitation to whoever is not a collaborator yet. It counts as made, and as unconfirmed until it is
// accepted; a revocation takes back both, the invitation and the role. An invitation that nobody accepts ends with the grant.
//
// Nobody is invited into an organisation: membership of a team is for its members.
//
// GitHub does not say who made somebody a collaborator. One that holds another role already is refused, since ours
// would overwrite it and our revocation would take it away. One that holds the same role is taken for ours: whoever is to
// keep a role holds it through a team.
//
// A deploy key can be rotated: another one with the same rights is added, it logs in over SSH (the setting ssh names another address than port 22 of the
// same host), and only then the old one is taken away. Its private half is handed over once.
//
// There is no expiry: access ends when the bot takes it back. It ends for every next request to GitHub; what was cloned
// stays, and so do deploy keys and tokens that somebody with the role admin made: the discoverer lists these.
package github
