-- Prices by tokens (I8), what calls used (I9), and what is paid ahead (I10). One credit is 10^12
-- pico-credits; prices are whole pico-credits for a token, so costs are sums of products of whole
-- numbers. docs/ledger.md explains each rule.

-- What so many tokens cost at a price, in pico-credits.
CREATE FUNCTION credits_cost(price credits_tokenprice, used credits_use) RETURNS numeric
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (used.input - used.cached - used.cache_write)::numeric * price.input
        + used.cached::numeric * price.cached + used.cache_write::numeric * price.cache_write
        + (used.output - used.reasoning)::numeric * price.output
        + used.reasoning::numeric * price.reasoning + price.request
$$;

-- The same at what the provider asks; null when that is not known.
CREATE FUNCTION credits_provider_cost(price credits_tokenprice, used credits_use) RETURNS numeric
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (used.input - used.cached - used.cache_write)::numeric * price.provider_input
        + used.cached::numeric * price.provider_cached
        + used.cache_write::numeric * price.provider_cache_write
        + (used.output - used.reasoning)::numeric * price.provider_output
        + used.reasoning::numeric * price.provider_reasoning + price.provider_request
$$;

-- A use is priced once, by the price that its charge names (I8), and takes no more than was reserved
-- (I9). First it takes from what is paid ahead, then whole credits; what is over of the last one is
-- paid ahead for the next (I10).
CREATE FUNCTION credits_post_use() RETURNS trigger LANGUAGE plpgsql
AS $$
DECLARE
    charge credits_usagehistory;
    is_counted boolean;
    held boolean;
    ahead numeric;
BEGIN
    SELECT * INTO charge FROM credits_usagehistory WHERE id = NEW.charge_id;
    IF charge.bound IS NULL OR charge.account_id <> NEW.account_id THEN
        RAISE EXCEPTION 'I8: row % is no charge by tokens of account %', NEW.charge_id, NEW.account_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'i8_use_names_its_price';
    END IF;
    -- A statement of its own: the one that waits for the lock does not see what was there meanwhile.
    SELECT b.counted INTO is_counted
    FROM credits_creditbalance b WHERE b.account_id = charge.account_id FOR UPDATE;
    SELECT EXISTS (SELECT FROM credits_hold h WHERE h.charge_id = charge.id),
        coalesce((SELECT a.pico FROM credits_paidahead a WHERE a.account_id = charge.account_id), 0),
        CASE WHEN NEW.source = 'none' THEN 0 ELSE credits_cost(p, NEW) END,
        CASE WHEN NEW.source <> 'none' THEN credits_provider_cost(p, NEW) END
    INTO held, ahead, NEW.cost, NEW.provider_cost
    FROM credits_tokenprice p WHERE p.id = charge.price_id;
    IF held THEN
        RAISE EXCEPTION 'I6: charge % is held; its hold ends first', charge.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'i6_hold_ends_before_use';
    END IF;
    NEW.collected := least(NEW.cost, charge.bound);
    NEW.kept := greatest(0, ceil((NEW.collected - ahead) / credits_pico()))::bigint;
    NEW.ahead := ahead + NEW.kept * credits_pico() - NEW.collected;
    IF NEW.collected > 0 THEN
        UPDATE credits_paidahead SET pico = NEW.ahead WHERE account_id = charge.account_id;
        IF NOT FOUND THEN
            INSERT INTO credits_paidahead (account_id, pico) VALUES (charge.account_id, NEW.ahead);
        END IF;
    END IF;
    IF is_counted THEN
        PERFORM credits_count(charge, NEW.collected, -charge.bound);
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER i9_post_use BEFORE INSERT ON credits_use
FOR EACH ROW EXECUTE FUNCTION credits_post_use();


-- Refusals -------------------------------------------------------------------------------------

