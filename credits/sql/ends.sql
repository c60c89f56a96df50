-- What comes to an end: grants by their time, holds by their work or their lease.

-- Posts the expiry of grants of one account that are due at the moment, at most so many (NULL: all). The
-- caller has locked the balance, which comes back, and what of it can be spent: what is due still waits
-- for the sweeper.
CREATE FUNCTION credits_expire(owner bigint, moment timestamptz, at_most integer,
    INOUT balance bigint, OUT available bigint) LANGUAGE plpgsql
AS $$
DECLARE
    due credits_creditgrant;
    posted integer := 0;
BEGIN
    FOR due IN
        SELECT * FROM credits_creditgrant
        WHERE account_id = owner AND NOT expired AND expires_at <= moment
        ORDER BY expires_at, id LIMIT at_most
    LOOP
        IF due.remaining > 0 THEN
            balance := balance - due.remaining;
            INSERT INTO credits_usagehistory
                (account_id, operation_type, credits_used, balance_after, details, grant_id, created_at)
            VALUES (owner, 'EXPIRY', due.remaining, balance,
                jsonb_build_object('source', due.source), due.id, moment);
        END IF;
        UPDATE credits_creditgrant SET expired = true WHERE id = due.id;
        posted := posted + 1;
    END LOOP;
    available := balance;
    IF posted = at_most THEN
        SELECT balance - coalesce(sum(remaining), 0) INTO available FROM credits_creditgrant
        WHERE account_id = owner AND NOT expired AND expires_at <= moment;
    END IF;
END $$;

CREATE FUNCTION credits_insert_refund(charge credits_usagehistory, amount bigint, new_balance bigint,
    reason text, by_payer boolean, refund_key text, extra jsonb, OUT refund_id bigint)
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO credits_usagehistory
        (account_id, operation_type, credits_used, balance_after, details, refund_of_id, by_payer,
         idempotency_key, created_at)
    VALUES (charge.account_id, charge.operation_type, -amount, new_balance,
        extra || jsonb_build_object('refund', true, 'reason', reason),
        charge.id, by_payer, refund_key, credits_now())
    RETURNING id INTO refund_id;
END $$;

-- Ends a hold (I6): the charge stands for `delivered` units, the rest is refunded; `by_payer` says
-- whose doing that was. Whoever deletes the row decides; everyone after that gets `ended` and what
-- was refunded, and changes nothing. A charge by tokens ends here only with a full refund, as a use of
-- nothing (credits_settle_use otherwise).
CREATE FUNCTION credits_end_hold(charge_id bigint, delivered integer, reason text, by_payer boolean,
    extra jsonb, OUT outcome text, OUT refund_id bigint, OUT refunded bigint) LANGUAGE plpgsql
AS $$
DECLARE
    charge credits_usagehistory;
    ending text;
BEGIN
    ending := set_config('credits.ending', credits_end_hold.charge_id::text, true);
    DELETE FROM credits_hold h USING credits_usagehistory u
    WHERE h.charge_id = credits_end_hold.charge_id AND u.id = h.charge_id
    RETURNING u.* INTO charge;
    IF NOT FOUND THEN
        outcome := 'ended';
        SELECT coalesce(-sum(credits_used), 0) INTO refunded
        FROM credits_usagehistory WHERE refund_of_id = credits_end_hold.charge_id;
        RETURN;
    END IF;
    IF charge.bound IS NOT NULL THEN
        IF delivered IS DISTINCT FROM 0 THEN
            RAISE EXCEPTION 'I9: charge % is by tokens; its use settles it', charge.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'i9_settled_by_its_use';
        END IF;
        INSERT INTO credits_use (charge_id, account_id, input, cached, cache_write, output, reasoning,
            source, cost, collected, kept, created_at)
        VALUES (charge.id, charge.account_id, 0, 0, 0, 0, 0, 'none', 0, 0, 0, credits_now());
    END IF;
    refunded := charge.unit_cost
        * (charge.quantity - least(coalesce(delivered, charge.quantity), charge.quantity));
    outcome := CASE WHEN coalesce(delivered, 1) > 0 THEN 'settled' ELSE 'refunded' END;
    IF refunded > 0 THEN
        -- The lock comes before the row takes its id: ids follow the order of the balances.
        refund_id := credits_insert_refund(
            charge, refunded, credits_lock(charge.account_id) + refunded, reason, by_payer, NULL,
            extra);
    END IF;
