-- Starts a paid job in one round trip: counts the request, checks how much is in flight, charges and
-- records the job. `recorder` is the function of the job's kind that inserts its row; it is called
-- as recorder(owner, charge, job) and says in JSON what it has chosen besides. Outcomes: those of
-- credits_deduct and, where the model is priced by tokens and the size of the call (`input_bound` and
-- what may be written) is given, of credits_reserve; rate_limited (room again in `retry_seconds`), too_many_in_flight, turn_running.
CREATE FUNCTION ai_chat_start(owner bigint, per_minute integer, in_flight integer,
    member bigint, key_id bigint, operation text, feature text, default_cost bigint, units integer,
    model text, max_unit_cost bigint, request_key text, fingerprint text, lease interval, extra jsonb,
    input_bound bigint, output_asked bigint, output_least bigint, agreed_price bigint, most bigint,
    recorder text, job jsonb,
    OUT outcome text, OUT charge_id bigint, OUT price bigint, OUT total bigint,
    OUT available bigint, OUT held boolean, OUT price_id bigint, OUT output_granted bigint,
    OUT limit_id bigint, OUT retry_seconds integer, OUT recorded jsonb) LANGUAGE plpgsql
AS $$
DECLARE
    refusal text;
BEGIN
    IF credits_is_due(owner) THEN
        outcome := 'due';  -- It comes again, and is counted then.
        RETURN;
    END IF;
    retry_seconds := credits_take(
        counted => 'requests:' || owner, at_most => per_minute, span => interval '1 minute');
    IF retry_seconds > 0 THEN
        outcome := 'rate_limited';
        RETURN;
    END IF;
    -- With the balance locked, no two requests of one owner count their holds at the same time, and
    -- no two begin an answer in one conversation.
    PERFORM credits_lock(owner => ai_chat_start.owner);
    refusal := CASE
        WHEN in_flight <= (
            SELECT count(*) FROM credits_hold h
            WHERE h.account_id = owner AND h.lease_until > credits_now()
        ) THEN 'too_many_in_flight'
        WHEN ai_chat_is_answering(owner => ai_chat_start.owner, job => ai_chat_start.job)
            THEN 'turn_running'
    END;
    IF refusal IS NOT NULL AND NOT EXISTS (
        -- A repeated request begins nothing: it gets the first answer.
        SELECT FROM credits_usagehistory u WHERE u.account_id = owner AND u.idempotency_key = request_key
    ) THEN
        outcome := refusal;
        RETURN;
    END IF;
    IF input_bound IS NOT NULL AND credits_is_by_tokens(model, credits_now()) THEN
        SELECT r.outcome, r.charge_id, r.price, r.total, r.available, r.held, r.price_id,
            r.output_granted, r.limit_id
        INTO outcome, charge_id, price, total, available, held, price_id, output_granted, limit_id
        FROM credits_reserve(owner => ai_chat_start.owner, member => ai_chat_start.member,
            key_id => ai_chat_start.key_id, operation => ai_chat_start.operation,
            feature => ai_chat_start.feature, model => ai_chat_start.model,
            input_bound => ai_chat_start.input_bound, output_asked => ai_chat_start.output_asked,
            output_least => ai_chat_start.output_least, output_named => false, choices => 1,
            agreed_price => ai_chat_start.agreed_price, most => ai_chat_start.most,
            request_key => ai_chat_start.request_key, fingerprint => ai_chat_start.fingerprint,
            lease => ai_chat_start.lease, extra => ai_chat_start.extra) r;
    ELSIF agreed_price <> 0 AND NOT EXISTS (
        SELECT FROM credits_usagehistory u WHERE u.account_id = owner AND u.idempotency_key = request_key
    ) THEN
        outcome := 'by_message';
    ELSE
        SELECT d.outcome, d.charge_id, d.price, d.total, d.available, d.held, d.limit_id
        INTO outcome, charge_id, price, total, available, held, limit_id
        FROM credits_deduct(owner => ai_chat_start.owner, member => ai_chat_start.member,
            key_id => ai_chat_start.key_id, operation => ai_chat_start.operation,
            feature => ai_chat_start.feature, default_cost => ai_chat_start.default_cost,
            units => ai_chat_start.units, model => ai_chat_start.model,
            max_unit_cost => ai_chat_start.max_unit_cost, request_key => ai_chat_start.request_key,
            fingerprint => ai_chat_start.fingerprint, lease => ai_chat_start.lease,
            extra => ai_chat_start.extra) d;
    END IF;
    IF outcome = 'charged' THEN
        EXECUTE format('SELECT %I($1, $2, $3)', recorder) INTO recorded USING owner, charge_id, job;
        IF recorded ->> 'created_at' IS NULL THEN
            RAISE EXCEPTION '% must return the created_at of its row', recorder;
        END IF;
    END IF;
