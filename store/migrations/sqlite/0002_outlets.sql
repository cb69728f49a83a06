-- +goose Up
-- How the ledger leaves this host: where each stream and anchor stands, what witnesses have signed, and the keys that signed before.
PRAGMA user_version = 2;

CREATE TABLE outlet (
	name     TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
	next     INTEGER NOT NULL CHECK (next >= 0),
	sent_at  INTEGER NOT NULL,
	failing  INTEGER NOT NULL,
	attempts INTEGER NOT NULL CHECK (attempts >= 0),
	error    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE log_cosig (
	size     INTEGER NOT NULL REFERENCES log_checkpoint (size),
	key_name TEXT    NOT NULL CHECK (key_name <> ''),
	key_id   INTEGER NOT NULL,
	line     TEXT    NOT NULL CHECK (line <> ''),
	at       INTEGER NOT NULL,
	PRIMARY KEY (size, key_name, key_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_key (
	idx  INTEGER NOT NULL PRIMARY KEY REFERENCES log_entry (idx),
	vkey TEXT    NOT NULL CHECK (vkey <> '')
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER log_cosig_new BEFORE INSERT ON log_cosig
WHEN EXISTS (SELECT 1 FROM log_cosig WHERE size = NEW.size AND key_name = NEW.key_name AND key_id = NEW.key_id)
BEGIN SELECT RAISE(ABORT, 'log_cosig is append-only: it exists'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_cosig_update BEFORE UPDATE ON log_cosig
BEGIN SELECT RAISE(ABORT, 'log_cosig is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_cosig_delete BEFORE DELETE ON log_cosig
BEGIN SELECT RAISE(ABORT, 'log_cosig is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_key_new BEFORE INSERT ON log_key
WHEN NEW.idx <= (SELECT COALESCE(MAX(idx), -1) FROM log_key)
BEGIN SELECT RAISE(ABORT, 'log_key is append-only: not a later entry'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_key_update BEFORE UPDATE ON log_key
BEGIN SELECT RAISE(ABORT, 'log_key is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_key_delete BEFORE DELETE ON log_key
BEGIN SELECT RAISE(ABORT, 'log_key is append-only'); END;
-- +goose StatementEnd