CREATE TRIGGER i8_price_append_only BEFORE UPDATE OR DELETE ON credits_tokenprice
FOR EACH ROW EXECUTE FUNCTION credits_refuse('I8', 'prices are append-only');
CREATE TRIGGER i8_price_no_truncate BEFORE TRUNCATE ON credits_tokenprice
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('I8', 'prices are append-only');
-- A price that began before it was there would rewrite what calls were told.
CREATE TRIGGER i8_price_not_backdated BEFORE INSERT ON credits_tokenprice
FOR EACH ROW WHEN (NEW.valid_from < credits_now() - interval '1 minute')
EXECUTE FUNCTION credits_refuse('I8', 'a price begins now or later');

CREATE TRIGGER i8_use_append_only BEFORE UPDATE OR DELETE ON credits_use
FOR EACH ROW EXECUTE FUNCTION credits_refuse('I8', 'uses are append-only');
CREATE TRIGGER i8_use_no_truncate BEFORE TRUNCATE ON credits_use
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('I8', 'uses are append-only');

CREATE TRIGGER i10_paid_ahead_by_uses_only BEFORE INSERT OR UPDATE OR DELETE ON credits_paidahead
FOR EACH ROW WHEN (pg_trigger_depth() < 1)
EXECUTE FUNCTION credits_refuse('I10', 'what is paid ahead changes by a use');
CREATE TRIGGER i10_no_truncate BEFORE TRUNCATE ON credits_paidahead
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('I10', 'what is paid ahead changes by a use');

ALTER TABLE credits_paidahead SET (fillfactor = 50);


-- The kernel's part ----------------------------------------------------------------------------

-- What credits_reserve grants of so many `available` credits, and what it refuses: the only place where
-- that is decided. `charged` says that it grants `output_granted` tokens, for which `bound` pico-credits
-- or `total` credits are reserved. Nothing is changed.
CREATE FUNCTION credits_terms(owner bigint, member bigint, key_id bigint, feature text, model text,
    input_bound bigint, output_asked bigint, output_least bigint, output_named boolean,
    choices integer, agreed_price bigint, most bigint, available bigint, limited boolean,
    moment timestamptz,
    OUT outcome text, OUT total bigint, OUT price_id bigint, OUT output_granted bigint,
    OUT bound numeric, OUT limit_id bigint) LANGUAGE plpgsql STABLE
AS $$
DECLARE
    dear record;
    per_output numeric;
    fixed numeric;
    least_bound numeric;
    room numeric;
    nearest bigint;
    limit_room numeric;
    later_id bigint;
    limit_later numeric;
BEGIN
    SELECT m.id AS of_model, p.* INTO dear
    FROM credits_aimodel m LEFT JOIN credits_price_now(m.id, moment) p ON true
    WHERE m.name = model AND m.feature = credits_terms.feature AND m.active AND NOT m.unreachable;
    price_id := dear.id;
    per_output := choices * greatest(dear.output, dear.reasoning)::numeric;
    fixed := dear.request
        + input_bound::numeric * greatest(dear.input, dear.cached, dear.cache_write);
    output_least := least(output_least, output_asked);
    least_bound := fixed + output_least * per_output;
    total := ceil(least_bound / credits_pico());
    IF limited THEN
        SELECT l.limit_id, l.room, l.later_id, l.later
        INTO nearest, limit_room, later_id, limit_later
        FROM credits_limits_left(owner, member, key_id, moment) l;
    END IF;
    room := least(available * credits_pico(), most * credits_pico(), limit_room);
    IF dear.of_model IS NULL THEN
        outcome := 'not_offered';
    ELSIF price_id IS NULL THEN
        outcome := 'by_message';
    ELSIF price_id <> agreed_price OR total > most THEN
        outcome := 'price_changed';
    ELSIF input_bound > dear.max_input THEN
        outcome := 'too_long';
    ELSIF limit_later < least_bound THEN
        outcome := 'limit_reached';
        limit_id := later_id;
    ELSIF total > available THEN
        SELECT CASE WHEN total > available + coalesce(sum(u.credits_used), 0)
            THEN 'insufficient' ELSE 'busy' END INTO outcome
        FROM credits_hold h JOIN credits_usagehistory u ON u.id = h.charge_id
        WHERE h.account_id = owner;
    ELSIF room < least_bound THEN
        outcome := 'busy';
    ELSE
        outcome := 'charged';
        output_granted := output_asked;
        IF per_output > 0 THEN
            output_granted := least(output_asked, floor((room - fixed) / per_output));
            IF NOT output_named THEN
                output_granted := least(output_granted,
                    greatest(8192, output_least, floor((room / 2 - fixed) / per_output)));
            END IF;
        END IF;
        bound := fixed + output_granted * per_output;
        total := ceil(bound / credits_pico());
        limit_id := CASE WHEN output_granted < output_asked AND room = limit_room
            THEN nearest END;
    END IF;