END $$;

-- Whether an answer is being written in the conversation that the job names, for jobs that must be
-- alone there: the model would be told half an answer. One whose lease is over is not: its process
-- died, and its credits come back.
CREATE FUNCTION ai_chat_is_answering(owner bigint, job jsonb) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT coalesce((job ->> 'one_at_a_time')::boolean, false) AND EXISTS (
        SELECT FROM credits_hold h
        JOIN ai_chat_turn t ON t.charge_id = h.charge_id
        JOIN ai_chat_conversation c ON c.id = t.conversation_id
        WHERE h.account_id = owner AND h.lease_until > credits_now()
            AND (c.id = (job ->> 'conversation_id')::uuid OR c.external_id = job ->> 'external_id')
    )
$$;

-- The conversation that a job belongs to, now the latest: the one that is named, or the one with the
-- client's id, or a new one. A new one also takes the place of one that was deleted meanwhile.
CREATE FUNCTION ai_chat_touch_conversation(owner bigint, job jsonb) RETURNS uuid LANGUAGE plpgsql
AS $$
DECLARE
    touched uuid;
BEGIN
    IF job ->> 'conversation_id' IS NOT NULL THEN
        UPDATE ai_chat_conversation SET active_at = statement_timestamp()
        WHERE id = (job ->> 'conversation_id')::uuid AND user_id = owner RETURNING id INTO touched;
    END IF;
    IF touched IS NULL AND job ->> 'external_id' IS NOT NULL THEN
        UPDATE ai_chat_conversation SET active_at = statement_timestamp()
        WHERE user_id = owner AND external_id = job ->> 'external_id' RETURNING id INTO touched;
    END IF;
    IF touched IS NULL THEN
        INSERT INTO ai_chat_conversation (id, user_id, title, external_id)
        VALUES (gen_random_uuid(), owner, job ->> 'title', job ->> 'external_id')
        RETURNING id INTO touched;
    END IF;
    RETURN touched;
END $$;

CREATE FUNCTION ai_chat_record_turn(owner bigint, charge bigint, job jsonb) RETURNS jsonb
LANGUAGE sql
AS $$
    INSERT INTO ai_chat_turn (id, user_id, conversation_id, charge_id, model, prompt, answer, state,
        failure, stop_requested, replaces)
    VALUES ((job ->> 'id')::uuid, owner, ai_chat_touch_conversation(owner, job), charge,
        job ->> 'model', job ->> 'prompt', '', 'running', '', false, (job ->> 'replaces')::uuid)
    RETURNING jsonb_build_object('conversation_id', conversation_id, 'created_at', created_at)
$$;

-- Images asked for in a conversation belong to it; those of the gallery to none.
CREATE FUNCTION ai_chat_record_images(owner bigint, charge bigint, job jsonb) RETURNS jsonb
LANGUAGE sql
AS $$
    INSERT INTO ai_chat_imagerequest (id, user_id, conversation_id, charge_id, model, prompt, size,
        count, state, failure, stop_requested)
    VALUES ((job ->> 'id')::uuid, owner,
        CASE WHEN (job ->> 'in_conversation')::boolean
            THEN ai_chat_touch_conversation(owner, job) END,
        charge, job ->> 'model', job ->> 'prompt', job ->> 'size', (job ->> 'count')::integer,
        'running', '', false)
    RETURNING jsonb_build_object('conversation_id', conversation_id, 'created_at', created_at)
$$;
