package spec

import "github.com/countersign-bot/countersign/workflows"

// selectorShape is who; fallback tells whether it may say who instead when it yields nobody.
func selectorShape(fallback bool) shape {
	s := object(
		key{"anyone", false, flag(), "Everybody in people.yaml; only in may_ask."},
		key{"people", false, listOf(maxMembers, personRef()), "Keys of people, or their e-mail addresses."},
		key{"emails", false, listOf(maxMembers, mail()), "E-mail addresses of people; the same as people, for lists that come from elsewhere."},
		key{"groups", false, listOf(maxGroups, ident()), "Names of groups in people.yaml."},
		key{"chat_groups", false, listOf(maxGroups, chatGroup()), "User groups of Slack, asked when needed; not in runbooks, which must work when the chat is down."},
		key{"chat_channels", false, listOf(maxGroups, channel()), "Members of channels of Slack, likewise."},
		key{"rotations", false, listOf(maxRotations, ident()), "Who is on shift in a rotation of rotations.yaml."},
		key{"target_owner", false, flag(), "Owner and backup of the target that is asked for; only among approvers."},
		key{"identity_owner", false, flag(), "Owner and backup of the non-human identity that it is for; only among approvers."},
		key{"manager", false, flag(), "Manager of who asks; only among approvers."},
		key{"exclude", false, listOf(maxMembers, personRef()), "Keys of people who are never among them."},
	)
	if fallback {
		s.keys = append(s.keys, key{"fallback", false, selectorShape(false), "Who instead, when all of the above yields nobody."})
	}
	return s
}

func fieldsShape() shape {
	return listOf(maxFields, object(
		key{"name", true, fieldName(), "Name of the field in the record, in conditions and in params."},
		key{"label", true, line(maxLine), "What the form shows above it."},
		key{"help", false, line(maxLine), "What the form shows below it."},
		key{
			"type", true, oneOf(workflows.FieldText, workflows.FieldChoice, workflows.FieldTicket, workflows.FieldSSHKey, workflows.FieldCSR, workflows.FieldNumber,
				workflows.FieldDuration, workflows.FieldDateTime, workflows.FieldTarget, workflows.FieldIdentity, workflows.FieldPerson, workflows.FieldNewID, workflows.FieldOffer),
			"text (free, kept erasable), choice, ticket, ssh_key (one line of a public key), csr (a certificate request in PEM, without names), number, duration, date_time, target, identity (a non-human one), person (somebody of people.yaml), new_id (the id of an identity that there is not yet), or offer (picked from what the target says it can grant; a parameter takes it as ${fields.NAME}, and pattern says how far that goes).",
		},
		key{"optional", false, flag(), "true when it may stay empty. Default false."},
		key{"choices", false, listOf(maxChoices, line(maxChoice)), "The options of a choice; at least one."},
		key{"pattern", false, pattern(), "RE2 that the whole answer must match; of text, ticket and offer, which needs it."},
		key{"max_length", false, number(1, maxTextLen), "Longest answer in characters; of text and ticket."},
		key{"least", false, bound(), "Smallest number, shortest duration, or earliest date-time as a duration from now."},
		key{"most", false, bound(), "Largest number, longest duration, or latest date-time as a duration from now."},
	))
}

func taskShape() shape {
	return object(
		key{"source", false, ident(), "Id of the target that must keep it, such as jira. Default: any that keeps tickets."},
		key{"assignee", false, oneOf(workflows.AssigneeRequester, workflows.AssigneeAnyone), "requester: it must be assigned to whoever asks, by their e-mail address or their account there in people.yaml; anyone: to somebody."},
		key{"window", false, flag(), "true: it must be a change window, with a beginning and an end. A window that a ticket has is kept to in any case. Default false."},
	)
}

