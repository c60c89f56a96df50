-- Limits (I11): what an account spends is counted by day, member and key, under the lock of its
-- balance, and a charge that would pass a hard limit is refused in the statement that charges. There
-- is nothing to reset: a period is a range of days. An account is counted from its first limit or API
-- key on: what is spent by a key is told of each.

-- Counts for the day of the charge. The caller has locked the balance, which says that the account is
-- counted: nobody inserts beside us.
CREATE FUNCTION credits_count(charge credits_usagehistory, more_spent numeric, more_held numeric)
RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE credits_spendday s
    SET spent = s.spent + more_spent, held = s.held + more_held, changed_at = credits_now()
    WHERE s.account_id = charge.account_id
        AND s.member_id = coalesce(charge.member_id, charge.account_id)
        AND s.api_key_id = coalesce(charge.api_key_id, 0)
        AND s.day = (charge.created_at AT TIME ZONE 'UTC')::date;
    IF NOT FOUND THEN
        INSERT INTO credits_spendday
            (account_id, member_id, api_key_id, day, spent, held, changed_at)
        VALUES (charge.account_id, coalesce(charge.member_id, charge.account_id),
            coalesce(charge.api_key_id, 0), (charge.created_at AT TIME ZONE 'UTC')::date,
            greatest(more_spent, 0), greatest(more_held, 0), credits_now());
    END IF;
END $$;

-- What a charge may cost at most, in pico-credits: what limits count while it is held.
CREATE FUNCTION credits_most_of(charge credits_usagehistory) RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$ SELECT coalesce(charge.bound, charge.credits_used * credits_pico()) $$;

-- A hold that ends: a charge per unit is spent then. One by tokens ends with its use.
CREATE FUNCTION credits_count_end() RETURNS trigger LANGUAGE plpgsql
AS $$
DECLARE
    is_counted boolean;
    charge credits_usagehistory;
BEGIN
    SELECT * INTO charge FROM credits_usagehistory WHERE id = OLD.charge_id AND bound IS NULL;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- That changes under this lock, which comes after the hold's as ever.
    SELECT b.counted INTO is_counted
    FROM credits_creditbalance b WHERE b.account_id = OLD.account_id FOR UPDATE;
    IF is_counted THEN
        PERFORM credits_count(charge, credits_most_of(charge), -credits_most_of(charge));
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER i11_count_end AFTER DELETE ON credits_hold
FOR EACH ROW EXECUTE FUNCTION credits_count_end();

-- What the counters of an account must be, from its journal, holds and uses.
CREATE FUNCTION credits_spend_of(owner bigint)
RETURNS TABLE (member_id bigint, api_key_id bigint, day date, spent numeric, held numeric)
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(c.member_id, c.account_id), coalesce(c.api_key_id, 0),
        (c.created_at AT TIME ZONE 'UTC')::date,
        sum(CASE WHEN c.bound IS NOT NULL THEN coalesce(u.collected, 0)
            WHEN h.charge_id IS NOT NULL THEN 0
            ELSE (c.credits_used + coalesce(r.returned, 0)) * credits_pico() END),
        sum(CASE WHEN c.bound IS NOT NULL AND u.charge_id IS NULL OR h.charge_id IS NOT NULL
            THEN credits_most_of(c) ELSE 0 END)
    FROM credits_usagehistory c
    LEFT JOIN credits_hold h ON h.charge_id = c.id
    LEFT JOIN credits_use u ON u.charge_id = c.id
    LEFT JOIN LATERAL (
        SELECT sum(f.credits_used) AS returned FROM credits_usagehistory f WHERE f.refund_of_id = c.id
    ) r ON true
    WHERE c.account_id = owner AND c.unit_cost IS NOT NULL
    GROUP BY 1, 2, 3
$$;

-- The first limit or key of an account: from now on it is counted, and what it has spent so far is.
CREATE FUNCTION credits_begin_counting() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM credits_lock(NEW.account_id);
    UPDATE credits_creditbalance SET counted = true
    WHERE account_id = NEW.account_id AND NOT counted;
    IF FOUND THEN
        INSERT INTO credits_spendday
            (account_id, member_id, api_key_id, day, spent, held, changed_at)
        SELECT NEW.account_id, s.*, credits_now() FROM credits_spend_of(NEW.account_id) s;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER i11_limit_begins_counting AFTER INSERT OR UPDATE OF account_id ON credits_limit
FOR EACH ROW EXECUTE FUNCTION credits_begin_counting();
CREATE TRIGGER i11_key_begins_counting AFTER INSERT ON credits_apikey
FOR EACH ROW EXECUTE FUNCTION credits_begin_counting();

-- The first day of a limit's period in which the moment is.
CREATE FUNCTION credits_limit_since(period text, since date, moment timestamptz) RETURNS date
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN period = 'ever' THEN since
        ELSE greatest(since, date_trunc(period, moment AT TIME ZONE 'UTC')::date) END
$$;

-- The day after the last of a limit's period in which the moment is. What is counted on a later day than
-- the moment's, as the clock was set back, is spent all the same.
CREATE FUNCTION credits_limit_until(period text, moment timestamptz) RETURNS date
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN period = 'ever' THEN 'infinity'::date
        ELSE (date_trunc(period, moment AT TIME ZONE 'UTC') + ('1 ' || period)::interval)::date END
$$;

-- The limits of an account, each with what is spent and held in its period in which the moment is, in
-- pico-credits.
CREATE FUNCTION credits_limits_of(owner bigint, moment timestamptz)
RETURNS TABLE (limit_id bigint, member_id bigint, api_key_id bigint, hard boolean, most numeric,
    window_start date, spent numeric, held numeric) LANGUAGE sql STABLE
