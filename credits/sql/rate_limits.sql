-- What limits count, without a write-ahead log: a crash may forget who did what in the last minute,
-- and a paid request waits for one flush to the disk instead of two.
ALTER TABLE credits_ratelimit SET UNLOGGED;
