-- An account is who pays. A person's account has the person's id and comes and goes with the row in
-- credits_user, whatever writes it. Both tables take their ids from one sequence, so that an id names
-- one payer.

CREATE FUNCTION credits_open_account() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO credits_account (id, kind) VALUES (NEW.id, 'personal');
    INSERT INTO credits_membership (account_id, user_id, role) VALUES (NEW.id, NEW.id, 'owner');
    RETURN NULL;
END $$;

-- Refused at the commit by the foreign keys of the ledger when it has rows of this account.
CREATE FUNCTION credits_delete_account() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM credits_account WHERE id = OLD.id;
    RETURN NULL;
END $$;

CREATE TRIGGER account_comes_with_its_user AFTER INSERT ON credits_user
FOR EACH ROW EXECUTE FUNCTION credits_open_account();

CREATE TRIGGER account_goes_with_its_user AFTER DELETE ON credits_user
FOR EACH ROW EXECUTE FUNCTION credits_delete_account();

CREATE TRIGGER account_keeps_its_user BEFORE UPDATE ON credits_user
FOR EACH ROW WHEN (NEW.id <> OLD.id)
EXECUTE FUNCTION credits_refuse('Account', 'a user has the id of the account');

CREATE TRIGGER account_opened_by_its_user BEFORE INSERT ON credits_account
FOR EACH ROW WHEN (NEW.kind = 'personal' AND pg_trigger_depth() < 1)
EXECUTE FUNCTION credits_refuse('Account', 'a personal account comes with its user');

CREATE TRIGGER account_stays BEFORE UPDATE OR DELETE ON credits_account
FOR EACH ROW WHEN (pg_trigger_depth() < 1)
EXECUTE FUNCTION credits_refuse('Account', 'an account stays as it was opened');

CREATE TRIGGER account_no_truncate BEFORE TRUNCATE ON credits_account
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Account', 'an account stays as it was opened');
CREATE TRIGGER account_no_truncate BEFORE TRUNCATE ON credits_user
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Account', 'users go one by one');

-- Limits and keys are of an account and of somebody who acts for it.
ALTER TABLE credits_limit ADD CONSTRAINT limit_of_member FOREIGN KEY (account_id, member_id)
REFERENCES credits_membership (account_id, user_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE credits_apikey ADD CONSTRAINT key_of_member FOREIGN KEY (account_id, member_id)
REFERENCES credits_membership (account_id, user_id) DEFERRABLE INITIALLY DEFERRED;
