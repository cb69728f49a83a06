-- +goose Up
-- What every append pays for: the next due time is found at the ends of job_lane, so job_due was a second tree to keep.

DROP INDEX job_due;