func workflowShape() shape {
	return object(
		key{"id", true, ident(), "Id of the workflow; never reused for another purpose."},
		key{"title", true, line(maxLine), "Name, as the request form shows it."},
		key{"purpose", true, prose(), "What it is for and when to use it."},
		key{
			"kind", true, oneOf(string(workflows.KindCredential), string(workflows.KindElevation), string(workflows.KindPreapprove), string(workflows.KindWindow), string(workflows.KindRoutine), string(workflows.KindException), string(workflows.KindActAs), string(workflows.KindLife)),
			"credential (yields a certificate), elevation (raises an account), runbook (approves a runbook's text), window (approves a standing window of a named automation), routine (has a routine runbook carried out once) exception (waives a control for a named identity, for a time), impersonate (lets a person act as a non-human identity) or identity (makes a non-human identity, changes its scope or moves its end).",
		},
		key{"owner", true, personRef(), "Key of the person who answers for the chain."},
		key{"may_ask", true, selectorShape(false), "Who may ask."},
		key{
			"for", false, listOf(3, oneOf(workflows.ForSelf, workflows.ForOwned, workflows.ForReports)),
			"self, owned (a non-human identity that they own), reports (somebody who reports to them), or several. Default self.",
		},
		key{"grants", false, listOf(maxGrants, grantRef()), "What can be asked for, as target/entitlement; none for the kinds runbook and routine."},
		key{"fields", false, fieldsShape(), "Further inputs of the request form."},
		key{"longest", true, span(maxSpan), "The longest that can be asked for; of a runbook, a window or an exception: how long its approval is valid; of a routine: how long its steps may take."},
		key{"usual", false, span(maxSpan), "What the form offers first. Default: the longest."},
		key{"reason_min", false, number(0, maxReason), "Fewest characters of a reason. Default 10."},
		key{
			"reason_for", false, listOf(4, oneOf(workflows.VerbApprove, workflows.VerbCounter, workflows.VerbTakeBack, workflows.VerbRevoke)),
			"Verbs that need a reason too: approve, counter, take_back, revoke. Denying always does.",
		},
		key{"channel", false, channel(), "Where the card stands; without one the parties are told directly."},
		key{"seen_by", false, oneOf(workflows.SeenByParties, workflows.SeenByMembers), "parties (requester, approvers, security, auditors) or members (the whole organisation). Default parties."},
		key{"tell", false, selectorShape(false), "Who is told the outcome without being asked."},
		key{"uses", false, number(1, maxUses), "Kind runbook only: how often the approved text may be invoked. Default 5."},
		key{"often", false, oftenShape(), "How often one person may ask."},
		key{"extend", false, object(
			key{"cap", true, span(maxAccess), "The end of all extensions together, counted from the start of the first grant."},
		), "Access may be extended while it is active, by a new request. Without it access is not extended."},
		key{"later", false, span(maxLater), "How far ahead access may be asked for. Without it access starts when it is approved."},
		key{"ends_with", false, fieldName(), "Name of a date_time field (access ends no later) or of a ticket field (access ends when the ticket is closed)."},
		key{"task", false, taskShape(), "What the ticket that ends_with names must be like, beside that there is one and that it is open: at submission, at the grant and while access lasts."},
		key{"max_unverified", false, span(maxAccess), "How long access goes on while nobody can tell whether it should still be allowed: the directory, the ticket system or a posture source does not answer. Default 24h."},
		key{"posture", false, listOf(maxClaims, ident()), "Claims about the holder's device or workload, such as disk-encrypted, that a posture source must have confirmed lately: at submission, at the grant and while access lasts."},
		key{"calendar", false, ident(), "Name of the calendar whose business hours and freezes count."},
		key{"only", false, oneOf(workflows.OnlyBusiness), "business_hours: asked for and granted in the open hours of the calendar only."},
		key{"freezes", false, listOf(maxFreezes, ident()), "Names of change freezes of the calendar during which nothing is granted."},
		key{"window", false, windowShape(), "Kind window only: what its approval allows."},
		key{"exception", false, exceptionShape(), "Kind exception only: what its approval waives, and what makes up for that."},
		key{"impersonate", false, object(
			key{"management", true, line(maxLine), "Name of the step in which management approves. Every rule goes through it."},
			key{"exceptional", true, fieldName(), "Name of a choice field that says what is exceptional: nobody acts as an identity in the normal course."},
		), "Kind impersonate only: what its approval rests on."},
		key{"life", false, object(
			key{"action", true, oneOf(workflows.LifeActions()...), "onboard (there is a new identity: its form has the fields identity, kind, owner, purpose, environment and ticket, its length is how long it stands), scope (it may do what the field scope says from then on) or renew (its end moves: its length counts from the approval)."},
			key{"make", false, flag(), "onboard: true when the connector makes the account on the target, too, and nobody else does. scope: true when the connector changes the account; without it whoever answers for the identity does, and says so with evidence."},
		), "Kind identity only: what becomes of the identity."},
		key{"choose", false, oneOf(chooseFirst, workflows.ChooseSpecific), "How a rule is chosen when several match: first (in the order of the file) or specific (the most conditions; a tie refuses). Default first."},
		key{"rules", false, listOf(maxRules, ruleShape()), "Which asks go through which stages. Without rules all asks go through all stages; with rules an ask that none covers is refused."},
		key{"stages", true, listOf(maxStages, stageShape()), "The steps of the chain, in order; at least one, unless every rule approves or refuses by itself."},
	)
}

