ALTER TABLE credits_ratelimit SET LOGGED;
