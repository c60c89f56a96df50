-- The kernel: each operation of the ledger in one round trip. Locks are always taken in the order
-- hold, balance, grants; where a balance is locked first (a spend), holds are taken only with
-- SKIP LOCKED, so no two operations can wait for each other. `credits/ledger.py` and
-- `credits/adjustments.py` are the only callers and give the outcomes their names.

-- Creates the balance if need be and locks it; the amount is what can be spent.
CREATE FUNCTION credits_lock(owner bigint) RETURNS bigint LANGUAGE plpgsql
AS $$
DECLARE
    available bigint;
BEGIN
    SELECT credits_remaining INTO available
    FROM credits_creditbalance WHERE account_id = owner FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO credits_creditbalance (account_id, credits_remaining, last_usage_id)
        VALUES (owner, 0, 0) ON CONFLICT DO NOTHING;
        SELECT credits_remaining INTO available
        FROM credits_creditbalance WHERE account_id = owner FOR UPDATE;
    END IF;
    RETURN available;
END $$;

-- Posts the expiry of every grant of one account that is due at the moment. The caller has locked the
-- balance, which is `available`; what is left of it comes back.
CREATE FUNCTION credits_expire(owner bigint, available bigint, moment timestamptz) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    due credits_creditgrant;
BEGIN
    FOR due IN
        SELECT * FROM credits_creditgrant
        WHERE account_id = owner AND NOT expired AND expires_at <= moment
        ORDER BY id
    LOOP
        IF due.remaining > 0 THEN
            available := available - due.remaining;
            INSERT INTO credits_usagehistory
                (account_id, operation_type, credits_used, balance_after, details, grant_id, created_at)
            VALUES (owner, 'EXPIRY', due.remaining, available,
                jsonb_build_object('source', due.source), due.id, moment);
        END IF;
        UPDATE credits_creditgrant SET expired = true WHERE id = due.id;
    END LOOP;
    RETURN available;
END $$;

CREATE FUNCTION credits_insert_refund(charge credits_usagehistory, amount bigint, new_balance bigint,
    reason text, by_payer boolean, refund_key text, extra jsonb) RETURNS bigint LANGUAGE sql
AS $$
    INSERT INTO credits_usagehistory
        (account_id, operation_type, credits_used, balance_after, details, refund_of_id, by_payer,
         idempotency_key, created_at)
    VALUES (charge.account_id, charge.operation_type, -amount, new_balance,
        extra || jsonb_build_object('refund', true, 'reason', reason),
        charge.id, by_payer, refund_key, credits_now())
    RETURNING id
$$;

-- Ends a hold (I6): the charge stands for `delivered` units, the rest is refunded; `by_payer` says
-- whose doing that was. Whoever deletes the row decides; everyone after that gets `ended` and what
-- was refunded, and changes nothing. A charge by tokens ends here only with a full refund, as a use of
-- nothing (credits_settle_use otherwise).
CREATE FUNCTION credits_end_hold(charge_id bigint, delivered integer, reason text, by_payer boolean,
    extra jsonb, OUT outcome text, OUT refund_id bigint, OUT refunded bigint) LANGUAGE plpgsql
AS $$
DECLARE
    charge credits_usagehistory;
BEGIN
    PERFORM set_config('credits.ending', credits_end_hold.charge_id::text, true);
    DELETE FROM credits_hold h WHERE h.charge_id = credits_end_hold.charge_id;
    IF NOT FOUND THEN
        outcome := 'ended';
        SELECT coalesce(-sum(credits_used), 0) INTO refunded
        FROM credits_usagehistory WHERE refund_of_id = credits_end_hold.charge_id;
        RETURN;
    END IF;
    SELECT * INTO charge FROM credits_usagehistory WHERE id = credits_end_hold.charge_id;
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

-- Ends one account's holds whose lease ran out; the caller has locked the balance, so a hold that a
-- sweeper is ending at this moment is left to it. The balance comes back.
CREATE FUNCTION credits_sweep_account(owner bigint, moment timestamptz) RETURNS bigint LANGUAGE plpgsql
AS $$
DECLARE
    stale bigint;
