-- The rules of the ledger, kept by PostgreSQL itself. A row inserted into credits_usagehistory IS
-- the movement: a trigger posts it to the balance, to the grants and to the holds, in the same
-- statement, and every other way to change those is refused. Error messages begin with the
-- invariant's number; docs/ledger.md explains each.

CREATE FUNCTION credits_now() RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$ SELECT clock_timestamp() $$;
COMMENT ON FUNCTION credits_now() IS
'The ledger''s clock. Not now(): a transaction that waited for a lock must not see an old time.';

-- Pico-credits of a credit.
CREATE FUNCTION credits_pico() RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$ SELECT 1000000000000::numeric $$;


-- I4, I6: refunds -----------------------------------------------------------------------------

-- The charge that a refund names.
CREATE FUNCTION credits_check_refund(refund credits_usagehistory) RETURNS credits_usagehistory
LANGUAGE plpgsql
AS $$
DECLARE
    charge credits_usagehistory;
    held boolean;
    returned bigint;
BEGIN
    SELECT * INTO charge FROM credits_usagehistory WHERE id = refund.refund_of_id;
    IF charge.unit_cost IS NULL OR charge.account_id <> refund.account_id
        OR charge.operation_type <> refund.operation_type THEN
        RAISE EXCEPTION 'I4: row % is no charge of this account and kind', refund.refund_of_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'i4_refund_names_its_charge';
    END IF;
    SELECT EXISTS (SELECT FROM credits_hold h WHERE h.charge_id = charge.id), -sum(credits_used)
    INTO held, returned
    FROM credits_usagehistory WHERE refund_of_id = charge.id;
    IF held THEN
        RAISE EXCEPTION 'I6: charge % is held; its hold ends first', charge.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'i6_hold_ends_before_refund';
    ELSIF returned > charge.credits_used THEN
        RAISE EXCEPTION 'I4: charge % took % credits and % would be returned of it',
            charge.id, charge.credits_used, returned
            USING ERRCODE = 'check_violation', CONSTRAINT = 'i4_refunds_within_charge';
    END IF;
    RETURN charge;
END $$;


-- I5: posting a row to the grants --------------------------------------------------------------

CREATE FUNCTION credits_move(row_id bigint, paying_grant bigint, taken bigint) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO credits_grantallocation (usage_id, grant_id, amount)
    VALUES (row_id, paying_grant, taken);
    UPDATE credits_creditgrant SET remaining = remaining - taken WHERE id = paying_grant;
END $$;

-- What is live is asked of the row's own moment, at which the kernel has posted every expiry: time
-- that passes inside a statement must not turn a spend that is covered into an error.
-- What the live grants lack of `total` comes back.
CREATE FUNCTION credits_burn(row_id bigint, owner bigint, total bigint, moment timestamptz)
RETURNS bigint LANGUAGE plpgsql
AS $$
DECLARE
    live record;
    owed bigint := total;
    part bigint;
BEGIN
    -- Nearly always the first one covers it all.
    WITH payer AS (
        UPDATE credits_creditgrant SET remaining = remaining - total
        WHERE remaining >= total AND id = (
            SELECT g.id FROM credits_creditgrant g
            WHERE g.account_id = owner AND g.has_credits
                AND (g.expires_at IS NULL OR g.expires_at > moment)
            ORDER BY g.priority, g.expires_at NULLS LAST, g.id LIMIT 1)
        RETURNING id)
    INSERT INTO credits_grantallocation (usage_id, grant_id, amount)
    SELECT row_id, payer.id, total FROM payer;
    IF FOUND THEN
        RETURN 0;
    END IF;
    FOR live IN
        SELECT id, remaining FROM credits_creditgrant
        WHERE account_id = owner AND has_credits
            AND (expires_at IS NULL OR expires_at > moment)
        ORDER BY priority, expires_at NULLS LAST, id
    LOOP
        EXIT WHEN owed = 0;
        part := least(owed, live.remaining);
        PERFORM credits_move(row_id, live.id, part);
        owed := owed - part;
    END LOOP;
    RETURN owed;
END $$;

-- The credits of an expired grant come back as a grant of their own, which ends at `until`.
CREATE FUNCTION credits_successor(row_id bigint, expired_grant credits_creditgrant, amount bigint,
    until timestamptz) RETURNS bigint LANGUAGE sql
