-- +goose Up
-- A list whose filter finds little reads all of the inventory, and nine parts of ten of what it read were documents of rows that it did not give.
-- One index in the order of the answer has all that lists and searches filter by: it is read instead, and the rows of the answer are fetched. The
-- indexes by one column that stood here led the planner to fetch every row of a common value.
PRAGMA user_version = 8;

DROP INDEX inventory_state;
DROP INDEX inventory_owner;
DROP INDEX inventory_target;
CREATE INDEX inventory_list ON inventory (id, state, kind, owner, backup, target, environment, managed_by, expires, last_used, findings, words);