END $$;

-- Reserves credits for a call whose price is by tokens: a charge of the most that it can cost, held.
-- `input_bound` is the most tokens that can be read, `output_asked` what may be written at most (of
-- each of `choices` answers), `output_least` what is needed for an answer to be worth while. As much
-- of `output_asked` is granted as the balance, the limits and `most` (credits) pay for; where the
-- caller has named no length of its own (`output_named`), at most half of that, but not less than
-- `output_least` and 8,192 tokens, so that a second call finds credits beside the first. The caller
-- makes the provider keep to `output_granted`.
--
-- Outcomes: charged; replayed, key_conflict, due, closed, bad_key, too_many_in_flight as credits_open_spend has them;
-- not_offered (the model), by_message (it has no price by tokens), price_changed (the price is not
-- `agreed_price`, or `output_least` costs more than `most`), too_long (the price is for less input),
-- limit_reached (see `limit_id`), busy (enough once other calls of the account have ended),
-- insufficient. `total` are the credits reserved, or needed for `output_least`.
CREATE FUNCTION credits_reserve(owner bigint, member bigint, key_id bigint, operation text,
    feature text, model text, input_bound bigint, output_asked bigint, output_least bigint,
    output_named boolean, choices integer, agreed_price bigint, most bigint, request_key text,
    fingerprint text, lease interval, extra jsonb, in_flight integer DEFAULT NULL,
    OUT outcome text, OUT charge_id bigint, OUT price bigint, OUT total bigint,
    OUT available bigint, OUT held boolean, OUT price_id bigint, OUT output_granted bigint,
    OUT limit_id bigint) LANGUAGE plpgsql
AS $$
DECLARE
    spend record;
    terms record;
BEGIN
    spend := credits_open_spend(
        owner, member, key_id, operation, 1, model, request_key, fingerprint, in_flight);
    outcome := spend.outcome;
    available := spend.available;
    held := true;
    IF outcome IS NOT NULL THEN
        charge_id := (spend.earlier).id;
        price_id := (spend.earlier).price_id;
        price := (spend.earlier).unit_cost;
        total := price;
        held := EXISTS (SELECT FROM credits_hold h WHERE h.charge_id = (spend.earlier).id);
        output_granted := ((spend.earlier).details ->> 'output_granted')::bigint;
        RETURN;
    END IF;
    terms := credits_terms(owner, member, key_id, feature, model, input_bound, output_asked,
        output_least, output_named, choices, agreed_price, most, available, spend.limited,
        spend.moment);
    outcome := terms.outcome;
    total := terms.total;
    price_id := terms.price_id;
    output_granted := terms.output_granted;
    limit_id := terms.limit_id;
    IF outcome = 'charged' THEN
        price := total;
        available := available - total;
        INSERT INTO credits_usagehistory
            (account_id, operation_type, credits_used, balance_after, unit_cost, quantity, details,
             idempotency_key, request_fingerprint, lease_until, created_at, member_id, api_key_id,
             price_id, bound)
        VALUES (owner, operation, total, spend.balance - total, total, 1,
            extra || jsonb_build_object('feature', feature, 'model', model,
                'input_bound', input_bound, 'output_granted', output_granted),
            request_key, fingerprint, spend.moment + lease, spend.moment,
            nullif(member, owner), key_id, price_id, terms.bound)
        RETURNING id INTO charge_id;
    END IF;
END $$;