AS $$
    INSERT INTO credits_creditgrant
        (account_id, source, amount, remaining, priority, expires_at, expired, key, replaces_id,
         details, created_at)
    VALUES (expired_grant.account_id, 'refund', amount, 0, expired_grant.priority, until, false,
        format('refund:%s:%s', row_id, expired_grant.id), expired_grant.id, '{}', credits_now())
    RETURNING id
$$;

-- A refund goes back to the grants that paid, the longest-lived first. What earlier refunds of the
-- charge put into a successor counts as returned to the grant it replaces. What a grant paid that
-- has expired meanwhile lives 30 days more, unless the payer brought it back: then it keeps its
-- end, and leaves here. `took` are the credits of the charge.
CREATE FUNCTION credits_return(refund credits_usagehistory, took bigint) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    charge bigint := refund.refund_of_id;
    paid record;
    source credits_creditgrant;
    owed bigint := -refund.credits_used;
    part bigint;
    moment timestamptz := credits_now();
    past boolean := false;
BEGIN
    -- Nearly always one grant has paid all that the charge took, and is live.
    WITH payer AS (
        UPDATE credits_creditgrant g SET remaining = g.remaining + owed
        FROM credits_grantallocation a
        WHERE a.usage_id = charge AND a.amount = took AND g.id = a.grant_id
            AND NOT g.expired AND (g.expires_at IS NULL OR g.expires_at > moment)
        RETURNING g.id)
    INSERT INTO credits_grantallocation (usage_id, grant_id, amount)
    SELECT refund.id, payer.id, -owed FROM payer;
    IF FOUND THEN
        RETURN;
    END IF;
    FOR paid IN
        SELECT payer.id, owing.net FROM credits_creditgrant payer JOIN (
            SELECT coalesce(own.grant_id, g.replaces_id) AS payer_id, sum(a.amount) AS net
            -- By index, whatever is known of the tables: an OR would read all of a young journal.
            FROM (
                SELECT charge AS id
                UNION ALL SELECT r.id FROM credits_usagehistory r WHERE r.refund_of_id = charge
            ) u
            JOIN credits_grantallocation a ON a.usage_id = u.id
            JOIN credits_creditgrant g ON g.id = a.grant_id
            LEFT JOIN credits_grantallocation own
                ON own.usage_id = charge AND own.grant_id = a.grant_id
            GROUP BY 1 HAVING sum(a.amount) > 0
        ) owing ON owing.payer_id = payer.id
        ORDER BY payer.priority DESC, payer.expires_at DESC NULLS FIRST, payer.id DESC
    LOOP
        EXIT WHEN owed = 0;
        part := least(owed, paid.net);
        SELECT * INTO source FROM credits_creditgrant WHERE id = paid.id;
        IF source.expired OR source.expires_at <= moment THEN
            past := true;
            -- The earlier moment: a clock that was set back must not let an end lie ahead again.
            PERFORM credits_move(refund.id, credits_successor(refund.id, source, part,
                CASE WHEN refund.by_payer THEN least(source.expires_at, moment)
                    ELSE moment + interval '30 days' END), -part);
        ELSE
            PERFORM credits_move(refund.id, source.id, -part);
        END IF;
        owed := owed - part;
    END LOOP;
    IF owed > 0 THEN
        RAISE EXCEPTION 'I5: the grants of charge % cannot take back % credits', charge, owed
            USING ERRCODE = 'check_violation', CONSTRAINT = 'i5_refund_returns_to_grants';
    END IF;
    IF past AND refund.by_payer THEN
        PERFORM credits_expire(refund.account_id, credits_now(), NULL, refund.balance_after);
    END IF;
END $$;

-- A row that names a grant fills it whole, once (i5_grant_posted_once), empties it when it is due, or,
-- as an adjustment, takes from it.
CREATE FUNCTION credits_check_grant_row(posted credits_usagehistory) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM credits_creditgrant g WHERE g.id = posted.grant_id AND g.account_id = posted.account_id
        AND CASE
            WHEN posted.operation_type = 'EXPIRY'
                THEN g.expires_at <= credits_now() AND g.remaining = posted.credits_used
            WHEN posted.credits_used > 0 THEN g.remaining >= posted.credits_used
            ELSE g.amount = -posted.credits_used AND g.source <> 'refund'
        END
    ) THEN
        RAISE EXCEPTION 'I5: row % does not fit what grant % of its account holds',
            posted.id, posted.grant_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'i5_row_fits_its_grant';
    END IF;