END $$;

-- Ends one account's holds whose lease ran out, at most so many, the first to lapse first; the caller has
-- locked the balance, so a hold that a sweeper is ending at this moment is left to it, as are those
-- beyond the number. The balance comes back.
CREATE FUNCTION credits_sweep_account(owner bigint, moment timestamptz, at_most integer)
RETURNS bigint LANGUAGE plpgsql
AS $$
DECLARE
    stale bigint;
BEGIN
    FOR stale IN
        SELECT h.charge_id FROM credits_hold h
        WHERE h.account_id = owner AND h.lease_until <= moment
        ORDER BY h.lease_until, h.charge_id LIMIT at_most FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM credits_end_hold(stale, 0, 'lease_expired', false, '{}');
    END LOOP;
    RETURN credits_lock(owner);
END $$;

-- Ends everyone's holds whose lease ran out, with a full refund, in the order of the accounts; one account's
-- in the order of credits_sweep_account, so that what comes back burns in the same order, whoever ended
-- them. One that cannot be ended keeps nobody else's waiting; check_ledger names it.
CREATE FUNCTION credits_sweep(at_most integer) RETURNS integer LANGUAGE plpgsql
AS $$
DECLARE
    stale bigint;
    moment timestamptz := credits_now();
    ended integer := 0;
BEGIN
    FOR stale IN
        SELECT h.charge_id FROM credits_hold h WHERE h.lease_until <= moment
        ORDER BY h.account_id, h.lease_until, h.charge_id LIMIT at_most FOR UPDATE SKIP LOCKED
    LOOP
        BEGIN
            PERFORM credits_end_hold(stale, 0, 'lease_expired', false, '{}');
            ended := ended + 1;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'the hold of charge % could not be ended: %', stale, SQLERRM;
        END;
    END LOOP;
    RETURN ended;
END $$;

-- Posts due expiries of at most so many accounts, in the order of their ids, a thousand of each; one that
-- fails keeps nobody else's waiting.
CREATE FUNCTION credits_expire_due(at_most integer) RETURNS integer LANGUAGE plpgsql
AS $$
DECLARE
    owner bigint;
    moment timestamptz := credits_now();
    accounts integer := 0;
BEGIN
    FOR owner IN
        SELECT DISTINCT account_id FROM credits_creditgrant
        WHERE NOT expired AND expires_at <= moment ORDER BY account_id LIMIT at_most
    LOOP
        BEGIN
            PERFORM credits_expire(owner, moment, 1000, credits_lock(owner));
            accounts := accounts + 1;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'credits of account % could not expire: %', owner, SQLERRM;
        END;
    END LOOP;
    RETURN accounts;
END $$;

-- Moves the end of a grant, never to before its last use: what was spent was there. An expiry that
-- was posted is not undone. Outcomes: moved, unchanged, unknown.
CREATE FUNCTION credits_set_expiry(grant_key text, until timestamptz) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
    owner bigint;
    standing credits_creditgrant;
    last_use timestamptz;
    available bigint;
BEGIN
    SELECT account_id INTO owner FROM credits_creditgrant WHERE key = grant_key;
    IF owner IS NULL THEN
        RETURN 'unknown';
    END IF;
    available := credits_lock(owner);
    SELECT * INTO standing FROM credits_creditgrant WHERE key = grant_key;
    SELECT max(u.created_at) INTO last_use
    FROM credits_grantallocation a JOIN credits_usagehistory u ON u.id = a.usage_id
    WHERE a.grant_id = standing.id AND a.amount > 0 AND u.unit_cost IS NOT NULL;
    until := greatest(until, last_use + interval '1 microsecond');
    IF until = standing.expires_at OR (standing.expired AND until > standing.expires_at) THEN
        RETURN 'unchanged';
    END IF;
    UPDATE credits_creditgrant SET expires_at = until WHERE id = standing.id;
    PERFORM credits_expire(owner, credits_now(), NULL, available);
    RETURN 'moved';
END $$;
