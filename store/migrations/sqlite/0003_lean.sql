-- +goose Up
-- What every append pays for: the next due time is found at the ends of job_lane, so job_due was a second tree to keep, and a condition
-- with OR over two columns made SQLite collect rows where two looks at an index do.
PRAGMA user_version = 3;

DROP INDEX job_due;

DROP TRIGGER stream_entry_next;
-- +goose StatementBegin
CREATE TRIGGER stream_entry_next BEFORE INSERT ON stream_entry
WHEN NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM stream_entry WHERE stream = NEW.stream)
	OR EXISTS (SELECT 1 FROM stream_entry WHERE idx = NEW.idx)
	OR EXISTS (SELECT 1 FROM stream_entry WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'stream_entry is append-only: not the next seq'); END;
-- +goose StatementEnd