BEGIN
    FOR stale IN
        SELECT h.charge_id FROM credits_hold h
        WHERE h.account_id = owner AND h.lease_until <= moment
        ORDER BY h.charge_id FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM credits_end_hold(stale, 0, 'lease_expired', false, '{}');
    END LOOP;
    RETURN credits_lock(owner);
END $$;

-- Ends everyone's holds whose lease ran out, with a full refund, in the order of the accounts. One that
-- cannot be ended keeps nobody else's waiting; check_ledger names it.
CREATE FUNCTION credits_sweep(at_most integer) RETURNS integer LANGUAGE plpgsql
AS $$
DECLARE
    stale bigint;
    moment timestamptz := credits_now();
    ended integer := 0;
BEGIN
    FOR stale IN
        SELECT h.charge_id FROM credits_hold h WHERE h.lease_until <= moment
        ORDER BY h.account_id, h.charge_id LIMIT at_most FOR UPDATE SKIP LOCKED
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

-- Posts due expiries of at most so many accounts, in the order of their ids; one that fails keeps
-- nobody else's waiting.
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
            PERFORM credits_expire(owner, credits_lock(owner), moment);
            accounts := accounts + 1;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'credits of account % could not expire: %', owner, SQLERRM;
        END;
    END LOOP;
    RETURN accounts;
END $$;

-- The beginning of every spend. Nothing is due, the balance is locked, and one statement says what a
-- spend must know first; holds and grants that are over leave. `outcome` is NULL when the spend may go
-- on, else: due (credits come first: `credits.ledger.credits_due`), replayed (this key was charged
-- before: `earlier`), key_conflict (the key was used for another request), closed (the user was
-- closed, banned or deactivated since the request came in), bad_key (the API key is not good, not of
-- this account and member, or not for this model). `counted`: the account has, or had, limits.
CREATE FUNCTION credits_open_spend(owner bigint, member bigint, key_id bigint, operation text,
    units integer, model text, request_key text, fingerprint text,
    OUT outcome text, OUT available bigint, OUT moment timestamptz, OUT counted boolean,
    OUT earlier credits_usagehistory) LANGUAGE plpgsql
AS $$
DECLARE
    known bigint;
    closed boolean;
    lease_ends timestamptz;
    grant_ends timestamptz;
    good_key boolean;
BEGIN
    -- Credits that are due come before the lock, which the one who grants them takes after the payer's.
    SELECT b.credits_remaining, b.counted INTO available, counted FROM credits_creditbalance b
    WHERE b.account_id = owner AND (b.due_at IS NULL OR b.due_at > credits_now()) FOR UPDATE;
    IF NOT FOUND THEN
        IF credits_is_due(owner) THEN
            outcome := 'due';
            RETURN;
        END IF;
        available := credits_lock(owner);
    END IF;
    -- A statement of its own: one that waits for the lock sees what was there before it waited.
    SELECT
        (SELECT u.id FROM credits_usagehistory u
            WHERE u.account_id = owner AND u.idempotency_key = request_key),
        -- Whoever has the lock after the account was closed sees that, so that no work begins once
        -- its erasure has taken this lock.
        EXISTS (SELECT FROM credits_user p WHERE p.id = owner AND NOT p.is_active),
        (SELECT h.lease_until FROM credits_hold h WHERE h.account_id = owner
            ORDER BY h.lease_until LIMIT 1),
        (SELECT g.expires_at FROM credits_creditgrant g WHERE g.account_id = owner AND NOT g.expired
            ORDER BY g.expires_at LIMIT 1),
        key_id IS NULL OR EXISTS (
            SELECT FROM credits_apikey k
            WHERE k.id = key_id AND k.account_id = owner AND k.member_id = coalesce(member, owner)
                AND k.revoked_at IS NULL AND (k.expires_at > credits_now()) IS NOT FALSE
                AND (model = ANY (k.only_models)) IS NOT FALSE)
    INTO known, closed, lease_ends, grant_ends, good_key;
    moment := credits_now();
    IF known IS NOT NULL THEN
        SELECT * INTO earlier FROM credits_usagehistory WHERE id = known;
        outcome := CASE WHEN earlier.request_fingerprint IS NOT DISTINCT FROM fingerprint
            AND earlier.operation_type = operation AND earlier.quantity = units
            THEN 'replayed' ELSE 'key_conflict' END;
    ELSIF closed THEN
        outcome := 'closed';
    ELSIF NOT good_key THEN
        outcome := 'bad_key';
    ELSE
        IF lease_ends <= moment THEN
            available := credits_sweep_account(owner, moment);
        END IF;
        IF grant_ends <= moment THEN
            available := credits_expire(owner, available, moment);
        END IF;
    END IF;
