-- Which log it is: a build that begins anew has a new one, and whoever follows must not read on at a place of the old one.

ALTER TABLE jobs ADD COLUMN log_attempt bigint NOT NULL DEFAULT 1; -- the attempt that began the log
