-- The rollup: closed days of the journal, summed up, so that reports read a few thousand rows and
-- not five million. Charges never touch it (a row that every charge updated would make them wait for
-- each other): a periodic task sums up a day once nobody can write into it any more, and what is not
-- closed yet is read from the journal itself.

-- The journal between two moments as reports see it. A refund counts for the model of its charge;
-- what a charge by tokens did not use of its reserve is no refund (`credits.models.ledger`, kind).
CREATE FUNCTION credits_facts(since timestamptz, until timestamptz)
RETURNS TABLE (id bigint, account_id bigint, day date, operation_type text, kind text, model text,
    reason text, credits_used bigint)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT u.id, u.account_id, (u.created_at AT TIME ZONE 'UTC')::date, u.operation_type::text,
        CASE WHEN u.operation_type IN ('GRANT', 'ADJUSTMENT', 'EXPIRY')
                THEN lower(u.operation_type)
            WHEN u.refund_of_id IS NULL THEN 'charge'
            WHEN u.by_payer AND u.details ->> 'reason' = 'unused' THEN 'unused' ELSE 'refund' END,
        coalesce(u.details ->> 'model', CASE WHEN u.refund_of_id IS NOT NULL THEN (
            SELECT c.details ->> 'model' FROM credits_usagehistory c WHERE c.id = u.refund_of_id)
            END, ''),
        CASE WHEN u.refund_of_id IS NULL THEN '' ELSE coalesce(u.details ->> 'reason', '') END,
        u.credits_used
    FROM credits_usagehistory u
    WHERE u.created_at >= since AND u.created_at < until
$$;

-- The same, summed up. PostgreSQL cannot know how few groups there are and would sort all rows: the
-- memory, of which little is used, lets it hash them.
CREATE FUNCTION credits_slices(since timestamptz, until timestamptz)
RETURNS TABLE (day date, operation_type text, kind text, model text, reason text, rows bigint,
    credits bigint, first_id bigint, last_id bigint)
LANGUAGE sql STABLE SET work_mem = '64MB'
AS $$
    SELECT f.day, f.operation_type, f.kind, f.model, f.reason, count(*),
        sum(f.credits_used)::bigint, min(f.id), max(f.id)
    FROM credits_facts(since, until) f
    GROUP BY f.day, f.operation_type, f.kind, f.model, f.reason
$$;

-- What calls by tokens used, by the day on which they ended; amounts in pico-credits. The sums of
-- what the provider asks are of those uses of which it is known (`known`).
CREATE FUNCTION credits_use_slices(since timestamptz, until timestamptz)
RETURNS TABLE (day date, model text, source text, uses bigint, input bigint, cached bigint,
    cache_write bigint, output bigint, reasoning bigint, cost numeric, collected numeric,
    uncollected_uses bigint, known bigint, known_collected numeric, provider_cost numeric)
LANGUAGE sql STABLE SET work_mem = '64MB'
AS $$
    SELECT (s.created_at AT TIME ZONE 'UTC')::date, coalesce(c.details ->> 'model', ''), s.source,
        count(*), sum(s.input)::bigint, sum(s.cached)::bigint, sum(s.cache_write)::bigint,
        sum(s.output)::bigint, sum(s.reasoning)::bigint, sum(s.cost), sum(s.collected),
        count(*) FILTER (WHERE s.collected < s.cost), count(s.provider_cost),
        coalesce(sum(s.collected) FILTER (WHERE s.provider_cost IS NOT NULL), 0),
        coalesce(sum(s.provider_cost), 0)
    FROM credits_use s JOIN credits_usagehistory c ON c.id = s.charge_id
    WHERE s.created_at >= since AND s.created_at < until
    GROUP BY 1, 2, 3
$$;

-- The running transactions, other than this one, that have written into the journal or the uses: they keep
-- the lock of their table to their end. By the number of the oldest transaction (pg_snapshot_xmin) a
-- day would wait for one that writes elsewhere too, in any database of the server.
CREATE FUNCTION credits_writers() RETURNS SETOF text LANGUAGE sql VOLATILE
AS $$
    SELECT DISTINCT l.virtualtransaction FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock'
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        AND l.relation IN ('credits_usagehistory'::regclass, 'credits_use'::regclass)
        AND l.pid IS DISTINCT FROM pg_backend_pid()
$$;

-- The next day to close, null while it is not over; and who can still write into it. A row is dated at
-- most a minute off the moment at which it is posted (i2_row_dated_now), and its transaction has the
-- lock by then.
CREATE FUNCTION credits_next_day(OUT day date, OUT writers text[]) LANGUAGE plpgsql
AS $$
BEGIN
    SELECT max(d.day) + 1 INTO day FROM credits_usageday d;
    IF day IS NULL THEN
        SELECT min(created_at AT TIME ZONE 'UTC')::date INTO day FROM credits_usagehistory;
    END IF;
    IF credits_now() > (day + 1)::timestamp AT TIME ZONE 'UTC' + interval '2 minutes' THEN
        writers := ARRAY(SELECT credits_writers());
    ELSE
        day := NULL;
    END IF;
END $$;

-- Closes a day; false while one of these writers is at work, and when it was closed meanwhile. A
-- writer commits before it lets go of its lock, so the statements below see what it wrote.
CREATE FUNCTION credits_close_day(closing date, writers text[]) RETURNS boolean LANGUAGE plpgsql
AS $$
DECLARE
    opens timestamptz := closing::timestamp AT TIME ZONE 'UTC';
    ends timestamptz := (closing + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF EXISTS (SELECT FROM credits_writers() w WHERE w = ANY(writers)) THEN
        RETURN false;
    END IF;
    INSERT INTO credits_usageday (day, rows, active_accounts, closed_at)
    VALUES (closing, 0, 0, credits_now()) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO credits_usageslice
        (day, operation_type, kind, model, reason, rows, credits, first_id, last_id)
    SELECT * FROM credits_slices(opens, ends);
    INSERT INTO credits_useslice
        (day, model, source, uses, input, cached, cache_write, output, reasoning, cost, collected,
         uncollected_uses, known, known_collected, provider_cost)
    SELECT * FROM credits_use_slices(opens, ends);
    WITH active AS (
        INSERT INTO credits_activeaccount AS known (account_id, last_day)
        SELECT DISTINCT f.account_id, closing FROM credits_facts(opens, ends) f
        WHERE f.kind = 'charge'
        ON CONFLICT (account_id) DO UPDATE SET last_day = excluded.last_day
        RETURNING 1)
    UPDATE credits_usageday SET
        rows = (SELECT coalesce(sum(s.rows), 0) FROM credits_usageslice s WHERE s.day = closing),
        active_accounts = (SELECT count(*) FROM active)
    WHERE day = closing;
    RETURN true;
END $$;