END $$;

-- A spend at a price per unit. Outcomes: charged, those of credits_open_spend, not_offered (the
-- model), by_tokens (the model's price is), price_changed (above what the caller agreed to),
-- limit_reached (see `limit_id`), busy (the limit leaves enough once other work has ended),
-- insufficient. Without a model a unit costs the feature's price.
CREATE FUNCTION credits_deduct(owner bigint, member bigint, key_id bigint, operation text,
    feature text, default_cost bigint, units integer, model text, max_unit_cost bigint,
    request_key text, fingerprint text, lease interval, extra jsonb,
    OUT outcome text, OUT charge_id bigint, OUT price bigint, OUT total bigint,
    OUT available bigint, OUT held boolean, OUT limit_id bigint) LANGUAGE plpgsql
AS $$
DECLARE
    spend record;
    nearest bigint;
    room numeric;
    later_id bigint;
    later numeric;
BEGIN
    spend := credits_open_spend(
        owner, member, key_id, operation, units, model, request_key, fingerprint);
    outcome := spend.outcome;
    available := spend.available;
    held := lease IS NOT NULL;
    IF outcome IS NOT NULL THEN
        charge_id := (spend.earlier).id;
        price := (spend.earlier).unit_cost;
        total := (spend.earlier).credits_used;
        held := EXISTS (SELECT FROM credits_hold h WHERE h.charge_id = (spend.earlier).id);
        RETURN;
    END IF;
    price := credits_model_price(feature, default_cost, model);
    total := price * units;
    IF spend.counted THEN
        SELECT l.limit_id, l.room, l.later_id, l.later INTO nearest, room, later_id, later
        FROM credits_limits_left(owner, member, key_id, spend.moment) l;
    END IF;
    IF model IS NOT NULL AND credits_is_by_tokens(model, spend.moment) THEN
        outcome := 'by_tokens';
    ELSIF price IS NULL THEN
        outcome := 'not_offered';
    ELSIF price > max_unit_cost THEN
        outcome := 'price_changed';
    ELSIF later < total * credits_pico() THEN
        outcome := 'limit_reached';
        limit_id := later_id;
    ELSIF total > available THEN
        outcome := 'insufficient';
    ELSIF room < total * credits_pico() THEN
        outcome := 'busy';
        limit_id := nearest;
    ELSE
        outcome := 'charged';
        available := available - total;
        INSERT INTO credits_usagehistory
            (account_id, operation_type, credits_used, balance_after, unit_cost, quantity, details,
             idempotency_key, request_fingerprint, lease_until, created_at, member_id, api_key_id)
        VALUES (owner, operation, total, available, price, units,
            extra || jsonb_strip_nulls(jsonb_build_object('feature', feature, 'model', model)),
            request_key, fingerprint, spend.moment + lease, spend.moment, member, key_id)
        RETURNING id INTO charge_id;
    END IF;
END $$;

-- Returns credits of a charge that nobody is working on any more, which is never the payer's own
-- doing. Outcomes: refunded, replayed, key_conflict, already_refunded, too_much, held, not_a_charge.
CREATE FUNCTION credits_refund(charge_id bigint, amount bigint, reason text, refund_key text,
    extra jsonb, OUT outcome text, OUT refund_id bigint, OUT refunded bigint, OUT available bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    charge credits_usagehistory;
    earlier credits_usagehistory;
    balance bigint;
BEGIN
    refunded := 0;
    SELECT * INTO charge FROM credits_usagehistory WHERE id = credits_refund.charge_id;
    IF charge.unit_cost IS NULL THEN
        outcome := 'not_a_charge';
        RETURN;
    END IF;
    balance := credits_lock(charge.account_id);
    SELECT * INTO earlier FROM credits_usagehistory
    WHERE account_id = charge.account_id AND idempotency_key = refund_key;
    IF FOUND THEN
        refund_id := earlier.id;
        refunded := -earlier.credits_used;
        outcome := CASE WHEN earlier.refund_of_id = charge.id
            AND refunded = coalesce(amount, refunded)
            AND earlier.details ->> 'reason' = reason THEN 'replayed' ELSE 'key_conflict' END;
        RETURN;
    END IF;
    SELECT charge.credits_used + coalesce(sum(credits_used), 0) INTO available
    FROM credits_usagehistory WHERE refund_of_id = charge.id;
    IF EXISTS (SELECT FROM credits_hold h WHERE h.charge_id = charge.id) THEN
        outcome := 'held';
    ELSIF available = 0 THEN
        outcome := 'already_refunded';
    ELSIF amount > available THEN
        outcome := 'too_much';
    ELSE
        refunded := coalesce(amount, available);
        refund_id := credits_insert_refund(
            charge, refunded, balance + refunded, reason, false, refund_key, extra);
        outcome := 'refunded';
    END IF;
END $$;

-- Credits come in, once per grant key. Outcomes: granted, replayed, key_conflict.
CREATE FUNCTION credits_grant(owner bigint, operation text, grant_source text, credits bigint,
    grant_key text, burn_priority integer, until timestamptz, extra jsonb,
    of_item bigint, of_period bigint,
    OUT outcome text, OUT new_grant_id bigint, OUT usage_id bigint, OUT available bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    earlier credits_creditgrant;
BEGIN
    available := credits_lock(owner);
    INSERT INTO credits_creditgrant
        (account_id, source, amount, remaining, priority, expires_at, expired, key, details,
         subscription_item_id, period_id, created_at)
    VALUES (owner, grant_source, credits, 0, burn_priority, until, false, grant_key, extra,
        of_item, of_period, credits_now())
    ON CONFLICT (key) DO NOTHING RETURNING id INTO new_grant_id;
    IF new_grant_id IS NULL THEN
        SELECT * INTO earlier FROM credits_creditgrant WHERE key = grant_key;
        new_grant_id := earlier.id;
        outcome := CASE WHEN earlier.account_id = owner AND earlier.amount = credits
            AND earlier.source = grant_source THEN 'replayed' ELSE 'key_conflict' END;
        RETURN;
    END IF;
    available := available + credits;
    INSERT INTO credits_usagehistory
        (account_id, operation_type, credits_used, balance_after, details, grant_id, created_at)
    VALUES (owner, operation, -credits, available,
        extra || jsonb_build_object('source', grant_source), new_grant_id, credits_now())
    RETURNING id INTO usage_id;
    outcome := 'granted';
END $$;

-- An admin's change: `delta` adds (or takes away), `target` sets. Outcomes: adjusted, unchanged,
-- replayed, key_conflict, insufficient.
CREATE FUNCTION credits_adjust(owner bigint, delta bigint, target bigint,
    burn_priority integer, request_key text, fingerprint text, extra jsonb,
    OUT outcome text, OUT usage_id bigint, OUT change bigint, OUT available bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    earlier credits_usagehistory;
    moment timestamptz;
    filled bigint;
BEGIN
    available := credits_lock(owner);
    SELECT * INTO earlier FROM credits_usagehistory
    WHERE account_id = owner AND idempotency_key = request_key;
    IF FOUND THEN
        usage_id := earlier.id;
        change := -earlier.credits_used;
        outcome := CASE WHEN earlier.request_fingerprint IS NOT DISTINCT FROM fingerprint
            AND earlier.operation_type = 'ADJUSTMENT' THEN 'replayed' ELSE 'key_conflict' END;
        RETURN;
    END IF;
    moment := credits_now();
    available := credits_expire(owner, available, moment);
    change := coalesce(delta, target - available);
    IF change = 0 THEN
        outcome := 'unchanged';
        RETURN;
    ELSIF available + change < 0 THEN
        outcome := 'insufficient';
        RETURN;
    ELSIF change > 0 THEN
        INSERT INTO credits_creditgrant
            (account_id, source, amount, remaining, priority, expired, key, details, created_at)
        VALUES (owner, 'adjustment', change, 0, burn_priority, false,
            format('adjustment:%s:%s', owner, request_key), '{}', moment)
        RETURNING id INTO filled;
    END IF;
    available := available + change;
    INSERT INTO credits_usagehistory
        (account_id, operation_type, credits_used, balance_after, details, grant_id, idempotency_key,
         request_fingerprint, created_at)
    VALUES (owner, 'ADJUSTMENT', -change, available, extra, filled, request_key, fingerprint,
        moment)
    RETURNING id INTO usage_id;
    outcome := 'adjusted';
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
    PERFORM credits_expire(owner, available, credits_now());
    RETURN 'moved';
END $$;

-- What the meter shows. Expired credits leave first, so a read never shows what is gone; `due` says
-- that credits come, and that the caller has them granted and reads again. `room` is what the hard
-- limits leave to a spend on the site, in pico-credits, null without any, and `limit_id` the one that
-- leaves least.
CREATE FUNCTION credits_balance(owner bigint, OUT remaining bigint, OUT held bigint,
    OUT granted bigint, OUT expires_at timestamptz, OUT expiring bigint, OUT version text,
    OUT due boolean, OUT ahead bigint, OUT counted boolean, OUT room numeric, OUT limit_id bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    moment timestamptz := credits_now();
BEGIN
    IF EXISTS (
        SELECT FROM credits_creditgrant g
        WHERE g.account_id = owner AND NOT g.expired AND g.expires_at <= moment
    ) THEN
        PERFORM credits_expire(owner, credits_lock(owner), credits_now());
    END IF;
    SELECT b.credits_remaining, format('%s.%s', b.last_usage_id, h.open), h.credits,
        g.granted, g.soonest, g.soonest_amount, coalesce(b.due_at <= moment, false),
        coalesce(b.counted, false)
    INTO remaining, version, held, granted, expires_at, expiring, due, counted
    FROM (SELECT count(*) AS open, coalesce(sum(u.credits_used), 0) AS credits
            FROM credits_hold o JOIN credits_usagehistory u ON u.id = o.charge_id
            WHERE o.account_id = owner) h
    CROSS JOIN (
        SELECT coalesce(sum(amount), 0) AS granted, min(live.expires_at) AS soonest,
            sum(live.remaining) FILTER (WHERE live.first) AS soonest_amount
        FROM (SELECT amount, g.expires_at, g.remaining,
                g.expires_at = min(g.expires_at) OVER () AS first
            FROM credits_creditgrant g WHERE g.account_id = owner AND g.remaining > 0) live) g
    LEFT JOIN credits_creditbalance b ON b.account_id = owner;
    remaining := coalesce(remaining, 0);
    IF counted THEN
        SELECT l.room, l.limit_id INTO room, limit_id
        FROM credits_limits_left(owner, NULL, NULL, moment) l;
        version := concat_ws('.', version, room);
    END IF;
    ahead := coalesce((SELECT p.pico FROM credits_paidahead p WHERE p.account_id = owner), 0);
END $$;