END $$;

CREATE FUNCTION credits_check_grant() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM credits_grantallocation WHERE grant_id = NEW.id AND amount = -NEW.amount
    ) THEN
        RAISE EXCEPTION 'I5: grant % came without the row that fills it', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'i5_grant_comes_with_its_row';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER i5_grant_comes_with_its_row AFTER INSERT ON credits_creditgrant
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION credits_check_grant();


-- Which columns of a row go together ------------------------------------------------------------

-- The operations that are charged for: those of the features (credits/features.py).
CREATE FUNCTION credits_is_charged(operation text) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$ SELECT operation IN ('AI_TEXT_CHAT', 'AI_IMAGE_GENERATION', 'AI_EMBEDDING') $$;

-- The name of the rule that a row breaks, NULL if none. No CHECK, whose text each insert would parse
-- again.
CREATE FUNCTION credits_row_fault(posted credits_usagehistory) RETURNS text LANGUAGE plpgsql STABLE
AS $$
DECLARE
    charged boolean := credits_is_charged(posted.operation_type);
    used bigint := posted.credits_used;
    priced boolean := true;
    key_fault text;
    fits boolean;
BEGIN
    fits := CASE
        WHEN charged AND posted.refund_of_id IS NULL THEN posted.grant_id IS NULL
            AND posted.unit_cost >= 0 AND posted.quantity >= 1
            AND used = posted.unit_cost * posted.quantity
        WHEN num_nonnulls(posted.unit_cost, posted.quantity, posted.lease_until) > 0 THEN false
        WHEN charged THEN posted.grant_id IS NULL AND used < 0
        WHEN posted.refund_of_id IS NOT NULL THEN false
        WHEN posted.operation_type = 'GRANT' THEN posted.grant_id IS NOT NULL AND used < 0
        WHEN posted.operation_type = 'EXPIRY' THEN posted.grant_id IS NOT NULL AND used > 0
        WHEN posted.operation_type = 'ADJUSTMENT' THEN
            used > 0 OR (used < 0 AND posted.grant_id IS NOT NULL)
    END;
    -- Not foreign keys: all charges at once would lock the rows of their price and of their key.
    IF num_nonnulls(posted.price_id, posted.api_key_id) > 0 THEN
        SELECT posted.price_id IS NULL
            OR EXISTS (SELECT FROM credits_tokenprice p WHERE p.id = posted.price_id),
            CASE WHEN posted.api_key_id IS NOT NULL
                THEN credits_key_fault(k, posted) END
        INTO priced, key_fault
        FROM (VALUES (posted.api_key_id)) named (id) LEFT JOIN credits_apikey k ON k.id = named.id;
    END IF;
    RETURN CASE
        WHEN NOT priced THEN 'i9_bound_within_charge'
        WHEN key_fault IS NOT NULL THEN key_fault
        WHEN NOT charged AND posted.operation_type NOT IN ('GRANT', 'EXPIRY', 'ADJUSTMENT')
            THEN 'usage_operation_known'
        WHEN num_nonnulls(posted.bound, posted.price_id) > 0 AND (
            posted.price_id IS NOT NULL AND posted.unit_cost IS NOT NULL AND posted.quantity = 1
            AND posted.bound BETWEEN 0 AND used * credits_pico()) IS NOT TRUE
            THEN 'i9_bound_within_charge'
        WHEN posted.by_payer AND posted.refund_of_id IS NULL THEN 'usage_by_payer_is_refund_s'
        WHEN fits IS NOT TRUE THEN 'usage_row_shape'
    END;
END $$;


-- I1, I2: posting a row ------------------------------------------------------------------------

-- After the insert, not before it: a row that ON CONFLICT DO NOTHING drops must move nothing. The
-- lock that the UPDATE takes is what makes the sum of a charge's refunds stand still.
CREATE FUNCTION credits_post() RETURNS trigger LANGUAGE plpgsql
AS $$
DECLARE
    is_counted boolean;
    charge credits_usagehistory;
    fault text;
    owed bigint;
