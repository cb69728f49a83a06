-- +goose Up
-- The texts of a person are found by their subject, their streams and their access, in one pass over all of them: no query used this index,
-- and each text that is kept paid for it.

DROP INDEX opening_subject;
