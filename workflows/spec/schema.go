package spec

import "github.com/countersign-bot/countersign/workflows"

// The tables of the files: every key, whether it must be there, what may stand there and what it means.

func companyShape() shape {
	return object(
		key{"organisation", true, line(maxLine), "Name of the organisation, as people read it."},
		key{"slack", true, object(
			key{"link_by_email", false, flag(), "Link a Slack account to a person by e-mail when the person has no Slack id. Default false."},
			key{"security_channel", true, channel(), "Channel that is told of break glass and of overdue revocations."},
			key{"language", false, oneOf("en", "de", "es"), "Language of cards in channels. Everybody reads direct messages, forms and their Home page in the language they chose in Slack. Default en."},
		), "How the bot behaves in Slack."},
		key{"checkpoint", false, object(
			key{"schedule", false, schedule(), "When the signed state of the ledger is posted, as a cron expression. Default every full hour."},
			key{"zone", false, zone(), "Time zone of the schedule. Default UTC."},
			key{"channel", false, channel(), "Channel that it is posted to."},
		), "The signed state of the ledger, posted where others keep it."},
		key{"incidents", false, incidentsShape(), "Who may open and command incidents."},
		key{"unused", false, object(
			key{"suspend_after", true, span(maxSpan), "An identity that nobody used for so long is suspended: it holds nothing, and its account is locked where its connector can. At least 7d."},
			key{"warn", false, span(maxSpan), "Its owner is told so long before. Default 14d; shorter than suspend_after."},
		), "What becomes of identities that nobody uses. Default: a finding after 90 days, and nothing by itself."},
		key{"lint", false, object(
			key{"approvers", false, number(1, maxMembers), "`check` warns of chains that fewer people can approve, where there is no risk.yaml. Default 2."},
			key{"zones", false, number(0, maxGroups), "`check` warns of steps whose approvers live in fewer time zones. Default 2; 0 never warns."},
		), "What `countersign check` warns of."},
	)
}

func peopleShape() shape {
	return object(
		key{"people", true, listOf(maxPeople, object(
			key{"key", true, ident(), "Short name that other files use. It does not change when the person's name does."},
			key{"name", true, line(maxLine), "Name, as colleagues read it."},
			key{"email", true, mail(), "E-mail address."},
			key{"phone", false, phone(), "Telephone number for emergencies, with its country: it is printed with the escalation tree when nothing can be delivered. It does not go into the ledger."},
			key{"slack", false, slackUser(), "Slack member id: U…, or T…/U… with several workspaces."},
			key{"unix", false, unixUser(), "User on the bot's host, for the command line."},
			key{"timezone", true, zone(), "IANA time zone; times are shown in it."},
			key{"working_hours", false, hours(), "Usual hours on the person's own clock: `09:00-17:30` (Monday to Friday), `Sun-Thu 09:00-18:00`, several parts with `;`."},
			key{"calendar", false, ident(), "Name of the calendar in calendars.yaml whose holidays are theirs."},
			key{"time_off", false, listOf(maxTimeOff, object(
				key{"from", true, moment(), "When it begins, on the person's own clock: a day, or a day and a time such as `2026-12-23 15:00`."},
				key{"until", true, moment(), "When it ends; a day alone counts as a whole."},
			)), "When they are away. `/access away` does the same from the chat."},
			key{"manager", false, personRef(), "Key of the manager."},
			key{"contractor", false, object(
				key{"sponsor", true, personRef(), "Key of the employee who answers for them."},
				key{"until", true, date(), "Last day of the contract: nothing they are granted lasts longer."},
			), "For somebody who works here by contract. As a guest of the chat they may ask and hold while it runs and the sponsor is active; a guest never approves."},
			key{"accounts", false, tableOf(maxSettings, ident(), account()), "Account name of the person on each target that needs one."},
		)), "Everybody who may ask, approve, own or review. Who is not here can do nothing."},
		key{"groups", false, listOf(maxGroups, object(
			key{"name", true, ident(), "Name of the group."},
			key{"members", true, listOf(maxMembers, personRef()), "Keys of its members; at least one."},
		)), "Named lists of people."},
	)
}

func rolesShape() shape {
	who := someShape()
	return object(
		key{"owner", true, who, "Answers for the bot: changes its configuration together with a second owner."},
		key{"security", true, who, "Reads every request, revokes, reviews break glass."},
		key{"auditor", false, who, "Reads and exports; decides nothing."},
		key{"operator", false, who, "Runs the bot; sees no reasons and decides nothing."},
	)
}