BEGIN
    fault := credits_row_fault(NEW);
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION 'Row % has columns that do not go together (%)', NEW.id, fault
            USING ERRCODE = 'check_violation', CONSTRAINT = fault;
    END IF;
    IF NEW.created_at - credits_now() NOT BETWEEN '-1 minute' AND '1 minute' THEN
        RAISE EXCEPTION 'I2: row % is not dated now but %', NEW.id, NEW.created_at
            USING ERRCODE = 'check_violation', CONSTRAINT = 'i2_row_dated_now';
    END IF;
    UPDATE credits_creditbalance
    SET credits_remaining = credits_remaining - NEW.credits_used, last_usage_id = NEW.id
    WHERE account_id = NEW.account_id AND last_usage_id < NEW.id
        AND credits_remaining - NEW.credits_used = NEW.balance_after
    RETURNING counted INTO is_counted;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'I2: row % (balance after it: %) does not follow the last row of account %',
            NEW.id, NEW.balance_after, NEW.account_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'i2_row_follows_the_last';
    END IF;
    IF NEW.grant_id IS NOT NULL THEN
        PERFORM credits_check_grant_row(NEW);
        PERFORM credits_move(NEW.id, NEW.grant_id, NEW.credits_used);
    ELSIF NEW.refund_of_id IS NOT NULL THEN
        charge := credits_check_refund(NEW);
        PERFORM credits_return(NEW, charge.credits_used);
    ELSIF NEW.credits_used > 0 THEN
        owed := credits_burn(NEW.id, NEW.account_id, NEW.credits_used, NEW.created_at);
        IF owed > 0 THEN
            RAISE EXCEPTION 'I5: live grants of account % lack % credits; expired ones leave first',
                NEW.account_id, owed
                USING ERRCODE = 'check_violation', CONSTRAINT = 'i5_grants_pay_in_full';
        END IF;
    END IF;
    IF NEW.lease_until IS NOT NULL THEN
        INSERT INTO credits_hold (charge_id, account_id, lease_until, created_at)
        VALUES (NEW.id, NEW.account_id, NEW.lease_until, NEW.created_at);
    END IF;
    -- A charge is held or spent; what comes back of one per unit is unspent. One by tokens is held
    -- until its use, which counts, however much an admin returns of it later.
    IF NOT is_counted THEN
        NULL;
    ELSIF NEW.lease_until IS NOT NULL OR NEW.bound IS NOT NULL THEN
        PERFORM credits_count(NEW, 0, credits_most_of(NEW));
    ELSIF NEW.unit_cost IS NOT NULL THEN
        PERFORM credits_count(NEW, credits_most_of(NEW), 0);
    ELSIF NEW.refund_of_id IS NOT NULL AND charge.bound IS NULL THEN
        PERFORM credits_count(charge, NEW.credits_used * credits_pico(), 0);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER i2_post_row AFTER INSERT ON credits_usagehistory
FOR EACH ROW EXECUTE FUNCTION credits_post();


-- Refusals -------------------------------------------------------------------------------------

-- The name of the guard is the trigger's, or the third argument. A condition (WHEN) is parsed again by
-- each statement that the trigger looks at: a long one stands on columns that no spend writes.
CREATE FUNCTION credits_refuse() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '%: % refuses % (%)', TG_ARGV[0], TG_TABLE_NAME, TG_OP, TG_ARGV[1]
        USING ERRCODE = 'check_violation', CONSTRAINT = coalesce(TG_ARGV[2], TG_NAME);
END $$;

CREATE TRIGGER i3_usage_append_only BEFORE UPDATE OR DELETE ON credits_usagehistory
FOR EACH ROW EXECUTE FUNCTION credits_refuse('I3', 'the journal is append-only');

CREATE TRIGGER i2_balance_by_journal_only
BEFORE UPDATE OF account_id, credits_remaining, last_usage_id ON credits_creditbalance
FOR EACH ROW WHEN (pg_trigger_depth() < 1)
EXECUTE FUNCTION credits_refuse('I2', 'a balance changes by a row in credits_usagehistory');

CREATE TRIGGER i2_balance_starts_empty BEFORE INSERT ON credits_creditbalance
FOR EACH ROW WHEN (NEW.credits_remaining <> 0 OR NEW.last_usage_id <> 0)
EXECUTE FUNCTION credits_refuse('I2', 'a balance starts at 0');

CREATE TRIGGER i2_balance_stays BEFORE DELETE ON credits_creditbalance
FOR EACH ROW EXECUTE FUNCTION credits_refuse('I2', 'a balance is never deleted');

CREATE TRIGGER i5_grant_by_journal_only BEFORE UPDATE OF remaining ON credits_creditgrant
FOR EACH ROW WHEN (pg_trigger_depth() < 1 AND NEW.remaining <> OLD.remaining)
EXECUTE FUNCTION credits_refuse('I5', 'a grant is spent and filled by the journal only');

