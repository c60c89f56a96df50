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

-- The beginning of every spend. Nothing is due, the balance is locked, and one statement says what a
-- spend must know first; holds and grants that are over leave. `outcome` is NULL when the spend may go
-- on, else: due (credits come first: `credits.ledger.credits_due`), replayed (this key was charged
-- before: `earlier`), key_conflict (the key was used for another request), closed (the user was
-- closed, banned or deactivated since the request came in), bad_key (the API key is not good, not of
-- this account and member, or not for this model), too_many_in_flight (`in_flight` leases of the account
-- run already; NULL: any number may). `limited`: the account has hard limits. `balance`
-- is what a row begins with, `available` what of it can be spent: no more than a hundred holds and as many
-- grants leave here, so that a spend takes no longer than that; the sweeper sees to the rest.
CREATE FUNCTION credits_open_spend(owner bigint, member bigint, key_id bigint, operation text,
    units integer, model text, request_key text, fingerprint text, in_flight integer,
    OUT outcome text, OUT balance bigint, OUT available bigint, OUT moment timestamptz,
    OUT limited boolean, OUT earlier credits_usagehistory) LANGUAGE plpgsql
AS $$
DECLARE
    known bigint;
    closed boolean;
    lease_ends timestamptz;
    grant_ends timestamptz;
    good_key boolean;
    at_work bigint;
BEGIN
    -- Credits that are due come before the lock, which the one who grants them takes after the payer's.
    SELECT b.credits_remaining INTO balance FROM credits_creditbalance b
    WHERE b.account_id = owner AND (b.due_at IS NULL OR b.due_at > credits_now()) FOR UPDATE;
    IF NOT FOUND THEN
        IF credits_is_due(owner) THEN
            outcome := 'due';
            RETURN;
        END IF;
        balance := credits_lock(owner);
    END IF;
    -- A statement of its own: one that waits for the lock sees what was there before it waited. The
    -- moment is the row's, at which its key is good (I12).
    SELECT n.moment,
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
                AND credits_key_is_good(k, n.moment) AND (model = ANY (k.only_models)) IS NOT FALSE),
        EXISTS (SELECT FROM credits_limit l WHERE l.account_id = owner AND l.hard),
        CASE WHEN in_flight IS NOT NULL THEN (SELECT count(*) FROM credits_hold h
            WHERE h.account_id = owner AND h.lease_until > n.moment) END
    INTO moment, known, closed, lease_ends, grant_ends, good_key, limited, at_work
    FROM (SELECT credits_now() AS moment) n;
    available := balance;
    IF known IS NOT NULL THEN
        SELECT * INTO earlier FROM credits_usagehistory WHERE id = known;
        outcome := CASE WHEN earlier.request_fingerprint IS NOT DISTINCT FROM fingerprint
            AND earlier.operation_type = operation AND earlier.quantity = units
            THEN 'replayed' ELSE 'key_conflict' END;
    ELSIF closed THEN
        outcome := 'closed';
    ELSIF NOT good_key THEN
        outcome := 'bad_key';
    ELSIF at_work >= in_flight THEN
        outcome := 'too_many_in_flight';
    ELSE
        IF lease_ends <= moment THEN
            balance := credits_sweep_account(owner, moment, 100);
            available := balance;
        END IF;
        IF grant_ends <= moment THEN
            SELECT e.balance, e.available INTO balance, available
            FROM credits_expire(owner, moment, 100, credits_open_spend.balance) e;
        END IF;
    END IF;
END $$;

-- A spend at a price per unit. Outcomes: charged, those of credits_open_spend, not_offered (the
-- model), by_tokens (the model's price is), price_changed (above what the caller agreed to),
-- limit_reached (see `limit_id`), busy (the limit, and for a key the balance, has enough once other
-- work has ended), insufficient. Without a model a unit costs the feature's price.
CREATE FUNCTION credits_deduct(owner bigint, member bigint, key_id bigint, operation text,
    feature text, default_cost bigint, units integer, model text, max_unit_cost bigint,
    request_key text, fingerprint text, lease interval, extra jsonb, in_flight integer DEFAULT NULL,
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
        owner, member, key_id, operation, units, model, request_key, fingerprint, in_flight);
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
    IF spend.limited THEN
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
        SELECT CASE WHEN key_id IS NULL OR total > available + coalesce(sum(u.credits_used), 0)
            THEN 'insufficient' ELSE 'busy' END INTO outcome
        FROM credits_hold h JOIN credits_usagehistory u ON u.id = h.charge_id
        WHERE h.account_id = owner;
    ELSIF room < total * credits_pico() THEN
        outcome := 'busy';
        limit_id := nearest;
    ELSE
        outcome := 'charged';
        available := available - total;
        INSERT INTO credits_usagehistory
            (account_id, operation_type, credits_used, balance_after, unit_cost, quantity, details,
             idempotency_key, request_fingerprint, lease_until, created_at, member_id, api_key_id)
        VALUES (owner, operation, total, spend.balance - total, price, units,
            extra || jsonb_strip_nulls(jsonb_build_object('feature', feature, 'model', model)),
            request_key, fingerprint, spend.moment + lease, spend.moment,
            nullif(member, owner), key_id)
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
    available := (credits_expire(owner, moment, NULL, available)).balance;
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
