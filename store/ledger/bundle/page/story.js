"use strict";
// Each entry as one plain sentence. What names the people is the exporter's word; what the sentence says of an entry is read from its
// verified bytes. A kind that this page does not know is shown by its name.

function spanText(seconds) {
	for (const [unit, n] of [["d", 86400], ["h", 3600], ["m", 60]]) if (seconds && seconds % n === 0) return seconds / n + unit;
	return seconds + "s";
}

const dayTime = (s) => (typeof s === "string" && s.length > 19 ? s.slice(0, 10) + " " + s.slice(11, 16) + " UTC" : String(s ?? "?"));

// plain drops what could change how a line is shown: controls, marks of direction, signs without width.
const plain = (s) => String(s).replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g, "");

class Story {
	constructor(people, texts) {
		Object.assign(this, {people, texts, requests: new Map(), grants: new Map()});
	}

	person(id) {
		if (!id) return "the system";
		return this.people[id] ? plain(this.people[id]) : id.replace(/^(\w_)?(.{8}).*$/, "$1$2…");
	}

	list(ids) {
		const all = (Array.isArray(ids) ? ids : []).map((x) => this.person(typeof x === "object" ? x?.person : x));
		return all.length ? all.join(", ") : "nobody";
	}

	// text is a sealed field of the entry that was disclosed and fits, in quotes, or nothing.
	text(i, field) {
		const o = (this.texts.get(i) ?? []).find((o) => o.field === field && !o.strange);
		return o ? "“" + plain(o.value) + "”" : "";
	}

	tell(i, e) {
		const known = Object.hasOwn(told, e.type) ? told[e.type] : null;
		let s = "";
		try {
			s = known ? known(this, e, i) : "";
		} catch { // an entry may hold anything
		}
		s ||= `${e.type.replaceAll(/[._]/g, " ")} on ${e.stream}` + (e.person ? `, by ${this.person(e.person)}` : "") + ".";
		return plain(s[0].toUpperCase() + s.slice(1) + (e.drill === true ? " This was a drill." : ""));
	}

	request(e) {
		return this.requests.get(e.stream) ?? `request ${e.stream.split("/")[1]}`;
	}

	grant(id) {
		return this.grants.get(id) ?? `grant ${id}`;
	}
}

const because = (s, i, field, lead = ", because ") => (s.text(i, field) ? lead + s.text(i, field) : "");

