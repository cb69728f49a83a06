-- +goose Up
-- The ledger, what lies beside it, and the work it owes. Released migrations are never edited.
PRAGMA application_id = 1129531214;
PRAGMA user_version = 1;

CREATE TABLE meta (
	key   TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE log_entry (
	idx  INTEGER NOT NULL PRIMARY KEY CHECK (idx >= 0),
	leaf BLOB    NOT NULL CHECK (length(leaf) BETWEEN 2 AND 65535)
) STRICT;

CREATE TABLE log_tile (
	level  INTEGER NOT NULL CHECK (level BETWEEN 0 AND 7),
	n      INTEGER NOT NULL CHECK (n >= 0),
	hashes BLOB    NOT NULL CHECK (length(hashes) = 8192),
	PRIMARY KEY (level, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_head (
	id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
	size     INTEGER NOT NULL CHECK (size >= 0),
	root     BLOB    NOT NULL CHECK (length(root) = 32),
	frontier BLOB    NOT NULL,
	note     BLOB    NOT NULL
) STRICT;

CREATE TABLE log_checkpoint (
	size         INTEGER NOT NULL PRIMARY KEY CHECK (size > 0),
	note         BLOB    NOT NULL,
	published_at INTEGER NOT NULL
) STRICT;

CREATE TABLE stream_entry (
	stream TEXT    NOT NULL,
	seq    INTEGER NOT NULL CHECK (seq >= 1),
	idx    INTEGER NOT NULL UNIQUE REFERENCES log_entry (idx),
	id     TEXT    NOT NULL UNIQUE CHECK (id <> ''),
	PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE opening (
	idx     INTEGER NOT NULL REFERENCES log_entry (idx),
	field   TEXT    NOT NULL,
	salt    BLOB    NOT NULL CHECK (length(salt) = 32),
	value   BLOB    NOT NULL,
	subject TEXT    NOT NULL,
	PRIMARY KEY (idx, field)
) STRICT, WITHOUT ROWID;
CREATE INDEX opening_subject ON opening (subject) WHERE subject <> '';

CREATE TABLE document (
	hash  TEXT NOT NULL PRIMARY KEY CHECK (length(hash) = 71),
	kind  TEXT NOT NULL CHECK (kind <> ''),
	bytes BLOB NOT NULL
) STRICT;

CREATE TABLE cause (
	id        TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
	first_idx INTEGER NOT NULL,
	last_idx  INTEGER NOT NULL,
	refusal   TEXT    NOT NULL,
	CHECK (last_idx >= first_idx - 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE listing (
	stream TEXT    NOT NULL,
	list   TEXT    NOT NULL,
	member TEXT    NOT NULL,
	sort   INTEGER NOT NULL,
	PRIMARY KEY (stream, list, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX listing_read ON listing (list, member, sort DESC, stream);

CREATE TABLE job (
	id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	stream      TEXT    NOT NULL,
	kind        TEXT    NOT NULL CHECK (kind <> ''),
	key         TEXT    NOT NULL,
	made_by     TEXT    NOT NULL CHECK (made_by IN ('fold', 'paint', 'schedule')),
	gen         INTEGER NOT NULL CHECK (gen >= 1),
	due_wanted  INTEGER NOT NULL,
	due         INTEGER NOT NULL,
	leased      INTEGER NOT NULL CHECK (leased IN (0, 1)),
	lease_owner TEXT    NOT NULL,
	lease_end   INTEGER NOT NULL,
	attempts    INTEGER NOT NULL CHECK (attempts >= 0),
	lane        INTEGER NOT NULL CHECK (lane IN (0, 1)),
	pace        TEXT    NOT NULL,
	last_error  TEXT    NOT NULL,
	UNIQUE (stream, kind, key)
) STRICT;
CREATE INDEX job_due ON job (due);
CREATE INDEX job_lane ON job (lane, due);
CREATE INDEX job_leased ON job (lease_end) WHERE leased = 1;

CREATE TABLE inbox (
	id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	transport   TEXT    NOT NULL CHECK (transport <> ''),
	kind        TEXT    NOT NULL,
	body        BLOB    NOT NULL,
	received_at INTEGER NOT NULL,
	done_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX inbox_undone ON inbox (id) WHERE done_at = 0;
CREATE INDEX inbox_received ON inbox (received_at);

CREATE TABLE inbox_key (
	key   TEXT    NOT NULL PRIMARY KEY CHECK (key <> ''),
	inbox INTEGER NOT NULL REFERENCES inbox (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_key_inbox ON inbox_key (inbox);

CREATE TABLE surface (
	id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	stream  TEXT    NOT NULL,
	place   TEXT    NOT NULL CHECK (place IN ('message', 'home')),
	channel TEXT    NOT NULL,
	ts      TEXT    NOT NULL,
	person  TEXT    NOT NULL,
	pace    TEXT    NOT NULL,
	wanted  INTEGER NOT NULL,
	painted INTEGER NOT NULL CHECK (painted <= wanted),
	thread  INTEGER NOT NULL,
	UNIQUE (place, channel, ts, person),
	CHECK ((place = 'message') = (ts <> ''))
) STRICT;
CREATE INDEX surface_stream ON surface (stream);

CREATE TABLE person (
	ref    TEXT NOT NULL PRIMARY KEY CHECK (ref <> ''),
	key    TEXT UNIQUE,
	name   TEXT NOT NULL,
	email  TEXT NOT NULL,
	tz     TEXT NOT NULL,
	locale TEXT NOT NULL,
	extra  TEXT NOT NULL
) STRICT;

CREATE TABLE account (
	actor  TEXT NOT NULL PRIMARY KEY CHECK (actor <> ''),
	kind   TEXT NOT NULL CHECK (kind <> ''),
	key    TEXT NOT NULL CHECK (key <> ''),
	person TEXT NOT NULL,
	UNIQUE (kind, key)
) STRICT;
CREATE INDEX account_person ON account (person) WHERE person <> '';

-- Append-only. A BEFORE INSERT guard is needed beside UPDATE and DELETE because REPLACE and UPSERT pass those two by.
-- +goose StatementBegin
CREATE TRIGGER log_entry_next BEFORE INSERT ON log_entry
WHEN NEW.idx <> (SELECT COALESCE(MAX(idx), -1) + 1 FROM log_entry)
BEGIN SELECT RAISE(ABORT, 'log_entry is append-only: not the next index'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_entry_update BEFORE UPDATE ON log_entry
BEGIN SELECT RAISE(ABORT, 'log_entry is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_entry_delete BEFORE DELETE ON log_entry
BEGIN SELECT RAISE(ABORT, 'log_entry is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_tile_new BEFORE INSERT ON log_tile
WHEN EXISTS (SELECT 1 FROM log_tile WHERE level = NEW.level AND n = NEW.n)
BEGIN SELECT RAISE(ABORT, 'log_tile is append-only: the tile exists'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_tile_update BEFORE UPDATE ON log_tile
BEGIN SELECT RAISE(ABORT, 'log_tile is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_tile_delete BEFORE DELETE ON log_tile
BEGIN SELECT RAISE(ABORT, 'log_tile is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_head_grows BEFORE UPDATE ON log_head
WHEN NEW.size <= OLD.size OR NEW.id <> OLD.id
BEGIN SELECT RAISE(ABORT, 'log_head only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_head_once BEFORE INSERT ON log_head
WHEN EXISTS (SELECT 1 FROM log_head)
BEGIN SELECT RAISE(ABORT, 'log_head only grows: it exists'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_head_delete BEFORE DELETE ON log_head
BEGIN SELECT RAISE(ABORT, 'log_head only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_checkpoint_new BEFORE INSERT ON log_checkpoint
WHEN EXISTS (SELECT 1 FROM log_checkpoint WHERE size = NEW.size)
BEGIN SELECT RAISE(ABORT, 'log_checkpoint is append-only: it exists'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_checkpoint_update BEFORE UPDATE ON log_checkpoint
BEGIN SELECT RAISE(ABORT, 'log_checkpoint is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_checkpoint_delete BEFORE DELETE ON log_checkpoint
BEGIN SELECT RAISE(ABORT, 'log_checkpoint is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER stream_entry_next BEFORE INSERT ON stream_entry
WHEN NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM stream_entry WHERE stream = NEW.stream)
	OR EXISTS (SELECT 1 FROM stream_entry WHERE idx = NEW.idx OR id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'stream_entry is append-only: not the next seq'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER stream_entry_update BEFORE UPDATE ON stream_entry
BEGIN SELECT RAISE(ABORT, 'stream_entry is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER stream_entry_delete BEFORE DELETE ON stream_entry
BEGIN SELECT RAISE(ABORT, 'stream_entry is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER document_new BEFORE INSERT ON document
WHEN EXISTS (SELECT 1 FROM document WHERE hash = NEW.hash)
BEGIN SELECT RAISE(ABORT, 'document is append-only: it exists'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER document_update BEFORE UPDATE ON document
BEGIN SELECT RAISE(ABORT, 'document is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER document_delete BEFORE DELETE ON document
BEGIN SELECT RAISE(ABORT, 'document is append-only'); END;
-- +goose StatementEnd
