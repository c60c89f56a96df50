-- API keys (I12): whom a secret acts for, and while what a key may be charged for.

-- Whether a key may be used at this moment.
CREATE FUNCTION credits_key_is_good(key credits_apikey, moment timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$ SELECT key.revoked_at IS NULL AND (key.expires_at > moment) IS NOT FALSE $$;

-- The rule that a charge in the name of a key breaks; null: none.
CREATE FUNCTION credits_key_fault(key credits_apikey, posted credits_usagehistory) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN posted.unit_cost IS NULL OR (key.account_id = posted.account_id
            AND key.member_id = coalesce(posted.member_id, posted.account_id)) IS NOT TRUE
            THEN 'i12_key_of_account'
        WHEN NOT credits_key_is_good(key, posted.created_at) THEN 'i12_key_good'
    END
$$;

-- A key that ends, or that will: under the lock of the balance, at a moment that is not past, so that no
-- charge by it is later than its end. What is revoked stays revoked.
CREATE FUNCTION credits_end_key() RETURNS trigger LANGUAGE plpgsql
AS $$
DECLARE
    moment timestamptz;
BEGIN
    IF OLD.revoked_at IS NOT NULL THEN
        RAISE EXCEPTION 'I12: key % was revoked', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'i12_key_ends_for_good';
    END IF;
    PERFORM credits_lock(NEW.account_id);
    moment := credits_now();
    IF NEW.revoked_at IS NOT NULL THEN
        NEW.revoked_at := moment;
    END IF;
    IF NEW.expires_at < moment THEN
        NEW.expires_at := moment;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER i12_key_ends_for_good BEFORE UPDATE OF revoked_at, expires_at ON credits_apikey
FOR EACH ROW WHEN (
    (NEW.revoked_at, NEW.expires_at) IS DISTINCT FROM (OLD.revoked_at, OLD.expires_at))
EXECUTE FUNCTION credits_end_key();

-- Who calls with the secret of this digest, in one round trip with its plan cached. No row: the secret
-- opens nothing. `catalogue` is its version. `is_stale` says that its last use, which is written at
-- most once a minute, is to be written now. An account with the id of a user is that user's own.
CREATE FUNCTION credits_caller(secret_digest bytea, OUT key_id bigint, OUT public_id text,
    OUT account_id bigint, OUT member_id bigint, OUT scopes text [], OUT only_models text [],
    OUT catalogue uuid, OUT calls_per_minute integer, OUT keeps_answers boolean,
    OUT secret_id bigint, OUT is_stale boolean)
RETURNS SETOF record ROWS 1 LANGUAGE plpgsql STABLE
AS $$
DECLARE
    moment timestamptz := credits_now();
BEGIN
    RETURN QUERY SELECT k.id, k.public_id::text, k.account_id, k.member_id, k.scopes::text [],
        k.only_models::text [], (SELECT c.version FROM credits_catalogueversion c),
        k.calls_per_minute, o.keeps_answers IS NOT FALSE, s.id,
        (s.last_used_at < now() - interval '1 minute') IS NOT FALSE
    FROM credits_apikeysecret s
    JOIN credits_apikey k ON k.id = s.key_id
    JOIN credits_user m ON m.id = k.member_id
    LEFT JOIN credits_user o ON o.id = k.account_id
    WHERE s.digest = secret_digest AND (s.valid_until > moment) IS NOT FALSE
        AND credits_key_is_good(k, moment) AND m.is_active AND o.is_active IS NOT FALSE;
END $$;


-- Refusals -------------------------------------------------------------------------------------

CREATE TRIGGER i12_key_stays_what_it_was BEFORE UPDATE ON credits_apikey
FOR EACH ROW WHEN ((NEW.id, NEW.account_id, NEW.member_id) <> (OLD.id, OLD.account_id, OLD.member_id))
EXECUTE FUNCTION credits_refuse('I12', 'a key acts for one account and member');
CREATE TRIGGER i12_key_stays BEFORE DELETE ON credits_apikey
FOR EACH ROW EXECUTE FUNCTION credits_refuse('I12', 'charges name a key; it is revoked');
CREATE TRIGGER i12_no_truncate BEFORE TRUNCATE ON credits_apikey
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('I12', 'charges name a key; it is revoked');
CREATE TRIGGER i12_secret_stays_what_it_was BEFORE UPDATE ON credits_apikeysecret
FOR EACH ROW WHEN ((NEW.id, NEW.key_id, NEW.digest) <> (OLD.id, OLD.key_id, OLD.digest))
EXECUTE FUNCTION credits_refuse('I12', 'a secret opens the key that it was made for');
