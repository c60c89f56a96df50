-- Credits of plans: resetting what is left of them, and when the next ones are due.

-- An admin sets what is left of an account's plan credits to `target`. Only grants of plans are
-- touched: what is too much leaves those that end soonest, what lacks comes until `until` as a grant
-- of the same item and period. Outcomes: adjusted, unchanged, replayed, key_conflict; `change` is
-- what `before` became `target` by, and `usage_ids` are the rows by which.
CREATE FUNCTION credits_set_plan(owner bigint, target bigint, until timestamptz, of_item bigint,
    of_period bigint, burn_priority integer, request_key text, fingerprint text, extra jsonb,
    OUT outcome text, OUT before bigint, OUT change bigint, OUT available bigint,
    OUT usage_ids bigint[]) LANGUAGE plpgsql
AS $$
DECLARE
    earlier credits_usagehistory;
    live record;
    filled bigint;
    row_id bigint;
    owed bigint;
    part bigint;
    row_key text := request_key;
    moment timestamptz;
BEGIN
    available := credits_lock(owner);
    SELECT * INTO earlier FROM credits_usagehistory
    WHERE account_id = owner AND idempotency_key = request_key;
    IF FOUND THEN
        change := -earlier.credits_used;
        outcome := CASE WHEN earlier.request_fingerprint IS NOT DISTINCT FROM fingerprint
            AND earlier.operation_type = 'ADJUSTMENT' THEN 'replayed' ELSE 'key_conflict' END;
        RETURN;
    END IF;
    moment := credits_now();
    available := (credits_expire(owner, moment, NULL, available)).balance;
    SELECT coalesce(sum(remaining), 0) INTO before FROM credits_creditgrant
    WHERE account_id = owner AND source = 'plan' AND has_credits;
    change := target - before;
    outcome := CASE WHEN change = 0 THEN 'unchanged' ELSE 'adjusted' END;
    IF change > 0 THEN
        INSERT INTO credits_creditgrant
            (account_id, source, amount, remaining, priority, expires_at, expired, key, details,
             subscription_item_id, period_id, created_at)
        VALUES (owner, 'plan', change, 0, burn_priority, until, false,
            format('reset:%s:%s', owner, request_key), '{}', of_item, of_period, moment)
        RETURNING id INTO filled;
        available := available + change;
        INSERT INTO credits_usagehistory
            (account_id, operation_type, credits_used, balance_after, details, grant_id,
             idempotency_key, request_fingerprint, created_at)
        VALUES (owner, 'ADJUSTMENT', -change, available, extra, filled, request_key, fingerprint,
            moment)
        RETURNING id INTO row_id;
        usage_ids := ARRAY[row_id];
    END IF;
    owed := -change;
    FOR live IN
        SELECT id, remaining FROM credits_creditgrant
        WHERE account_id = owner AND source = 'plan' AND has_credits
        ORDER BY expires_at NULLS LAST, id
    LOOP
        EXIT WHEN owed <= 0;
        part := least(owed, live.remaining);
        owed := owed - part;
        available := available - part;
        INSERT INTO credits_usagehistory
            (account_id, operation_type, credits_used, balance_after, details, grant_id,
             idempotency_key, request_fingerprint, created_at)
        VALUES (owner, 'ADJUSTMENT', part, available, extra, live.id, row_key, fingerprint, moment)
        RETURNING id INTO row_id;
        usage_ids := usage_ids || row_id;
        -- A row for each grant: the first has the key, and stands for the others.
        row_key := format('%s:%s', request_key, live.id);
    END LOOP;
END $$;

-- Whether credits come before the next read or spend. The clock is looked at only if some are
-- expected: of a spend that waits for its lock, the time after that counts.
CREATE FUNCTION credits_is_due(owner bigint) RETURNS boolean LANGUAGE plpgsql
AS $$
DECLARE
    planned timestamptz;
BEGIN
    SELECT b.due_at INTO planned FROM credits_creditbalance b WHERE b.account_id = owner;
    IF planned IS NOT NULL THEN
        RETURN planned <= credits_now();
    END IF;
    RETURN false;
END $$;

-- The moment at which credits come the next time: an earlier one stands; NULL takes it away, or, with
-- `wait`, puts it off for so long.
CREATE FUNCTION credits_set_due(owner bigint, moment timestamptz, wait interval) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    planned timestamptz;
BEGIN
    SELECT b.due_at INTO planned FROM credits_creditbalance b WHERE b.account_id = owner;
    IF planned <= moment THEN
        RETURN;
    END IF;
    PERFORM credits_lock(owner);
    UPDATE credits_creditbalance b
    SET due_at = CASE WHEN moment IS NULL THEN credits_now() + wait ELSE least(b.due_at, moment) END
    WHERE b.account_id = owner;
END $$;
