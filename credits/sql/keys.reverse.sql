DROP FUNCTION credits_end_key() CASCADE;
DROP TRIGGER i12_secret_stays_what_it_was ON credits_apikeysecret;
DROP TRIGGER i12_no_truncate ON credits_apikey;
DROP TRIGGER i12_key_stays ON credits_apikey;
DROP TRIGGER i12_key_stays_what_it_was ON credits_apikey;
DROP FUNCTION credits_caller(bytea), credits_key_fault(credits_apikey, credits_usagehistory);
DROP FUNCTION credits_key_is_good(credits_apikey, timestamptz);