AS $$
    SELECT l.id, l.member_id, l.api_key_id, l.hard, l.credits * credits_pico(),
        credits_limit_since(l.period, l.since, moment),
        coalesce(sum(s.spent), 0), coalesce(sum(s.held), 0)
    FROM credits_limit l
    LEFT JOIN credits_spendday s ON s.account_id = l.account_id
        AND s.day >= credits_limit_since(l.period, l.since, moment)
        AND s.day < credits_limit_until(l.period, moment)
        AND (l.api_key_id IS NULL OR s.api_key_id = l.api_key_id)
        AND (l.member_id IS NULL OR s.member_id = l.member_id)
    WHERE l.account_id = owner
    GROUP BY l.id
$$;

-- What the hard limits leave to a spend, in pico-credits: null without any, 0 where more is spent than
-- a limit allows by now (what is free can be had all the same). `limit_id` is the one that leaves
-- least; `later` and `later_id` are the same once all that is held has come back.
CREATE FUNCTION credits_limits_left(owner bigint, member bigint, key_id bigint, moment timestamptz,
    OUT limit_id bigint, OUT room numeric, OUT later_id bigint, OUT later numeric)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    SELECT (array_agg(l.limit_id ORDER BY l.most - l.spent - l.held, l.limit_id))[1],
        min(greatest(l.most - l.spent - l.held, 0)),
        (array_agg(l.limit_id ORDER BY l.most - l.spent, l.limit_id))[1],
        min(greatest(l.most - l.spent, 0))
    INTO limit_id, room, later_id, later
    FROM credits_limits_of(owner, moment) l
    WHERE l.hard AND (l.member_id IS NULL OR l.member_id = coalesce(member, owner))
        AND (l.api_key_id IS NULL OR l.api_key_id = key_id);
END $$;

-- Whether a limit of the account is spent in its present period.
CREATE FUNCTION credits_limit_is_reached(owner bigint) RETURNS boolean LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (
        SELECT FROM credits_creditbalance b, credits_limits_of(b.account_id, credits_now()) l
        WHERE b.account_id = owner AND b.counted AND l.spent >= l.most
    )
$$;

-- Records the thresholds that the account's spending has reached in the present periods, and in those
-- of yesterday, whose last charges may have ended today, and returns those that were not recorded
-- before: each is returned once, to one caller. What is held has not reached anything yet. `of_limit` is
-- one limit; null: all.
CREATE FUNCTION credits_limit_alerts(owner bigint, of_limit bigint)
RETURNS TABLE (limit_id bigint, window_start date, percent smallint, day date, spent numeric,
    held numeric) LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    now_at timestamptz := credits_now();
BEGIN
    IF NOT coalesce(
        (SELECT b.counted FROM credits_creditbalance b WHERE b.account_id = owner), false) THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH reached AS (
        SELECT DISTINCT ON (l.id, s.window_start, t.percent)
            l.id AS limit_id, s.window_start, t.percent, l.credits,
            (m.moment AT TIME ZONE 'UTC')::date AS day, s.spent, s.held
        FROM (VALUES (now_at), (now_at - interval '1 day')) AS m(moment)
        CROSS JOIN LATERAL credits_limits_of(owner, m.moment) s
        JOIN credits_limit l ON l.id = s.limit_id AND l.id = coalesce(of_limit, l.id)
            -- What yesterday came to is judged by yesterday's limit alone.
            AND (m.moment = now_at OR (l.updated_at AT TIME ZONE 'UTC')::date
                <= (m.moment AT TIME ZONE 'UTC')::date)
        CROSS JOIN unnest(l.alert_at) AS t(percent)
        WHERE s.spent > 0 AND s.spent * 100 >= s.most * t.percent
        ORDER BY l.id, s.window_start, t.percent, m.moment DESC
    ), recorded AS (
        INSERT INTO credits_limitalert AS a (limit_id, window_start, percent, credits)
        SELECT r.limit_id, r.window_start, r.percent, r.credits FROM reached r
        ON CONFLICT DO NOTHING
        RETURNING a.limit_id, a.window_start, a.percent
    )
    SELECT r.limit_id, r.window_start, r.percent, r.day, r.spent, r.held
    FROM reached r JOIN recorded USING (limit_id, window_start, percent)
    ORDER BY r.limit_id, r.window_start, r.percent;
END $$;


-- Refusals -------------------------------------------------------------------------------------

CREATE TRIGGER i11_spend_by_journal_only BEFORE INSERT OR UPDATE OR DELETE ON credits_spendday
FOR EACH ROW WHEN (pg_trigger_depth() < 1)
EXECUTE FUNCTION credits_refuse('I11', 'spend is counted by the journal');
CREATE TRIGGER i11_no_truncate BEFORE TRUNCATE ON credits_spendday
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('I11', 'spend is counted by the journal');
CREATE TRIGGER i11_counting_goes_on BEFORE UPDATE OF counted ON credits_creditbalance
FOR EACH ROW WHEN (NEW.counted <> OLD.counted AND (OLD.counted OR pg_trigger_depth() < 1))
EXECUTE FUNCTION credits_refuse('I11', 'an account is counted from its first limit or key on');
CREATE TRIGGER i11_counting_begins_with_a_limit BEFORE INSERT ON credits_creditbalance
FOR EACH ROW WHEN (NEW.counted)
EXECUTE FUNCTION credits_refuse('I11', 'an account is counted from its first limit or key on');

ALTER TABLE credits_spendday SET (fillfactor = 50);
