DROP FUNCTION credits_take(text, integer, interval);
ALTER TABLE credits_ratelimit SET LOGGED;
