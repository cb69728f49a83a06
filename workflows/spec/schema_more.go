package spec

import "github.com/countersign-bot/countersign/workflows"

// The files beside people, targets and workflows: time, risk, conflicts and tests. Each may be absent.

func calendarsShape() shape {
	return object(key{"calendars", true, listOf(maxCalendars, object(
		key{"name", true, ident(), "Name of the calendar."},
		key{"zone", true, zone(), "Time zone of its hours, holidays and freezes."},
		key{"hours", false, hours(), "Business hours. Default `Mon-Fri 09:00-17:00`."},
		key{"country", false, country(), "Two letters of a country whose public holidays count."},
		key{"holidays", false, listOf(maxHolidays, date()), "Further holidays."},
		key{"ics", false, icsRef(), "An iCalendar file of the folder whose events are holidays, `calendars/company.ics`, or the https address of a feed, which the bot reads every quarter of an hour."},
		key{"freezes", false, listOf(maxFreezes, object(
			key{"name", true, ident(), "Name of the freeze, which workflows refer to."},
			key{"from", true, moment(), "When it begins, on the clock of the calendar: a day, or a day and a time."},
			key{"until", true, moment(), "When it ends; a day alone counts as a whole."},
			key{"why", true, line(maxLine), "Why, for those who are refused."},
		)), "Times in which workflows that name them grant nothing."},
	)), "Business hours, holidays and change freezes of a place."})
}

func rotationsShape() shape {
	return object(key{"rotations", true, listOf(maxRotations, object(
		key{"name", true, ident(), "Name of the rotation."},
		key{"zone", true, zone(), "Time zone of the hand-over."},
		key{"people", false, listOf(maxRotaPeople, personRef()), "Who takes turns, in order; with the address of a feed, whom it may name."},
		key{"first", false, date(), "Day on which the first of them takes over."},
		key{"at", false, clock(), "Time of the hand-over, such as \"09:00\"."},
		key{"days", false, number(1, maxRotaDays), "Days of a shift: 1 is daily, 7 is weekly."},
		key{"overrides", false, listOf(maxOverrides, object(
			key{"person", true, personRef(), "Who is on shift instead."},
			key{"from", true, moment(), "From when: a day, or a day and a time."},
			key{"until", true, moment(), "Until when; a day alone counts as a whole."},
		)), "Exchanges of shifts."},
		key{"ics", false, icsRef(), "Instead of turns: an iCalendar file whose events name the person on shift by key or e-mail address. A file of the folder, `calendars/on-call.ics`, alone; or the https address of a feed, which the bot reads every quarter of an hour, with the people whom it may name."},
	)), "Who is on shift when."})
}

func riskShape() shape {
	words := listOf(maxRiskWords, ident())
	return object(
		key{"tiers", true, listOf(maxTiers, object(
			key{"name", true, ident(), "Name of the tier."},
			key{"longest", false, span(maxAccess), "The longest access, whatever a chain says."},
			key{"approvers", false, number(0, maxMembers), "Fewest different people who approve, in all stages together. 0 admits automatic approval. Default 1."},
			key{"review", false, span(maxSpan), "How often the owner looks at an entitlement of this tier."},
			key{"step_up", false, flag(), "true when a decision needs more than a click."},
			key{"type_target", false, flag(), "true when whoever asks types the target's name, so that nobody asks by habit."},
			key{"most_open", false, number(1, workflows.MaxOpenPerson), "At so many open requests of one person no further one is taken. Default 20."},
			key{"stands", false, span(workflows.LongestLife), "The end of an identity of this tier lies so far ahead at most, until it is renewed. Default 366d."},
		)), "What each risk demands, from the lowest to the highest."},
		key{"rows", true, listOf(maxRiskRows, object(
			key{"environment", false, words, "Environments of the target."},
			key{"data_class", false, words, "Classes of its data."},
			key{"action", false, listOf(3, oneOf(workflows.ActionRead, workflows.ActionWrite, workflows.ActionAdmin)), "What the entitlement does."},
			key{"breadth", false, listOf(3, oneOf(workflows.BreadthOne, workflows.BreadthSet, workflows.BreadthAll)), "To how much."},
			key{"principal", false, listOf(maxRiskWords, oneOf(principalKinds()...)), "Who holds it: person, or the kind of a non-human identity."},
			key{"tier", true, ident(), "Name of the tier when all of the above fit."},
		)), "Looked at in order; the first that fits decides. The last one names a tier only, so that every ask has one."},
	)
}

