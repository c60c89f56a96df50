DROP FUNCTION credits_session(text, text, bigint, interval, interval);