// identityKinds are the kinds of R22 that are not people.
func identityKinds() []string {
	return []string{"service_account", "automation_account", "api_key", "oauth_token", "certificate", "ssh_key", "workload", "ai_agent", "integration"}
}

func identitiesShape() shape {
	return object(key{"identities", true, listOf(maxIdentities, object(
		key{"id", true, ident(), "Its id. It stands in clear in the ledger, so it names no person."},
		key{"kind", true, oneOf(identityKinds()...), "What it is."},
		key{"name", true, line(maxLine), "Name, as people read it."},
		key{"owner", false, personRef(), "Key of the person who answers for it."},
		key{"backup", false, personRef(), "Key of the person who answers when the owner is away."},
		key{"purpose", false, prose(), "What it is for."},
		key{"environment", true, ident(), "Where it works: production, staging."},
		key{"expires", false, date(), "Day on which it ends unless it is renewed."},
		key{"accounts", false, tableOf(maxSettings, ident(), account()), "Its account name on each target that needs one."},
		key{"workloads", false, listOf(maxWorkloads, workloadShape()), "What may act as it through the API: whoever holds a token that fits one of these."},
	)), "Everything that holds access and is not a person. Each has an owner, a purpose and an end."})
}

func targetShape() shape {
	return object(
		key{"id", true, ident(), "Id of the target; entitlements are named target/entitlement."},
		key{"title", true, line(maxLine), "Name, as people read it."},
		key{"connector", true, ident(), "Adapter that makes and takes back the access."},
		key{"owner", false, personRef(), "Key of the person who answers for the target. Without one nobody can request anything on it."},
		key{"backup", false, personRef(), "Key of the person who answers when the owner is away."},
		key{"environment", true, ident(), "production, staging …"},
		key{"data_class", true, ident(), "public, internal, confidential …"},
		key{"brokered", false, flag(), "true when the holder comes in through a bastion and runs one command only: contractors and vendors may hold nothing else. Only a connector that enforces it can carry it (sshca, with force_command and source_address)."},
		key{"settings", false, tableOf(maxSettings, settingName(), text("text", anyText)), "The connector's own settings. Secrets are named by file, environment or path of Vault: dsn_file, dsn_env, dsn_vault."},
		key{"entitlements", false, listOf(maxEntitlements, object(
			key{"id", true, ident(), "Id within the target."},
			key{"title", true, line(maxLine), "Name, as the request form shows it."},
			key{"description", true, prose(), "What the holder can do with it, for approvers."},
			key{"business_task", true, prose(), "The task it exists for, for auditors."},
			key{"review_date", true, date(), "Day by which the owner looks at it again."},
			key{"longest", false, span(maxAccess), "The longest anybody may hold it, whatever a workflow says."},
			key{
				"action", false, oneOf(workflows.ActionRead, workflows.ActionWrite, workflows.ActionAdmin),
				"What it does: read, write or admin. Needed where there is a risk.yaml.",
			},
			key{
				"breadth", false, oneOf(workflows.BreadthOne, workflows.BreadthSet, workflows.BreadthAll),
				"To how much: one object, a named set, or all of the target. Needed where there is a risk.yaml.",
			},
			key{"acts_as", false, ident(), "Id of the non-human identity whose account the holder uses. Only a workflow of kind impersonate grants it, and only through a connector whose target logs who it really was (sshca)."},
			key{"wildcard", false, flag(), "true admits breadth all: it says that somebody meant it."},
			key{"shared", false, flag(), "true for a role or membership that overlapping grants share; false for an artefact each, such as a certificate."},
			key{"account", false, flag(), "true when the holder needs an account on the target."},
			key{"params", false, tableOf(maxParams, settingName(), shape{
				kind: kindList, of: ptr(line(maxParam)), max: maxParamValues, one: true, want: "text or a list of texts",
			}), "The connector's own words: principals, extensions, role … One text, or a list. `${fields.NAME}` alone stands for what the form says."},
		)), "What can be granted on the target; at least one."},
	)
}

func ptr(s shape) *shape { return &s }

func anyText(s string) (string, string) {
	if s == "" {
		return "is empty", ""
	}
	if len(s) > maxProse {
		return "is too long", ""
	}
	return "", ""
}

// personRef is the key of a person, or their e-mail address.
func personRef() shape {
	return text("the key of a person", func(s string) (string, string) {
		if s == "" || len(s) > 2*maxLine || (!isIdent(s) && firstNonASCII(s) != 0 && lookalike(s) != s && isIdent(lookalike(s))) {
			return ident().check(&value{text: s})
		}
		return "", ""
	})
}

func firstNonASCII(s string) rune {
	for _, c := range s {
		if c >= 0x80 {
			return c
		}
	}
	return 0
}