func principalKinds() []string { return append([]string{kindPerson}, identityKinds()...) }

const kindPerson = "person"

func conflictsShape() shape {
	return object(key{"conflicts", true, listOf(maxConflicts, object(
		key{"name", true, ident(), "Name of the set."},
		key{"entitlements", true, listOf(maxGrants, grantRef()), "Entitlements of which nobody may hold two at once."},
		key{"why", true, line(maxLine), "Why, for those who are refused."},
	)), "Separation of duties."})
}

func testsShape() shape {
	stage := object(
		key{"name", true, line(maxLine), "Name of the stage."},
		key{"quorum", false, number(1, maxMembers), "Its quorum."},
		key{"can", false, listOf(maxMembers, personRef()), "Who can decide there, at once or after an escalation."},
		key{"cannot", false, listOf(maxMembers, personRef()), "Who cannot."},
	)
	return object(key{"tests", true, listOf(maxTests, object(
		key{"name", true, line(maxLine), "What is shown."},
		key{"when", true, zonedMoment(), "When somebody asks: `2026-11-22T03:00 Europe/Berlin`."},
		key{"given", false, object(
			key{"away", false, listOf(maxMembers, object(
				key{"person", true, personRef(), "Who is on time off."},
				key{"delegate", false, personRef(), "Who decides in their place."},
			)), "People on time off."},
			key{"active", false, listOf(maxGrants, object(
				key{"who", true, personRef(), "Who holds it: a person, or the id of a non-human identity."},
				key{"grant", true, grantRef(), "What they hold."},
				key{"until", false, zonedMoment(), "Until when. Without it: for long enough."},
			)), "Access that is held already."},
			key{"asked", false, number(0, maxTimes), "How often the same person asked within the period of the workflow's `often`."},
			key{"auto", false, number(0, maxTimes), "How often the rule approved for them within its period."},
		), "What is different from a quiet day."},
		key{"asks", true, object(
			key{"who", true, personRef(), "Who asks."},
			key{"workflow", true, ident(), "Which chain."},
			key{"for", false, personRef(), "For whom: a person, or the id of a non-human identity. Default themselves."},
			key{"grant", false, grantRef(), "What, as target/entitlement. May be left out where the workflow grants one thing."},
			key{"runbook", false, ident(), "Id of the runbook, for a workflow of kind runbook."},
			key{"duration", false, span(maxSpan), "For how long. Default what the form offers first."},
			key{"fields", false, tableOf(maxFields, fieldName(), scalarText()), "What the form says."},
			key{"reason", false, line(maxReason), "The reason. One is made up where none is given."},
			key{"channel", false, oneOf("slack", "cli", "api"), "How. Default slack."},
			key{"network", false, ident(), "Label of the network, where one is known."},
			key{"not_before", false, zonedMoment(), "When access is to begin."},
		), "The ask."},
		key{"expect", true, object(
			key{"outcome", true, oneOf(OutcomeRefused, OutcomeAuto, OutcomeChain), "refused, auto (the document approves) or chain (people are asked)."},
			key{"code", false, word(), "Code of the refusal, such as not_eligible."},
			key{"rule", false, line(maxLine), "Name of the rule that is chosen."},
			key{"tier", false, ident(), "Tier of the risk."},
			key{"stages", false, listOf(maxStages, stage), "All stages of the plan, in order."},
		), "What becomes of it. What is left out is not looked at."},
	)), "Asks and what should become of them; `countersign simulate` plays them."})
}
