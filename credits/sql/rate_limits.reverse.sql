DROP FUNCTION credits_take(text [], integer [], interval);
DROP FUNCTION credits_rate_wait(credits_ratelimit, integer, interval, timestamptz);
DROP FUNCTION credits_rate_now(credits_ratelimit, interval, timestamptz);
ALTER TABLE credits_ratelimit RESET (fillfactor);
ALTER TABLE credits_ratelimit SET LOGGED;