const told = {
	"genesis": (s, e) => `The ledger ${e.origin} begins, signed by ${e.vkey}.` + (e.virtual ? " Its clock can be moved: it is a demonstration, not evidence." : ""),
	"instance.started": (s, e) => `The program started on ${e.instance} in version ${e.version}.`,
	"instance.stopped": (s, e) => `The program on ${e.instance} was stopped in order.`,
	"policy.loaded": (s, e) => `${Object.keys(e.workflows ?? {}).length} workflows and ${Object.keys(e.runbooks ?? {}).length} runbooks were put in force; changed: ${(e.changed ?? []).join(", ") || "nothing"}.`,
	"person.linked": (s, e, i) => `Account ${e.account} (${e.medium}) belongs to ${s.person(e.stream.split("/")[1])}${because(s, i, "name", ", named ")}, as known by ${e.how}.`,
	"identity.registered": (s, e) => `${e.class.replaceAll("_", " ")} “${e.name}” is in the inventory, owned by ${s.person(e.owner)}, for ${e.environment} until ${e.expires}.`,
	"request.submitted": (s, e, i) => {
		const what = e.runbook ? `the use of runbook ${e.runbook} in incidents` : `${e.entitlement} on ${e.target}`;
		s.requests.set(e.stream, `${s.person(e.person)}'s request for ${what}`);
		return `${s.person(e.person)} asked for ${what} for ${spanText(e.seconds)}, under workflow ${e.workflow}${because(s, i, "reason")}.`;
	},
	"stage.opened": (s, e) => `Stage ${e.stage + 1} of ${s.request(e)} waits for ${s.list(e.roster)}, until ${dayTime(e.times_out_at)}.`,
	"roster.changed": (s, e) => `Stage ${e.stage + 1} of ${s.request(e)} is now decided by ${s.list(e.roster)}.`,
	"stage.reminded": (s, e) => `Those who had not decided stage ${e.stage + 1} of ${s.request(e)} were due a reminder.`,
	"stage.escalated": (s, e) => `Stage ${e.stage + 1} of ${s.request(e)} was escalated to ${s.list(e.added)}.`,
	"stage.satisfied": (s, e) => `Stage ${e.stage + 1} of ${s.request(e)} has the approvals it needs.`,
	"stage.timed_out": (s, e) => `Nobody decided stage ${e.stage + 1} of ${s.request(e)} in time.`,
	"vote.recorded": (s, e, i) => `${s.person(e.person)} ${e.verdict === "deny" ? "denied" : "approved"} stage ${e.stage + 1} of ${s.request(e)}${because(s, i, "reason")}, authenticated by ${e.authn}.`,
	"vote.taken_back": (s, e, i) => `${s.person(e.person)} took back the approval of stage ${e.stage + 1} of ${s.request(e)}${because(s, i, "why")}.`,
	"request.countered": (s, e, i) => `${s.person(e.person)} offered other terms in stage ${e.stage + 1} of ${s.request(e)}${because(s, i, "reason")}.`,
	"offer.accepted": (s, e) => `${s.person(e.person)} took up the offer on ${s.request(e)}: it goes on as request ${e.request}.`,
	"offer.declined": (s, e) => `${s.person(e.person)} declined the offer on ${s.request(e)}.`,
	"request.commented": (s, e, i) => `${s.person(e.person)} added a note to ${s.request(e)}${because(s, i, "text", ": ")}.`,
	"request.auto_approved": (s, e) => `Rule ${e.rule} of the document approved ${s.request(e)} without people, for the ${e.used}. time of ${e.times}.`,
	"request.approved": (s, e) => `${s.request(e)} was approved.`,
	"request.denied": (s, e) => `${s.request(e)} was denied at stage ${e.stage + 1}.`,
	"request.withdrawn": (s, e, i) => `${s.person(e.person)} withdrew ${s.request(e)}${because(s, i, "why")}.`,
	"request.timed_out": (s, e) => `${s.request(e)} ended undecided.`,
	"request.superseded": (s, e) => `${s.request(e)} ended without a decision, as its ground had moved: ${e.why}`,
	"request.failed": (s, e) => `${s.request(e)} was approved, but the access could not be made: ${e.why}`,
	"command.refused": (s, e) => `${s.person(e.person)} tried “${e.command}” by ${e.channel} and was turned away (${e.code}); nothing changed.`,
	"notice.delivered": (s, e) => `The notice “${e.notice.split("/")[0]}” about ${s.requests.get(e.stream) ?? e.stream} was delivered by ${e.via}.`,
	"notice.undelivered": (s, e) => `The notice “${e.notice.split("/")[0]}” about ${s.requests.get(e.stream) ?? e.stream} could not be delivered: ${e.why}`,
	"grant.approved": (s, e) => {
		s.grants.set(e.grant, `${s.person(e.identity)}'s ${e.title} on ${e.target_title}`);
		const by = e.runbook ? `by runbook ${e.runbook} in incident ${e.incident}` : `approved by ${s.list(e.approvers)}`;
		return `${s.person(e.identity)} may hold ${e.title} on ${e.target_title} until ${dayTime(e.ends_at)}, ${by}.`;
	},
	"grant.started": (s, e) => `${s.grant(e.grant)} has begun; the target calls it “${e.ref}”.`,
	"grant.attempt_failed": (s, e) => `An attempt to ${e.op} ${s.grant(e.grant)} failed (${e.class}): ${e.text}`,
	"grant.failed": (s, e) => `${s.grant(e.grant)} could not be made: ${e.why}`,
	"grant.ending": (s, e, i) => `${s.grant(e.grant)} is over: ${e.how}${e.person ? " by " + s.person(e.person) : ""}${because(s, i, "why")}.`,
	"grant.overdue": (s, e) => `${s.grant(e.grant)} should be gone and is not: alarm of level ${e.level}.`,
	"grant.revoked": (s, e) => `${s.grant(e.grant)} was taken back; reading it back showed it ${e.presence}.`,
	"grant.verified": (s, e) => `${s.grant(e.grant)} was read back again and is gone.`,
	"runbook.preapproved": (s, e) => `Runbook ${e.stream.split("/")[1]} may be used in incidents ${e.uses} times until ${dayTime(e.until)}, approved by ${s.list(e.approvers)}.`,
	"runbook.invoked": (s, e, i) => `${s.person(e.person)} broke the glass with runbook ${e.stream.split("/")[1]} in incident ${e.incident}${because(s, i, "reason")}, until ${dayTime(e.ends_at)}, without asking ${s.list(e.skipped)}.`,
	"review.opened": (s, e) => `${s.person(e.owner)} must review by ${dayTime(e.due_at)} how ${s.person(e.invoker)} used ${e.about} in incident ${e.incident}.`,
	"review.overdue": (s, e) => `A review was due at ${dayTime(e.due_at)} and is still open.`,
	"review.closed": (s, e, i) => `${s.person(e.person)} closed the review as ${e.verdict}${because(s, i, "note", ": ")}.`,
	"custody.proposed": (s, e, i) => `${s.person(e.person)} proposed to ${e.act}${e.what ? " " + e.what : e.about ? " what is known of " + s.person(e.about) : e.field ? ` the field ${e.field} of entry ${e.entry}` : ""}${because(s, i, "reason")}.`,
	"custody.confirmed": (s, e) => `${s.person(e.person)} confirmed the proposal to ${e.act}.`,
	"anchor.published": (s, e) => `The signed head over ${e.size} entries was published by ${e.sink}.`,
	"alarm.raised": (s, e) => `An alarm was raised: ${e.what} (${e.detail}).`,
	"clock.jumped": (s, e) => e.at_start ? `At its start the bot found the wall clock at ${dayTime(e.to)}, behind the newest entry, of ${dayTime(e.from)}.` : `The wall clock was set from ${dayTime(e.from)} to ${dayTime(e.to)}.`,
	"clock.confirmed": (s, e, i) => `${s.person(e.person)} answers for the wall clock, which was behind ${dayTime(e.floor)} at a start${because(s, i, "reason")}.`,
	"key.rotated": (s, e) => `From here on another key signs: ${e.vkey}.`,
};