func oftenShape() shape {
	return object(
		key{"times", true, number(1, maxTimes), "How many times."},
		key{"per", true, span(maxSpan), "In which time."},
	)
}

func ruleShape() shape {
	return object(
		key{"name", true, line(maxLine), "Name of the rule, as explanations show it."},
		key{"when", false, condition(), "Condition that the ask must meet, such as `target.environment == \"production\"`. Without one every ask does."},
		key{"up_to", false, span(maxSpan), "Matches asks of at most this length."},
		key{"stages", false, listOf(maxStages, line(maxLine)), "Names of the stages that the ask goes through. Default all."},
		key{"longest", false, span(maxSpan), "The longest access under this rule."},
		key{"auto", false, object(
			key{"times", true, number(1, maxTimes), "How often the rule approves for one person."},
			key{"per", true, span(maxSpan), "In which time."},
			key{"sample", true, number(1, 100), "Per cent of its approvals that the owner looks at afterwards."},
		), "The document itself approves, without anybody."},
		key{"across_environments", false, flag(), "true when the rule is also for identities that belong to another environment than the target. Without it nobody gets across."},
		key{"refuse", false, line(maxProse), "Nobody may have it: the words say why, and what to do instead."},
	)
}

func stageShape() shape {
	tier := object(
		key{"after", true, working(maxStageTimeout), "When further people are asked, counted from the opening of the step; in working time of those asked before with wh: `4wh`."},
		key{"approvers", true, selectorShape(true), "Who is asked then; those asked first stay."},
	)
	part := object(
		key{"name", true, line(maxLine), "Name of the group of approvers."},
		key{"approvers", true, selectorShape(true), "Who is in it."},
		key{"quorum", false, number(1, maxMembers), "How many of them have to approve. Default 1."},
	)
	escalate := listOf(maxTiers, tier)
	escalate.one, escalate.want = true, "keys and values, or a list of them"
	return object(
		key{"name", true, line(maxLine), "Name of the step."},
		key{"kind", false, oneOf(kindApproval, workflows.StageConsent), "approval (a quorum says yes) or consent (nobody of those told objects within the timeout; only as the last step, and never the only one). Default approval."},
		key{"approvers", false, selectorShape(true), "Who may approve here. The requester never counts."},
		key{"all_of", false, listOf(maxParts, part), "Instead of approvers: groups with quorums of their own, all of which have to be met. One person counts for one of them."},
		key{"any_of", false, listOf(maxParts, part), "Instead of approvers: groups with quorums of their own, one of which has to be met."},
		key{"quorum", false, number(1, maxMembers), "How many different people have to approve; of a consent: how many must have been told. Default 1."},
		key{"remind", false, working(maxStageTimeout), "When those asked are reminded; in their working time with wh: `2wh`."},
		key{"escalate", false, escalate, "Whom to ask when nobody answers: one tier or several, in order."},
		key{"timeout", true, span(maxStageTimeout), "When the request ends because nobody decided; of a consent: how long objections are waited for."},
		key{"repeat", false, flag(), "true when somebody who approved an earlier step counts here again. Default false."},
		key{"distinct_from", false, listOf(maxStages, line(maxLine)), "Names of earlier steps whose approvers do not count here. Default all of them."},
		key{"deny", false, oneOf(denyEnds, workflows.DenyCounts), "What a denial does: ends (the request ends) or counts (it ends when the quorum can no longer be reached). Default ends."},
		key{
			"off_hours", false, oneOf(offHoursPage, workflows.OffHoursWait, workflows.OffHoursAwake),
			"Who is outside of their working hours is told at once (page), when their day begins (wait), or likewise with the next tier asked at once when too few are at work (awake). Default page.",
		},
		key{"tell", false, selectorShape(false), "Who is told that the step opened without being asked."},
	)
}

// The words of the files for what the compiled form leaves empty.
const (
	chooseFirst  = "first"
	kindApproval = "approval"
	denyEnds     = "ends"
	offHoursPage = "page"
)

func windowShape() shape {
	return object(
		key{"hours", true, hours(), "When it is open: `Mon-Fri 22:00-04:00`."},
		key{"zone", true, zone(), "Time zone of the hours."},
		key{"times", true, number(1, maxTimes), "Grants in each period."},
		key{"per", true, span(maxSpan), "The period."},
		key{"lifetime", true, span(maxIncident), "The longest single grant."},
		key{"budget", true, number(1, maxBudget), "Grants in all; then the window is used up."},
	)
}