CREATE TRIGGER i5_grant_stays_what_it_was
BEFORE UPDATE OF id, account_id, source, amount, key, replaces_id ON credits_creditgrant
FOR EACH ROW WHEN (
    (NEW.id, NEW.account_id, NEW.source, NEW.amount, NEW.key, NEW.replaces_id)
    IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.source, OLD.amount, OLD.key, OLD.replaces_id)
) EXECUTE FUNCTION credits_refuse(
    'I5', 'a grant is spent and filled by the journal only', 'i5_grant_by_journal_only');

CREATE TRIGGER grant_of_refund_expires BEFORE INSERT OR UPDATE OF source, expires_at ON credits_creditgrant
FOR EACH ROW WHEN (NEW.source = 'refund' AND NEW.expires_at IS NULL)
EXECUTE FUNCTION credits_refuse('I5', 'what came back of an expired grant has an end');

CREATE TRIGGER grant_of_item_is_plan_s
BEFORE INSERT OR UPDATE OF source, subscription_item_id, period_id ON credits_creditgrant
FOR EACH ROW WHEN (
    NEW.source <> 'plan' AND NEW.subscription_item_id IS NOT NULL
    OR NEW.subscription_item_id IS NULL AND NEW.period_id IS NOT NULL
) EXECUTE FUNCTION credits_refuse('I5', 'only grants of a plan have an item, and a period of it');

CREATE TRIGGER i5_grant_starts_empty BEFORE INSERT ON credits_creditgrant
FOR EACH ROW WHEN (NEW.remaining <> 0)
EXECUTE FUNCTION credits_refuse('I5', 'a grant is filled by its row in credits_usagehistory');

CREATE TRIGGER i5_grant_stays BEFORE DELETE ON credits_creditgrant
FOR EACH ROW EXECUTE FUNCTION credits_refuse('I5', 'a grant is never deleted');

CREATE TRIGGER i5_allocation_by_journal_only BEFORE INSERT ON credits_grantallocation
FOR EACH ROW WHEN (pg_trigger_depth() < 1)
EXECUTE FUNCTION credits_refuse('I5', 'allocations are written by the journal only');

CREATE TRIGGER i5_allocation_append_only BEFORE UPDATE OR DELETE ON credits_grantallocation
FOR EACH ROW EXECUTE FUNCTION credits_refuse('I5', 'allocations are append-only');

CREATE TRIGGER i6_hold_opens_with_its_charge BEFORE INSERT ON credits_hold
FOR EACH ROW WHEN (pg_trigger_depth() < 1)
EXECUTE FUNCTION credits_refuse('I6', 'a hold is opened by its charge, not later');

CREATE TRIGGER i6_hold_ends_by_name BEFORE DELETE ON credits_hold
FOR EACH ROW WHEN (current_setting('credits.ending', true) IS DISTINCT FROM OLD.charge_id::text)
EXECUTE FUNCTION credits_refuse('I6', 'a hold is settled or refunded, by credits_end_hold()');

CREATE TRIGGER i6_hold_keeps_its_charge BEFORE UPDATE ON credits_hold
FOR EACH ROW WHEN ((NEW.charge_id, NEW.account_id) IS DISTINCT FROM (OLD.charge_id, OLD.account_id))
EXECUTE FUNCTION credits_refuse('I6', 'a hold belongs to one charge');

CREATE TRIGGER i3_no_truncate BEFORE TRUNCATE ON credits_usagehistory
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('I3', 'the journal is append-only');
CREATE TRIGGER i2_no_truncate BEFORE TRUNCATE ON credits_creditbalance
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('I2', 'a balance is never deleted');
CREATE TRIGGER i5_no_truncate BEFORE TRUNCATE ON credits_creditgrant
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('I5', 'a grant is never deleted');
CREATE TRIGGER i5_no_truncate BEFORE TRUNCATE ON credits_grantallocation
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('I5', 'allocations are append-only');
CREATE TRIGGER i6_no_truncate BEFORE TRUNCATE ON credits_hold
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('I6', 'a hold ends one by one');


-- Room on each page, so that the rows every spend updates stay where they are (HOT updates).
ALTER TABLE credits_creditbalance SET (fillfactor = 50);
ALTER TABLE credits_creditgrant SET (fillfactor = 70);
