package spec

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows/incidents"
)

func runbookShape() shape {
	return object(
		key{"id", true, ident(), "Id of the runbook; people type it after /breakglass."},
		key{"title", true, line(maxLine), "Name, as people read it."},
		key{"purpose", true, prose(), "What it is for."},
		key{"use_when", true, prose(), "When to use it."},
		key{"do_not_use_when", true, prose(), "When not to use it, and what to do instead."},
		key{"owner", true, personRef(), "Key of the person who answers for the document."},
		key{"routine", false, flag(), "true when no incident opens it but a chain of kind routine, once for each carrying-out: a rotation, somebody who leaves."},
		key{"opens_on", false, listOf(1, oneOf(incidents.OpensOnRotation)), "Of a routine: rotation when the due rotation of an identity's secret opens it without asking the chain."},
		key{"kinds", false, listOf(len(identityKinds()), oneOf(identityKinds()...)), "Of a routine that rotations open: the kinds of identity for which people follow it, where no routine replaces secrets on their target by itself."},
		key{"invokers", true, selectorShape(false), "Who may invoke it in an incident: people, groups, rotations. Of a routine: who may carry it on besides who asked for it."},
		key{"executors", false, selectorShape(false), "Who else may carry out its steps."},
		key{"grant", false, grantRef(), "What is granted at once, as target/entitlement. Needed unless the steps say what is done."},
		key{"longest", true, span(maxRoutine), "How long an invocation lasts: 24h at most; of a routine, 30d."},
		key{"incident_pattern", false, pattern(), "RE2 that the incident's name must match as a whole."},
		key{"incident_required", false, flag(), "true when the incident must be known and open: opened with /incident, or known to a pager service. Default false."},
		key{"severity_min", false, number(1, maxSeverity), "The incident must be at least this severe; 1 is the worst."},
		key{"on_shift", false, listOf(maxRotations, ident()), "Rotations; who invokes it is on shift in one of them."},
		key{"commander_invokes", false, flag(), "true when only the incident's commander invokes it."},
		key{"executor_differs", false, flag(), "true when who invokes it does not carry it out: somebody else holds the access and does the steps."},
		key{"break_glass", false, object(
			key{"people", true, listOf(maxGlass, personRef()), "Keys of the few people who may go around a condition that fails."},
			key{"longest", true, span(maxIncident), "How long such a use lasts; short."},
			key{"step_up", false, flag(), "true when a click in the chat is not enough for it: the page for emergencies takes a printed code, the bot's host the user who types."},
		), "The short list for when a condition fails and nobody can be reached. Louder, shorter, and reviewed within a day."},
		key{"chain", false, ident(), "Id of the workflow that is asked when a condition fails. Default: the one that is skipped. Of a routine: the one of kind routine that decides."},
		key{"skips", false, ident(), "Id of the workflow whose approvers are told that they were skipped."},
		key{"notify", false, channel(), "Channel that is told at once, and where the checklist stands."},
		key{"notify_people", false, selectorShape(false), "Who else is told of every use, in a direct message."},
		key{"reviewers", false, selectorShape(false), "Who may review the use; the first who is not the invoker owns it."},
		key{"review_due", false, span(maxReviewDue), "By when the use is reviewed."},
		key{"last_reviewed", false, date(), "Day on which somebody last read the whole text. An approval of exactly this text counts, too."},
		key{"review_every", false, span(maxSpan), "How long the text counts as looked at; afterwards it is not ready until it is approved again."},
		key{"drill_every", false, span(maxSpan), "How often it is practised; a drill that is overdue makes it not ready."},
		key{"cooldown", false, span(maxIncident), "How long after a use it rests, outside of the same incident."},
		key{"max_uses", false, oftenShape(), "How often it is used in all before a second listed person must agree."},
		key{"max_person_uses", false, oftenShape(), "How often one person breaks the glass before a second listed person must agree. Default twice in 7d."},
		key{"rotate_after", false, listOf(maxExposed, object(
			key{"what", true, line(maxLine), "The credential that whoever carries it out gets to see."},
			key{"owner", true, personRef(), "Key of the person who rotates it."},
			key{"within", true, span(maxReviewDue), "By when."},
			key{"identity", false, ident(), "Id of the identity in the inventory whose secret it is: its rotation is opened by itself when the use is over."},
		)), "What is rotated after every use. The review cannot be closed before."},
		key{"on_failure", false, oneOf(incidents.OnFailureStop, incidents.OnFailureContinue, incidents.OnFailureRollback), "What happens when a step fails for good: stop (people decide, the default), continue, rollback."},
		key{"fields", false, fieldsShape(), "Parameters: a public key for a certificate, which host. Secrets are no parameters: a step names the file that holds one."},
	)
}

// stepShape is a block "```step" under a step of a runbook.
func stepShape() shape {
	return object(
		key{"action", false, oneOf(append([]string{actByHand}, incidents.Actions()...)...), "hand (a person does it, the default), grant (access for who carries it out), revoke (takes an entitlement away from an account), rotate (a new secret, the old one retired), renew (a new secret beside the old one), retire (ends the old one that renew left), command or webhook (runs a target of that connector)."},
		key{"on", false, grantRef(), "What is asked of the connector, as target/entitlement."},
		key{"account", false, text("a name or ${field}", anyText), "Of revoke, rotate, renew and retire: whose account on the target; a name, or ${field} for an answer of the form."},
		key{"fields", false, tableOf(maxFields, fieldName(), text("text or ${field}", anyText)), "What the connector is handed. Each is a text, or ${field} alone for an answer of the form."},
		key{"secrets", false, tableOf(maxFields, fieldName(), secretRef()), "What it is handed that nobody may read: file:/run/secrets/NAME or env:NAME, read when the step runs."},
		key{"timeout", false, span(maxStepTimeout), "How long one attempt may take. Default 1m."},
		key{"retries", false, number(0, maxRetries), "How often it is tried again by itself. Default 2."},
		key{"auto", false, flag(), "true when it begins by itself once every step before it is over."},
		key{"wait", false, span(maxRoutine), "Of auto: how long after every step before is over it begins by itself; a person may begin it sooner. Of retire: the time in which both secrets work."},
		key{"second", false, flag(), "true when somebody else than who invoked the runbook must press the button."},
		key{"evidence", false, flag(), "Of hand: true when it is done only with a note, a link or a file's hash."},
		key{"precheck", false, oneOf(incidents.PresencePresent, incidents.PresenceAbsent), "What reading the target must find before anything is done; else the step fails without doing anything."},
		key{"rollback", false, flag(), "true when it is taken back if the run is rolled back."},
		key{"on_failure", false, oneOf(incidents.OnFailureStop, incidents.OnFailureContinue, incidents.OnFailureRollback), "What happens when this step fails for good."},
	)
}

const actByHand = "hand"

// secretRef names where a secret lies. The secret itself never stands in a document.
func secretRef() shape {
	return text("file:/PATH or env:NAME", func(s string) (string, string) {
		if name, ok := strings.CutPrefix(s, "env:"); ok {
			return envName().check(&value{text: name})
		}
		if path, ok := strings.CutPrefix(s, "file:"); ok {
			return fileName().check(&value{text: path})
		}
		return fmt.Sprintf("want file:/PATH or env:NAME, got %q", s), "name where the secret lies, never the secret itself"
	})
}
