-- What pages read of an account.

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
        PERFORM credits_expire(owner, credits_now(), 100, credits_lock(owner));
    END IF;
    SELECT b.credits_remaining - (
            -- Due and still there: it waits for the sweeper.
            SELECT coalesce(sum(g.remaining), 0) FROM credits_creditgrant g
            WHERE g.account_id = owner AND NOT g.expired AND g.expires_at <= moment),
        format('%s.%s', b.last_usage_id, h.open), h.credits,
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
            FROM credits_creditgrant g WHERE g.account_id = owner AND g.has_credits
                AND (g.expires_at > moment) IS NOT FALSE) live) g
    LEFT JOIN credits_creditbalance b ON b.account_id = owner;
    remaining := coalesce(remaining, 0);
    IF counted THEN
        SELECT l.room, l.limit_id INTO room, limit_id
        FROM credits_limits_left(owner, NULL, NULL, moment) l;
        version := concat_ws('.', version, room);
    END IF;
    ahead := coalesce((SELECT p.pico FROM credits_paidahead p WHERE p.account_id = owner), 0);
END $$;

-- The last row of an account before a moment, and the balance after it; 0 and 0 if there is none. Its ids are
-- halved until those are left that may be it, so that what came later is not read: a row is dated at
-- most a minute off the moment at which it is posted (i2_row_dated_now), in the order of the ids.
CREATE FUNCTION credits_edge(owner bigint, moment timestamptz, OUT row_id bigint, OUT balance bigint)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    low bigint := 0;
    high bigint;
    middle bigint;
    near record;
BEGIN
    SELECT b.last_usage_id INTO high FROM credits_creditbalance b WHERE b.account_id = owner;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        SELECT u.id, u.created_at INTO near FROM credits_usagehistory u
        WHERE u.account_id = owner AND u.id >= middle ORDER BY u.id LIMIT 1;
        IF near.id > high OR near.created_at >= moment + interval '2 minutes' THEN
            high := middle - 1;
        ELSE
            low := near.id;
        END IF;
    END LOOP;
    SELECT u.id, u.balance_after INTO row_id, balance FROM credits_usagehistory u
    WHERE u.account_id = owner AND u.id <= high AND u.created_at < moment
    ORDER BY u.id DESC LIMIT 1;
    row_id := coalesce(row_id, 0);
    balance := coalesce(balance, 0);
END $$;

-- What came back unused behind the row `oldest`, of charges by tokens up to the row `newest`: at most of
-- the latest 200 of them, which is more than a page and all that is in flight beside it.
CREATE FUNCTION credits_returned_later(owner bigint, oldest bigint, newest bigint)
RETURNS TABLE (charge_id bigint, row_id bigint, credits bigint) LANGUAGE sql STABLE
AS $$
    SELECT r.refund_of_id, r.id, -r.credits_used
    FROM (
        SELECT u.charge_id FROM credits_use u WHERE u.account_id = owner AND u.charge_id <= newest
        ORDER BY u.charge_id DESC LIMIT 200
    ) c
    JOIN credits_usagehistory r ON r.refund_of_id = c.charge_id AND r.by_payer
        AND r.details ->> 'reason' = 'unused'
    WHERE r.id > oldest
$$;
