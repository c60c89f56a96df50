ALTER TABLE credits_apikey DROP CONSTRAINT key_of_member;
ALTER TABLE credits_limit DROP CONSTRAINT limit_of_member;
DROP TRIGGER account_no_truncate ON credits_user;
DROP TRIGGER account_no_truncate ON credits_account;
DROP TRIGGER account_stays ON credits_account;
DROP TRIGGER account_opened_by_its_user ON credits_account;
DROP TRIGGER account_keeps_its_user ON credits_user;
DROP FUNCTION credits_delete_account(), credits_open_account() CASCADE;
