-- +goose Up
-- What is read with other tools: a plain sqlite3 on a read-only connection. Nothing of it is evidence, all of it is computed from the
-- entries and the texts beside them. countersign ledger sql documents the columns; later versions only add some.
PRAGMA user_version = 4;

CREATE VIEW v_entries AS
SELECT l.idx AS entry, json_extract(l.j, '$.time') AS time, json_extract(l.j, '$.type') AS type, json_extract(l.j, '$.stream') AS stream,
	json_extract(l.j, '$.seq') AS seq, json_extract(l.j, '$.person') AS person, p.name AS name, json_extract(l.j, '$.actor') AS account,
	json_extract(l.j, '$.cause') AS cause, json_extract(l.j, '$.policy') AS policy, json_extract(l.j, '$.id') AS id, l.j AS leaf
FROM (SELECT idx, CAST(leaf AS TEXT) AS j FROM log_entry) l
LEFT JOIN person p ON p.ref = json_extract(l.j, '$.person');

CREATE VIEW v_texts AS
SELECT o.idx AS entry, o.field AS field, CAST(o.value AS TEXT) AS text, o.subject AS person
FROM opening o;

CREATE VIEW v_requests AS
SELECT substr(s.stream, 9) AS request, s.time AS asked_at, json_extract(s.leaf, '$.workflow') AS workflow, json_extract(s.leaf, '$.target') AS target,
	json_extract(s.leaf, '$.entitlement') AS entitlement, json_extract(s.leaf, '$.runbook') AS runbook, json_extract(s.leaf, '$.subject') AS subject,
	json_extract(s.leaf, '$.seconds') AS seconds, s.person AS requester, s.name AS requester_name,
	(SELECT t.text FROM v_texts t WHERE t.entry = s.entry AND t.field = 'reason') AS reason,
	COALESCE(substr(f.type, 9), 'open') AS outcome, f.time AS ended_at, json_extract(s.leaf, '$.channel') AS channel, s.policy AS policy, s.entry AS entry
FROM v_entries s
LEFT JOIN v_entries f ON f.entry = (
	SELECT MAX(e.idx) FROM stream_entry e
	JOIN v_entries x ON x.entry = e.idx
	WHERE e.stream = s.stream
		AND x.type IN ('request.approved', 'request.auto_approved', 'request.denied', 'request.withdrawn', 'request.timed_out', 'request.superseded', 'request.failed'))
WHERE s.type = 'request.submitted';

CREATE VIEW v_decisions AS
SELECT e.entry AS entry, e.time AS time, substr(e.stream, 9) AS request, json_extract(e.leaf, '$.stage') + 1 AS stage, json_extract(e.leaf, '$.verdict') AS verdict,
	e.person AS person, e.name AS name, (SELECT t.text FROM v_texts t WHERE t.entry = e.entry AND t.field = 'reason') AS reason,
	json_extract(e.leaf, '$.authn') AS authn, json_extract(e.leaf, '$.channel') AS channel, json_extract(e.leaf, '$.shown') AS shown, e.policy AS policy
FROM v_entries e
WHERE e.type = 'vote.recorded';

CREATE VIEW v_grants AS
SELECT json_extract(a.leaf, '$.grant') AS "grant", json_extract(a.leaf, '$.request') AS request, json_extract(a.leaf, '$.runbook') AS runbook,
	json_extract(a.leaf, '$.identity') AS identity, p.name AS holder_name, json_extract(a.leaf, '$.requester') AS requester,
	json_extract(a.leaf, '$.target') AS target, json_extract(a.leaf, '$.entitlement') AS entitlement, json_extract(a.leaf, '$.approvers') AS approvers,
	a.time AS approved_at, json_extract(a.leaf, '$.ends_at') AS ends_at,
	(SELECT MIN(x.time) FROM v_entries x WHERE x.stream = a.stream AND x.type = 'grant.started' AND json_extract(x.leaf, '$.grant') = json_extract(a.leaf, '$.grant')) AS started_at,
	(SELECT MIN(json_extract(x.leaf, '$.how')) FROM v_entries x WHERE x.stream = a.stream AND x.type = 'grant.ending' AND json_extract(x.leaf, '$.grant') = json_extract(a.leaf, '$.grant')) AS ended_how,
	(SELECT MIN(x.time) FROM v_entries x WHERE x.stream = a.stream AND x.type IN ('grant.revoked', 'grant.failed') AND json_extract(x.leaf, '$.grant') = json_extract(a.leaf, '$.grant')) AS gone_at,
	a.entry AS entry
