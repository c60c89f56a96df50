DROP FUNCTION credits_caller(bytea);
DROP FUNCTION credits_key_is_good(credits_apikey, timestamptz);
