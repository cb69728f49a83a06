-- +goose Up
-- What is handed over once: a secret made for a grant, sealed by a key that lies outside this database, until it is taken or destroyed. What
-- happens to it is in the entries; this is only the place where the sealed bytes wait.

CREATE TABLE handover (
	id      TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
	sealed  BYTEA  NOT NULL CHECK (octet_length(sealed) BETWEEN 29 AND 524288),
	kept_at BIGINT NOT NULL
);
