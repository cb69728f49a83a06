-- +goose Up
-- What is read with other tools: a plain psql on a read-only connection. Nothing of it is evidence, all of it is computed from the
-- entries and the texts beside them. countersign ledger sql documents the columns; later versions only add some.

CREATE VIEW v_entries AS
SELECT l.idx AS entry, (l.j ->> 'time') AS time, (l.j ->> 'type') AS type, (l.j ->> 'stream') AS stream,
	(l.j ->> 'seq')::bigint AS seq, (l.j ->> 'person') AS person, p.name AS name, (l.j ->> 'actor') AS account,
	(l.j ->> 'cause') AS cause, (l.j ->> 'policy') AS policy, (l.j ->> 'id') AS id, l.j AS leaf
FROM (SELECT idx, convert_from(leaf, 'UTF8')::jsonb AS j FROM log_entry) l
LEFT JOIN person p ON p.ref = (l.j ->> 'person');

CREATE VIEW v_texts AS
SELECT o.idx AS entry, o.field AS field, convert_from(o.value, 'UTF8') AS text, o.subject AS person
FROM opening o;

CREATE VIEW v_requests AS
SELECT substr(s.stream, 9) AS request, s.time AS asked_at, (s.leaf ->> 'workflow') AS workflow, (s.leaf ->> 'target') AS target,
	(s.leaf ->> 'entitlement') AS entitlement, (s.leaf ->> 'runbook') AS runbook, (s.leaf ->> 'subject') AS subject,
	(s.leaf ->> 'seconds')::bigint AS seconds, s.person AS requester, s.name AS requester_name,
	(SELECT t.text FROM v_texts t WHERE t.entry = s.entry AND t.field = 'reason') AS reason,
	COALESCE(substr(f.type, 9), 'open') AS outcome, f.time AS ended_at, (s.leaf ->> 'channel') AS channel, s.policy AS policy, s.entry AS entry
FROM v_entries s
LEFT JOIN v_entries f ON f.entry = (
	SELECT MAX(e.idx) FROM stream_entry e
	JOIN v_entries x ON x.entry = e.idx
	WHERE e.stream = s.stream
		AND x.type IN ('request.approved', 'request.auto_approved', 'request.denied', 'request.withdrawn', 'request.timed_out', 'request.superseded', 'request.failed'))
WHERE s.type = 'request.submitted';

CREATE VIEW v_decisions AS
SELECT e.entry AS entry, e.time AS time, substr(e.stream, 9) AS request, (e.leaf ->> 'stage')::bigint + 1 AS stage, (e.leaf ->> 'verdict') AS verdict,
	e.person AS person, e.name AS name, (SELECT t.text FROM v_texts t WHERE t.entry = e.entry AND t.field = 'reason') AS reason,
	(e.leaf ->> 'authn') AS authn, (e.leaf ->> 'channel') AS channel, (e.leaf ->> 'shown') AS shown, e.policy AS policy
FROM v_entries e
WHERE e.type = 'vote.recorded';

CREATE VIEW v_grants AS
SELECT (a.leaf ->> 'grant') AS "grant", (a.leaf ->> 'request') AS request, (a.leaf ->> 'runbook') AS runbook,
	(a.leaf ->> 'identity') AS identity, p.name AS holder_name, (a.leaf ->> 'requester') AS requester,
	(a.leaf ->> 'target') AS target, (a.leaf ->> 'entitlement') AS entitlement, (a.leaf -> 'approvers')::text AS approvers,
	a.time AS approved_at, (a.leaf ->> 'ends_at') AS ends_at,
	(SELECT MIN(x.time) FROM v_entries x WHERE x.stream = a.stream AND x.type = 'grant.started' AND (x.leaf ->> 'grant') = (a.leaf ->> 'grant')) AS started_at,
	(SELECT MIN((x.leaf ->> 'how')) FROM v_entries x WHERE x.stream = a.stream AND x.type = 'grant.ending' AND (x.leaf ->> 'grant') = (a.leaf ->> 'grant')) AS ended_how,
	(SELECT MIN(x.time) FROM v_entries x WHERE x.stream = a.stream AND x.type IN ('grant.revoked', 'grant.failed') AND (x.leaf ->> 'grant') = (a.leaf ->> 'grant')) AS gone_at,
	a.entry AS entry
FROM v_entries a
LEFT JOIN person p ON p.ref = (a.leaf ->> 'identity')
WHERE a.type = 'grant.approved';

CREATE VIEW v_break_glass AS
SELECT e.entry AS entry, e.time AS time, substr(e.stream, 9) AS runbook, (e.leaf ->> 'incident') AS incident, e.person AS person, e.name AS name,
	(e.leaf ->> 'grant') AS "grant", (e.leaf ->> 'review') AS review, (e.leaf ->> 'ends_at') AS ends_at,
	(SELECT t.text FROM v_texts t WHERE t.entry = e.entry AND t.field = 'reason') AS reason
FROM v_entries e
WHERE e.type = 'runbook.invoked';

CREATE VIEW v_reviews AS
SELECT substr(o.stream, 8) AS review, o.time AS opened_at, (o.leaf ->> 'incident') AS incident, (o.leaf ->> 'owner') AS owner,
	(o.leaf ->> 'invoker') AS invoker, (o.leaf ->> 'due_at') AS due_at, (c.leaf ->> 'verdict') AS verdict, c.time AS closed_at,
	c.person AS closed_by, o.entry AS entry
FROM v_entries o
LEFT JOIN v_entries c ON c.stream = o.stream AND c.type = 'review.closed'
WHERE o.type = 'review.opened';

CREATE VIEW v_people AS
SELECT p.ref AS person, p.name AS name, p.email AS email, p.tz AS zone,
	(SELECT string_agg(a.kind || ' ' || a.key, ', ') FROM account a WHERE a.person = p.ref) AS accounts
FROM person p;

CREATE VIEW v_refusals AS
SELECT e.entry AS entry, e.time AS time, e.person AS person, e.name AS name, (e.leaf ->> 'command') AS command, (e.leaf ->> 'code') AS code,
	(e.leaf ->> 'channel') AS channel, (e.leaf ->> 'about') AS about, e.stream AS stream
FROM v_entries e
WHERE e.type = 'command.refused';

CREATE VIEW v_erasures AS
SELECT e.entry AS entry, e.time AS time, e.type AS type, (e.leaf ->> 'about') AS about, (e.leaf ->> 'entry')::bigint AS of_entry,
	(e.leaf ->> 'field') AS field, (e.leaf ->> 'before')::bigint AS before_entry, (e.leaf ->> 'texts')::bigint AS texts,
	(e.leaf ->> 'basis') AS basis, (e.leaf ->> 'proposed_by') AS proposed_by, (e.leaf ->> 'confirmed_by') AS confirmed_by
FROM v_entries e
WHERE e.type IN ('texts.erased', 'texts.pruned', 'texts.disclosed');

CREATE VIEW v_policies AS
SELECT e.entry AS entry, e.time AS time, (e.leaf ->> 'version') AS program, (e.leaf -> 'workflows')::text AS workflows,
	(e.leaf -> 'runbooks')::text AS runbooks, (e.leaf -> 'changed')::text AS changed
FROM v_entries e
WHERE e.type = 'policy.loaded';

CREATE VIEW v_checkpoints AS
SELECT c.size AS entries, to_char(to_timestamp(c.published_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS published_at, convert_from(c.note, 'UTF8') AS note
FROM log_checkpoint c;
