-- +goose Up
-- How the ledger leaves this host: where each stream and anchor stands, what witnesses have signed, and the keys that signed before.

CREATE TABLE outlet (
	name     TEXT   NOT NULL PRIMARY KEY CHECK (name <> ''),
	next     BIGINT NOT NULL CHECK (next >= 0),
	sent_at  BIGINT NOT NULL,
	failing  BIGINT NOT NULL,
	attempts BIGINT NOT NULL CHECK (attempts >= 0),
	error    TEXT   NOT NULL
);

CREATE TABLE log_cosig (
	size     BIGINT NOT NULL REFERENCES log_checkpoint (size),
	key_name TEXT   NOT NULL CHECK (key_name <> ''),
	key_id   BIGINT NOT NULL,
	line     TEXT   NOT NULL CHECK (line <> ''),
	at       BIGINT NOT NULL,
	PRIMARY KEY (size, key_name, key_id)
);

CREATE TABLE log_key (
	idx  BIGINT NOT NULL PRIMARY KEY REFERENCES log_entry (idx),
	vkey TEXT   NOT NULL CHECK (vkey <> '')
);

-- +goose StatementBegin
CREATE FUNCTION log_key_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.idx <= (SELECT COALESCE(MAX(idx), -1) FROM log_key) THEN
		RAISE EXCEPTION '% is append-only: not a later entry', TG_TABLE_NAME;
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER log_cosig_update BEFORE UPDATE ON log_cosig FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER log_cosig_delete BEFORE DELETE ON log_cosig FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER log_cosig_truncate BEFORE TRUNCATE ON log_cosig FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER log_key_new BEFORE INSERT ON log_key FOR EACH ROW EXECUTE FUNCTION log_key_new();
CREATE TRIGGER log_key_update BEFORE UPDATE ON log_key FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER log_key_delete BEFORE DELETE ON log_key FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER log_key_truncate BEFORE TRUNCATE ON log_key FOR EACH STATEMENT EXECUTE FUNCTION append_only();
