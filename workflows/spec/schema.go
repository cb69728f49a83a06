package spec

import "github.com/countersign-bot/countersign/workflows"

// The tables of the files: every key, whether it must be there, what may stand there and what it means.

func companyShape() shape {
	return object(
		key{"organisation", true, line(maxLine), "Name of the organisation, as people read it."},
		key{"slack", true, object(
			key{"link_by_email", false, flag(), "Link a Slack account to a person by e-mail when the person has no Slack id. Default false."},
			key{"security_channel", true, channel(), "Channel that is told of break glass and of overdue revocations."},
		), "How the bot behaves in Slack."},
		key{"checkpoint", false, object(
			key{"schedule", false, schedule(), "When the signed state of the ledger is posted, as a cron expression. Default every full hour."},
			key{"zone", false, zone(), "Time zone of the schedule. Default UTC."},
			key{"channel", false, channel(), "Channel that it is posted to."},
		), "The signed state of the ledger, posted where others keep it."},
	)
}

func peopleShape() shape {
	return object(
		key{"people", true, listOf(maxPeople, object(
			key{"key", true, ident(), "Short name that other files use. It does not change when the person's name does."},
			key{"name", true, line(maxLine), "Name, as colleagues read it."},
			key{"email", true, mail(), "E-mail address."},
			key{"slack", false, slackUser(), "Slack member id: U…, or T…/U… with several workspaces."},
			key{"unix", false, unixUser(), "User on the bot's host, for the command line."},
			key{"timezone", true, zone(), "IANA time zone; times are shown in it."},
			key{"working_hours", false, hours(), "Usual hours on the person's own clock: `09:00-17:30` (Monday to Friday), `Sun-Thu 09:00-18:00`, several parts with `;`."},
			key{"manager", false, personRef(), "Key of the manager."},
			key{"accounts", false, tableOf(maxSettings, ident(), account()), "Account name of the person on each target that needs one."},
		)), "Everybody who may ask, approve, own or review. Who is not here can do nothing."},
		key{"groups", false, listOf(maxGroups, object(
			key{"name", true, ident(), "Name of the group."},
			key{"members", true, listOf(maxMembers, personRef()), "Keys of its members; at least one."},
		)), "Named lists of people."},
	)
}

func rolesShape() shape {
	who := object(
		key{"people", false, listOf(maxMembers, personRef()), "Keys of people."},
		key{"groups", false, listOf(maxGroups, ident()), "Names of groups."},
	)
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
		key{"settings", false, tableOf(maxSettings, settingName(), text("text", anyText)), "The connector's own settings. Secrets are named by file or environment: dsn_file, dsn_env."},
		key{"entitlements", false, listOf(maxEntitlements, object(
			key{"id", true, ident(), "Id within the target."},
			key{"title", true, line(maxLine), "Name, as the request form shows it."},
			key{"description", true, prose(), "What the holder can do with it, for approvers."},
			key{"business_task", true, prose(), "The task it exists for, for auditors."},
			key{"review_date", true, date(), "Day by which the owner looks at it again."},
			key{"longest", false, span(maxAccess), "The longest anybody may hold it, whatever a workflow says."},
			key{"shared", false, flag(), "true for a role or membership that overlapping grants share; false for an artefact each, such as a certificate."},
			key{"account", false, flag(), "true when the holder needs an account on the target."},
			key{"params", false, tableOf(maxParams, settingName(), shape{
				kind: kindList, of: ref(line(maxParam)), max: maxParamValues, one: true, want: "text or a list of texts",
			}), "The connector's own words: principals, extensions, role … One text, or a list."},
		)), "What can be granted on the target; at least one."},
	)
}

func ref(s shape) *shape { return &s }

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

func selectorShape() shape {
	return object(
		key{"anyone", false, flag(), "Everybody in people.yaml; only in may_ask."},
		key{"people", false, listOf(maxMembers, personRef()), "Keys of people, or their e-mail addresses."},
		key{"groups", false, listOf(maxGroups, ident()), "Names of groups in people.yaml."},
		key{"chat_groups", false, listOf(maxGroups, chatGroup()), "User groups of Slack, asked when needed; not in runbooks, which must work when the chat is down."},
		key{"target_owner", false, flag(), "Owner and backup of the target that is asked for; only among approvers."},
		key{"identity_owner", false, flag(), "Owner and backup of the non-human identity that it is for; only among approvers."},
		key{"manager", false, flag(), "Manager of who asks; only among approvers."},
		key{"exclude", false, listOf(maxMembers, personRef()), "Keys of people who are never among them."},
	)
}

