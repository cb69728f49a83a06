// Package tasks asks the systems that keep tickets, incidents, change windows and the like how one of them stands: Jira,
// Linear, and any service that answers a signed question. (GitHub's issues and pull requests are asked by package github,
// with the target's own credentials.) It grants nothing, decides nothing and keeps nothing but answers of the last half
// minute.
//
// # A system
//
// A system of tasks stands among the targets, with an owner and without entitlements:
//
//	id: jira
//	title: Jira
//	connector: jira
//	owner: jonas
//	environment: production
//	data_class: internal
//	settings:
//	  url: https://northwind.atlassian.net
//	  projects: OPS PAY
//	  user: countersign@northwind.example
//	  token_file: /etc/countersign/jira.token
//	  window_from: customfield_10100
//	  window_until: customfield_10101
//	  hook_secret_file: /etc/countersign/jira.hook
//
//	id: linear
//	connector: linear
//	settings:
//	  teams: ENG OPS
//	  token_file: /etc/countersign/linear.token
//	  hook_secret_file: /etc/countersign/linear.hook
//
//	id: pager
//	connector: pagerduty
//	settings:
//	  token_file: /etc/countersign/pagerduty.key
//	  hook_secret_file: /etc/countersign/pagerduty.hook
//
//	id: goalert
//	connector: goalert
//	settings:
//	  url: https://goalert.northwind.example
//	  token_file: /etc/countersign/goalert.key
//
//	id: changes
//	connector: tasks
//	settings:
//	  url: https://changes.northwind.example/countersign
//	  pattern: CHG-[0-9]{1,8}
//	  secret_file: /etc/countersign/changes.secret
//
// Once there is one, a ticket that no system covers is refused, and so is one that a system cannot be asked about. Jira's
// Data Center edition takes a personal access token without user. The token needs to read issues of the named projects or
// teams ("Browse projects" in Jira, "Read" in Linear), and nothing else.
//
// What a workflow wants of the ticket that its access ends with, beside that it is open, stands there:
//
//	ends_with: change
//	task: {source: changes, assignee: requester, window: true}
//
// A requester is known to the system by their e-mail address in people.yaml, or by their account on this target there (accounts: {changes: mchen}).
//
// # Incidents
//
// PagerDuty's incidents (PT4KHLK) and GoAlert's alerts (ALERT-17) can be named where an incident is: a runbook that needs a live incident
// asks whether it is open, takes PagerDuty's priority (P1 … P5) or a label of GoAlert's service (anything/severity: SEV-2) for its
// severity, and PagerDuty's first assignee for its commander. An alert of GoAlert has no commander. When PagerDuty posts that an incident is
// resolved, what was granted for it ends. A read-only key of PagerDuty's REST API is enough (url: https://api.eu.pagerduty.com in the EU); a
// key of GoAlert is made for one query, GoAlertQuery. The answers are those of the vendors' published examples and schema; the tests stand
// in for both with small servers, which is not the same as having asked the services themselves.
//
// # Hooks
//
// With hook_secret, the system may post its own webhooks to /hooks/TARGET of the bot's public address: a ticket that it names
// is asked about at once, and access that hung on it ends when it is closed. What the webhook says beside the ticket's name
// is not believed, so a repeated or an old one does nothing. Signatures: Jira X-Hub-Signature and GitHub
// X-Hub-Signature-256 (HMAC-SHA256 of the body), Linear Linear-Signature, and Standard Webhooks for a service of your own.
//
// A system that posts none is asked every half minute about the tickets that live access hangs on, 200 at a time, in turn: access ends within a minute of the
// closing with up to 200 such tickets, within half a minute more for each 200 beyond, and at the latest with the look at everything, which begins every three
// minutes and takes as long as the systems take to answer. The log says so when there are more than 200.
//
// # A service of your own
//
// It is asked with a POST of {"v":1,"op":"task","ref":"CHG-17"}, signed as Standard Webhooks describes it (webhook-id,
// webhook-timestamp, webhook-signature; the secret is whsec_ and base64), and answers 200 with
//
//	{"exists":true, "open":true, "status":"Scheduled", "title":"…", "link":"https://…", "assignees":["maya@northwind.example"],
//	 "from":"2027-03-01T20:00:00Z", "until":"2027-03-01T23:00:00Z"}
//
// of which exists and open are needed, or {"exists":false}. Its hooks post {"ref":"CHG-17"}, signed the same way.
package tasks
