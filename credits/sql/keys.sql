-- API keys (I12): whom a secret acts for, and while what a key may be charged for.

-- Whether a key may be used at this moment.
CREATE FUNCTION credits_key_is_good(key credits_apikey, moment timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$ SELECT key.revoked_at IS NULL AND (key.expires_at > moment) IS NOT FALSE $$;

-- Who calls with the secret of this digest, in one round trip with its plan cached. No row: the secret
-- opens nothing. `catalogue` is its version. `is_stale` says that its last use, which is written at most once a minute, is to be
-- written now. An account with the id of a user is that user's own.
CREATE FUNCTION credits_caller(secret_digest bytea, OUT key_id bigint, OUT public_id text,
    OUT account_id bigint, OUT member_id bigint, OUT scopes text [], OUT only_models text [],
    OUT catalogue uuid, OUT secret_id bigint, OUT is_stale boolean)
RETURNS SETOF record ROWS 1 LANGUAGE plpgsql STABLE
AS $$
DECLARE
    moment timestamptz := credits_now();
BEGIN
    RETURN QUERY SELECT k.id, k.public_id::text, k.account_id, k.member_id, k.scopes::text [],
        k.only_models::text [], (SELECT c.version FROM credits_catalogueversion c), s.id, (s.last_used_at < now() - interval '1 minute') IS NOT FALSE
    FROM credits_apikeysecret s
    JOIN credits_apikey k ON k.id = s.key_id
    JOIN credits_user m ON m.id = k.member_id
    LEFT JOIN credits_user o ON o.id = k.account_id
    WHERE s.digest = secret_digest AND (s.valid_until > moment) IS NOT FALSE
        AND credits_key_is_good(k, moment) AND m.is_active AND o.is_active IS NOT FALSE;
END $$;