func fieldsShape() shape {
	return listOf(maxFields, object(
		key{"name", true, fieldName(), "Name of the field in the record."},
		key{"label", true, line(maxLine), "What the form shows above it."},
		key{"help", false, line(maxLine), "What the form shows below it."},
		key{
			"type", true, oneOf(workflows.FieldText, workflows.FieldChoice, workflows.FieldTicket, workflows.FieldSSHKey),
			"text (free, kept erasable), choice, ticket, or ssh_key (one line of a public key).",
		},
		key{"optional", false, flag(), "true when it may stay empty. Default false."},
		key{"choices", false, listOf(maxChoices, line(maxChoice)), "The options of a choice; at least one."},
		key{"pattern", false, pattern(), "RE2 that the whole answer must match."},
		key{"max_length", false, number(1, maxTextLen), "Longest answer in characters."},
	))
}

func workflowShape() shape {
	return object(
		key{"id", true, ident(), "Id of the workflow; never reused for another purpose."},
		key{"title", true, line(maxLine), "Name, as the request form shows it."},
		key{"purpose", true, prose(), "What it is for and when to use it."},
		key{
			"kind", true, oneOf(string(workflows.KindCredential), string(workflows.KindElevation), string(workflows.KindPreapprove)),
			"credential (yields a certificate), elevation (raises an account) or runbook (approves a runbook's text).",
		},
		key{"owner", true, personRef(), "Key of the person who answers for the chain."},
		key{"may_ask", true, selectorShape(), "Who may ask."},
		key{"for", false, listOf(2, oneOf(workflows.ForSelf, workflows.ForOwned)), "self, owned (a non-human identity that they own), or both. Default self."},
		key{"grants", false, listOf(maxGrants, grantRef()), "What can be asked for, as target/entitlement; none for kind runbook."},
		key{"fields", false, fieldsShape(), "Further inputs of the request form."},
		key{"longest", true, span(maxSpan), "The longest that can be asked for; of a runbook: how long its approval is valid."},
		key{"usual", false, span(maxSpan), "What the form offers first. Default: the longest."},
		key{"reason_min", false, number(0, maxReason), "Fewest characters of a reason. Default 10."},
		key{"channel", false, channel(), "Where the card stands; without one the parties are told directly."},
		key{"seen_by", false, oneOf(workflows.SeenByParties, workflows.SeenByMembers), "parties (requester, approvers, security, auditors) or members (the whole organisation). Default parties."},
		key{"uses", false, number(1, maxUses), "Kind runbook only: how often the approved text may be invoked. Default 5."},
		key{"stages", true, listOf(maxStages, object(
			key{"name", true, line(maxLine), "Name of the step."},
			key{"approvers", true, selectorShape(), "Who may approve here. The requester never counts."},
			key{"quorum", false, number(1, maxMembers), "How many different people have to approve. Default 1."},
			key{"remind", false, span(maxStageTimeout), "When those asked are reminded."},
			key{"escalate", false, object(
				key{"after", true, span(maxStageTimeout), "When further people are asked; those asked first stay."},
				key{"approvers", true, selectorShape(), "Who is asked then."},
			), "Whom to ask when nobody answers."},
			key{"timeout", true, span(maxStageTimeout), "When the request ends because nobody decided."},
			key{"repeat", false, flag(), "true when somebody who approved an earlier step counts here again. Default false."},
		)), "The steps of the chain, in order; at least one."},
	)
}

func runbookShape() shape {
	return object(
		key{"id", true, ident(), "Id of the runbook; people type it after /breakglass."},
		key{"title", true, line(maxLine), "Name, as people read it."},
		key{"purpose", true, prose(), "What it is for."},
		key{"use_when", true, prose(), "When to use it."},
		key{"do_not_use_when", true, prose(), "When not to use it, and what to do instead."},
		key{"owner", true, personRef(), "Key of the person who answers for the document."},
		key{"invokers", true, selectorShape(), "Who may invoke it in an incident: people and groups."},
		key{"grant", true, grantRef(), "What is granted at once, as target/entitlement."},
		key{"longest", true, span(maxIncident), "How long an invocation lasts."},
		key{"incident_pattern", true, pattern(), "RE2 that the incident's name must match as a whole."},
		key{"skips", true, ident(), "Id of the workflow whose approvers are told that they were skipped."},
		key{"notify", true, channel(), "Channel that is told at once."},
		key{"reviewers", true, selectorShape(), "Who may review the use; the first who is not the invoker owns it."},
		key{"review_due", true, span(maxReviewDue), "By when the use is reviewed."},
		key{"fields", false, fieldsShape(), "Further inputs, such as the public key for a certificate."},
	)
}