-- What the uses of a model by an account came to, as a share of what they could have cost: the median of
-- its latest 50, null below 10. Only the latest 200 uses of the account are looked at.
CREATE FUNCTION credits_usual_share(owner bigint, price_id bigint) RETURNS numeric
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN count(*) >= 10 THEN percentile_disc(0.5) WITHIN GROUP (ORDER BY l.share) END
    FROM (
        SELECT u.collected / c.bound AS share
        FROM (SELECT * FROM credits_use WHERE account_id = owner ORDER BY charge_id DESC LIMIT 200) u
        JOIN credits_usagehistory c ON c.id = u.charge_id
        JOIN credits_tokenprice p ON p.id = c.price_id
        JOIN credits_tokenprice wanted ON wanted.model_id = p.model_id
        WHERE wanted.id = credits_usual_share.price_id AND c.bound > 0 AND u.source <> 'none'
        ORDER BY u.charge_id DESC LIMIT 50
    ) l
$$;

-- What credits_reserve would answer now, where nothing is to be swept first, and in `likely` what such a
-- call usually costs the account, in pico-credits (null where that is not known). Charges nothing.
CREATE FUNCTION credits_quote(owner bigint, member bigint, key_id bigint, feature text, model text,
    input_bound bigint, output_asked bigint, output_least bigint, output_named boolean,
    choices integer, agreed_price bigint, most bigint, INOUT available bigint, counted boolean,
    OUT outcome text, OUT total bigint, OUT price_id bigint, OUT output_granted bigint,
    OUT bound numeric, OUT limit_id bigint, OUT likely numeric) LANGUAGE sql STABLE
AS $$
    SELECT available, t.outcome, t.total, t.price_id, t.output_granted, t.bound, t.limit_id,
        trunc(t.bound * credits_usual_share(owner, t.price_id))
    FROM credits_terms(owner, member, key_id, feature, model, input_bound, output_asked,
        output_least, output_named, choices, agreed_price, most, available, counted,
        credits_now()) t
$$;

-- Ends the hold of a charge by tokens (I6) with what was used: that is kept, the rest comes back for
-- `reason`. Outcomes: settled; ended, when somebody had ended it before: then with what came of that.
CREATE FUNCTION credits_settle_use(charge_id bigint, input bigint, cached bigint, cache_write bigint,
    output bigint, reasoning bigint, source text, flags text[], reason text, by_payer boolean,
    extra jsonb,
    OUT outcome text, OUT refund_id bigint, OUT refunded bigint, OUT cost numeric,
    OUT collected numeric, OUT kept bigint) LANGUAGE plpgsql
AS $$
DECLARE
    charge credits_usagehistory;
    ending text;
BEGIN
    ending := set_config('credits.ending', credits_settle_use.charge_id::text, true);
    DELETE FROM credits_hold h USING credits_usagehistory u
    WHERE h.charge_id = credits_settle_use.charge_id AND u.id = h.charge_id
    RETURNING u.* INTO charge;
    outcome := CASE WHEN FOUND THEN 'settled' ELSE 'ended' END;
    IF outcome = 'ended' THEN
        SELECT * INTO charge FROM credits_usagehistory WHERE id = credits_settle_use.charge_id;
        SELECT u.cost, u.collected, u.kept INTO cost, collected, kept
        FROM credits_use u WHERE u.charge_id = charge.id;
    ELSE
        INSERT INTO credits_use AS u (charge_id, account_id, input, cached, cache_write, output,
            reasoning, source, flags, cost, collected, kept, created_at)
        VALUES (charge.id, charge.account_id, input, cached, cache_write, output, reasoning,
            source, flags, 0, 0, 0, credits_now())
        RETURNING u.cost, u.collected, u.kept INTO cost, collected, kept;
    END IF;
    refunded := charge.credits_used - kept;
    IF outcome = 'settled' AND refunded > 0 THEN
        refund_id := credits_insert_refund(charge, refunded,
            credits_lock(charge.account_id) + refunded, reason, by_payer, NULL, extra);
    END IF;
END $$;