FROM v_entries a
LEFT JOIN person p ON p.ref = json_extract(a.leaf, '$.identity')
WHERE a.type = 'grant.approved';

CREATE VIEW v_break_glass AS
SELECT e.entry AS entry, e.time AS time, substr(e.stream, 9) AS runbook, json_extract(e.leaf, '$.incident') AS incident, e.person AS person, e.name AS name,
	json_extract(e.leaf, '$.grant') AS "grant", json_extract(e.leaf, '$.review') AS review, json_extract(e.leaf, '$.ends_at') AS ends_at,
	(SELECT t.text FROM v_texts t WHERE t.entry = e.entry AND t.field = 'reason') AS reason
FROM v_entries e
WHERE e.type = 'runbook.invoked';

CREATE VIEW v_reviews AS
SELECT substr(o.stream, 8) AS review, o.time AS opened_at, json_extract(o.leaf, '$.incident') AS incident, json_extract(o.leaf, '$.owner') AS owner,
	json_extract(o.leaf, '$.invoker') AS invoker, json_extract(o.leaf, '$.due_at') AS due_at, json_extract(c.leaf, '$.verdict') AS verdict, c.time AS closed_at,
	c.person AS closed_by, o.entry AS entry
FROM v_entries o
LEFT JOIN v_entries c ON c.stream = o.stream AND c.type = 'review.closed'
WHERE o.type = 'review.opened';

CREATE VIEW v_people AS
SELECT p.ref AS person, p.name AS name, p.email AS email, p.tz AS zone,
	(SELECT group_concat(a.kind || ' ' || a.key, ', ') FROM account a WHERE a.person = p.ref) AS accounts
FROM person p;

CREATE VIEW v_refusals AS
SELECT e.entry AS entry, e.time AS time, e.person AS person, e.name AS name, json_extract(e.leaf, '$.command') AS command, json_extract(e.leaf, '$.code') AS code,
	json_extract(e.leaf, '$.channel') AS channel, json_extract(e.leaf, '$.about') AS about, e.stream AS stream
FROM v_entries e
WHERE e.type = 'command.refused';

CREATE VIEW v_erasures AS
SELECT e.entry AS entry, e.time AS time, e.type AS type, json_extract(e.leaf, '$.about') AS about, json_extract(e.leaf, '$.entry') AS of_entry,
	json_extract(e.leaf, '$.field') AS field, json_extract(e.leaf, '$.before') AS before_entry, json_extract(e.leaf, '$.texts') AS texts,
	json_extract(e.leaf, '$.basis') AS basis, json_extract(e.leaf, '$.proposed_by') AS proposed_by, json_extract(e.leaf, '$.confirmed_by') AS confirmed_by
FROM v_entries e
WHERE e.type IN ('texts.erased', 'texts.pruned', 'texts.disclosed');

CREATE VIEW v_policies AS
SELECT e.entry AS entry, e.time AS time, json_extract(e.leaf, '$.version') AS program, json_extract(e.leaf, '$.workflows') AS workflows,
	json_extract(e.leaf, '$.runbooks') AS runbooks, json_extract(e.leaf, '$.changed') AS changed
FROM v_entries e
WHERE e.type = 'policy.loaded';

CREATE VIEW v_checkpoints AS
SELECT c.size AS entries, strftime('%Y-%m-%dT%H:%M:%SZ', c.published_at / 1000000, 'unixepoch') AS published_at, CAST(c.note AS TEXT) AS note
FROM log_checkpoint c;
