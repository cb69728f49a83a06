-- +goose Up
-- What lists and searches of the inventory read: a row for each identity that some source knows, kept equal to its stream. No text of it can be
-- erased, so none has to be: accounts, places of secrets and ways of revocation are read from the stream. What is active has an owner, a purpose and
-- an end, whoever writes here.

CREATE TABLE inventory (
	id          TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
	state       TEXT   NOT NULL CHECK (state IN ('unclaimed', 'active', 'suspended', 'retired')),
	kind        TEXT   NOT NULL,
	owner       TEXT   NOT NULL,
	backup      TEXT   NOT NULL,
	purpose     TEXT   NOT NULL,
	target      TEXT   NOT NULL,
	environment TEXT   NOT NULL,
	managed_by  TEXT   NOT NULL,
	expires     BIGINT NOT NULL CHECK (expires >= 0),
	last_used   BIGINT NOT NULL CHECK (last_used >= 0),
	findings    TEXT   NOT NULL,
	words       TEXT   NOT NULL,
	doc         TEXT   NOT NULL CHECK (doc <> ''),
	CHECK (state <> 'active' OR owner <> '' AND length(purpose) >= 10 AND expires > 0)
);
CREATE INDEX inventory_state ON inventory (state, id);
CREATE INDEX inventory_owner ON inventory (owner, id);
CREATE INDEX inventory_target ON inventory (target, id);

CREATE TABLE inventory_word (
	word TEXT COLLATE "C" NOT NULL CHECK (word <> ''),
	id   TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (word, id)
);
