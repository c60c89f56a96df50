-- Starts a paid job in one round trip: counts the request under each of `counted`, of which
-- `per_minute` fit in a minute, charges if less than `in_flight` is, and records the job. `recorder`
-- is the function of the job's kind that inserts its row; it is called as recorder(owner, charge, job)
-- and says in JSON what it has chosen besides. `rate_most`, `rate_remaining` and `rate_reset` say what
-- is left of the tightest of the rates, as credits_take does. Outcomes: those of
-- credits_deduct and, where the model is priced by tokens and the size of the call (`input_bound` and
-- what may be written) is given, of credits_reserve; rate_limited (room again in `retry_seconds`), turn_running.
CREATE FUNCTION ai_chat_start(owner bigint, counted text[], per_minute integer[], in_flight integer,
    member bigint, key_id bigint, operation text, feature text, default_cost bigint, units integer,
    model text, max_unit_cost bigint, request_key text, fingerprint text, lease interval, extra jsonb,
    input_bound bigint, output_asked bigint, output_least bigint, output_named boolean,
    choices integer, agreed_price bigint, most bigint, recorder text, job jsonb,
    OUT outcome text, OUT charge_id bigint, OUT price bigint, OUT total bigint,
    OUT available bigint, OUT held boolean, OUT price_id bigint, OUT output_granted bigint,
    OUT limit_id bigint, OUT retry_seconds integer, OUT rate_most integer,
    OUT rate_remaining integer, OUT rate_reset integer, OUT recorded jsonb)
LANGUAGE plpgsql
AS $$
DECLARE
    spent record;
BEGIN
    IF credits_is_due(owner) THEN
        outcome := 'due';  -- It comes again, and is counted then.
        RETURN;
    END IF;
    SELECT t.wait, t.most, t.remaining, t.reset
    INTO retry_seconds, rate_most, rate_remaining, rate_reset
    FROM credits_take(counted, per_minute, interval '1 minute') t;
    IF retry_seconds > 0 THEN
        outcome := 'rate_limited';
        RETURN;
    END IF;
    IF (job ->> 'one_at_a_time')::boolean THEN
        -- With the balance locked, no two begin an answer in one conversation.
        PERFORM credits_lock(owner => ai_chat_start.owner);
        IF ai_chat_is_answering(owner => ai_chat_start.owner, job => ai_chat_start.job) AND NOT EXISTS (
            -- A repeated request begins nothing: it gets the first answer.
            SELECT FROM credits_usagehistory u
            WHERE u.account_id = owner AND u.idempotency_key = request_key
        ) THEN
            outcome := 'turn_running';
            RETURN;
        END IF;
    END IF;
    IF input_bound IS NOT NULL AND credits_is_by_tokens(model, credits_now()) THEN
        spent := credits_reserve(owner => ai_chat_start.owner, member => ai_chat_start.member,
            key_id => ai_chat_start.key_id, operation => ai_chat_start.operation,
            feature => ai_chat_start.feature, model => ai_chat_start.model,
            input_bound => ai_chat_start.input_bound, output_asked => ai_chat_start.output_asked,
            output_least => ai_chat_start.output_least,
            output_named => ai_chat_start.output_named, choices => ai_chat_start.choices,
            agreed_price => ai_chat_start.agreed_price, most => ai_chat_start.most,
            request_key => ai_chat_start.request_key, fingerprint => ai_chat_start.fingerprint,
            lease => ai_chat_start.lease, extra => ai_chat_start.extra,
            in_flight => ai_chat_start.in_flight);
        price_id := spent.price_id;
        output_granted := spent.output_granted;
    ELSIF agreed_price <> 0 AND NOT EXISTS (
        SELECT FROM credits_usagehistory u WHERE u.account_id = owner AND u.idempotency_key = request_key
    ) THEN
        outcome := 'by_message';
        RETURN;
    ELSE
        spent := credits_deduct(owner => ai_chat_start.owner, member => ai_chat_start.member,
            key_id => ai_chat_start.key_id, operation => ai_chat_start.operation,
            feature => ai_chat_start.feature, default_cost => ai_chat_start.default_cost,
            units => ai_chat_start.units, model => ai_chat_start.model,
            max_unit_cost => ai_chat_start.max_unit_cost, request_key => ai_chat_start.request_key,
            fingerprint => ai_chat_start.fingerprint, lease => ai_chat_start.lease,
            extra => ai_chat_start.extra, in_flight => ai_chat_start.in_flight);
    END IF;
    outcome := spent.outcome;
    charge_id := spent.charge_id;
    price := spent.price;
    total := spent.total;
    available := spent.available;
    held := spent.held;
    limit_id := spent.limit_id;
    IF outcome = 'charged' THEN
        -- By name: EXECUTE would plan it anew each time.
        recorded := CASE recorder
            WHEN 'ai_chat_record_call' THEN ai_chat_record_call(owner, charge_id, job)
            WHEN 'ai_chat_record_turn' THEN ai_chat_record_turn(owner, charge_id, job)
            WHEN 'ai_chat_record_images' THEN ai_chat_record_images(owner, charge_id, job)
        END;
        IF recorded ->> 'created_at' IS NULL THEN
            RAISE EXCEPTION '% must return the created_at of its row', recorder;
        END IF;
    END IF;
END $$;

-- Whether an answer is being written in the conversation that the job names (`one_at_a_time`): the model would be told half an answer. One whose lease is over is not: its process
-- died, and its credits come back.
CREATE FUNCTION ai_chat_is_answering(owner bigint, job jsonb) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (
        SELECT FROM credits_hold h
        JOIN ai_chat_turn t ON t.charge_id = h.charge_id
        JOIN ai_chat_conversation c ON c.id = t.conversation_id
        WHERE h.account_id = owner AND h.lease_until > credits_now()
            AND (c.id = (job ->> 'conversation_id')::uuid OR c.external_id = job ->> 'external_id')
    )
$$;

-- The conversation that a job belongs to, now the latest, with the job as the end of what is shown: the
-- one that is named, or the one with the client's id, or a new one. A new one also takes the place of one
-- that was deleted meanwhile. `parent` is the entry before the job: the end of what was shown, or, for
-- another version (`is_version`), the `parent` that the job names, unless that is deleted by now. The job's
-- model is the one that is chosen for what comes next: of images, which have a `count`, or of messages.
CREATE FUNCTION ai_chat_place(owner bigint, job jsonb, OUT conversation uuid, OUT parent uuid)
LANGUAGE plpgsql
AS $$
BEGIN
    IF job ->> 'conversation_id' IS NOT NULL THEN
        SELECT c.id, c.current INTO conversation, parent FROM ai_chat_conversation c
        WHERE c.id = (job ->> 'conversation_id')::uuid AND c.user_id = owner FOR UPDATE;
    END IF;
    IF conversation IS NULL AND job ->> 'external_id' IS NOT NULL THEN
        SELECT c.id, c.current INTO conversation, parent FROM ai_chat_conversation c
        WHERE c.user_id = owner AND c.external_id = job ->> 'external_id' FOR UPDATE;
    END IF;
    IF conversation IS NULL THEN
        INSERT INTO ai_chat_conversation (id, user_id, title, external_id, current, expires_at, instructions,
            preset_id, temperature, folder_id, text_model, image_model)
        VALUES (gen_random_uuid(), owner, job ->> 'title', job ->> 'external_id', (job ->> 'id')::uuid,
            CASE WHEN (job ->> 'is_temporary')::boolean THEN statement_timestamp() + interval '1 day' END,
            coalesce(job ->> 'instructions', ''),
            -- Preset and folder may have been deleted meanwhile.
            (SELECT p.id FROM ai_chat_preset p WHERE p.id = (job ->> 'preset_id')::uuid
                AND (p.user_id = owner OR p.user_id IS NULL) FOR KEY SHARE),
            (job ->> 'temperature')::double precision,
            (SELECT f.id FROM ai_chat_folder f WHERE f.id = (job ->> 'folder_id')::uuid
                AND f.user_id = owner FOR KEY SHARE),
            CASE WHEN job ? 'count' THEN '' ELSE job ->> 'model' END,
            CASE WHEN job ? 'count' THEN job ->> 'model' ELSE '' END)
        RETURNING id INTO conversation;
        RETURN;
    END IF;
    IF (job ->> 'is_version')::boolean AND (job ->> 'parent' IS NULL
        OR EXISTS (SELECT FROM ai_chat_entry(conversation, (job ->> 'parent')::uuid)))
    THEN
        parent := (job ->> 'parent')::uuid;
    END IF;
    UPDATE ai_chat_conversation c SET active_at = statement_timestamp(), current = (job ->> 'id')::uuid,
        text_model = CASE WHEN job ? 'count' THEN c.text_model ELSE job ->> 'model' END,
        image_model = CASE WHEN job ? 'count' THEN job ->> 'model' ELSE c.image_model END
    WHERE c.id = conversation;
END $$;

-- A message. Its files belong to its conversation from now on.
CREATE FUNCTION ai_chat_record_turn(owner bigint, charge bigint, job jsonb,
    OUT recorded jsonb) LANGUAGE plpgsql
AS $$
DECLARE
    place record := ai_chat_place(owner, job);
    files uuid[] := ARRAY(SELECT jsonb_array_elements_text(job -> 'attachments')::uuid);
BEGIN
    IF files <> '{}' THEN
        UPDATE ai_chat_attachment a SET conversation_id = place.conversation
        WHERE a.id = ANY(files) AND a.user_id = owner AND a.conversation_id IS NULL;
    END IF;
    INSERT INTO ai_chat_turn (id, user_id, conversation_id, charge_id, model, prompt, answer, state,
        failure, stop_requested, parent, attachments)
    VALUES ((job ->> 'id')::uuid, owner, place.conversation, charge, job ->> 'model',
        job ->> 'prompt', '', 'running', '', false, place.parent, files)
    RETURNING jsonb_build_object('conversation_id', conversation_id, 'parent', ai_chat_turn.parent,
        'created_at', created_at) INTO recorded;
END $$;

-- Images asked for in a conversation belong to it; those of the gallery to none.
CREATE FUNCTION ai_chat_record_images(owner bigint, charge bigint, job jsonb,
    OUT recorded jsonb) LANGUAGE plpgsql
AS $$
DECLARE
    conversation uuid;
    parent uuid;
BEGIN
    IF (job ->> 'in_conversation')::boolean THEN
        SELECT p.conversation, p.parent INTO conversation, parent FROM ai_chat_place(owner, job) p;
    END IF;
    INSERT INTO ai_chat_imagerequest (id, user_id, conversation_id, parent, charge_id, model, prompt,
        size, count, state, failure, stop_requested)
    VALUES ((job ->> 'id')::uuid, owner, conversation, parent, charge, job ->> 'model',
        job ->> 'prompt', job ->> 'size', (job ->> 'count')::integer, 'running', '', false)
    RETURNING jsonb_build_object('conversation_id', conversation_id,
        'parent', ai_chat_imagerequest.parent, 'created_at', created_at) INTO recorded;
END $$;

-- A call of the API by a key.
CREATE FUNCTION ai_chat_record_call(owner bigint, charge bigint, job jsonb,
    OUT recorded jsonb) LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO ai_chat_apicall (id, user_id, api_key_id, charge_id, model, state, failure,
        stop_requested, endpoint, request_id, streamed, fingerprint)
    VALUES ((job ->> 'id')::uuid, owner, (job ->> 'api_key_id')::bigint, charge, job ->> 'model',
        'running', '', false, job ->> 'endpoint', job ->> 'request_id',
        (job ->> 'streamed')::boolean, job ->> 'fingerprint')
    RETURNING jsonb_build_object('created_at', created_at) INTO recorded;
END $$;

-- Room on each page for the row as it ends (HOT).
ALTER TABLE ai_chat_apicall SET (fillfactor = 80);

-- Ends a running job of the kind whose table is `kind`, and its hold with it, in one round trip. The
-- charge stands for `delivered` units (NULL: all), the rest comes back because of `failure`; one by
-- tokens stands for `tokens` where they are given (input, cached, cache_write, output, reasoning). Where
-- `free_kind` is given, nothing is charged by the owner's own doing: an owner gets `free_most` of these
-- an hour back, and those after them end with the failure `…_used_up`, as `charged_as` if that is given,
-- and are charged.
--
-- May be repeated: `was` is the state before, and only a running job is changed; NULL: it was deleted.
-- `lost`: its hold had been swept, so it is marked as refunded (I6). `alerts`: the owner has
-- limits that may have been reached now.
CREATE FUNCTION ai_chat_end(kind text, job_id uuid, charge bigint, owner bigint,
    INOUT state text, INOUT failure text, by_payer boolean, delivered integer, tokens bigint[],
    source text, flags text[], free_kind text, free_most integer,
    charged_as text, first_seconds double precision,
    OUT was text, OUT lost boolean, OUT refund_id bigint, OUT refunded bigint,
    OUT ended_at timestamptz, OUT used jsonb, OUT remaining bigint, OUT alerts boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    ending record;
BEGIN
    -- A statement for each kind: EXECUTE would plan it anew each time.
    CASE kind
        WHEN 'ai_chat_apicall' THEN
            SELECT j.state INTO was FROM ai_chat_apicall j WHERE j.id = job_id FOR UPDATE;
        WHEN 'ai_chat_turn' THEN
            SELECT j.state INTO was FROM ai_chat_turn j WHERE j.id = job_id FOR UPDATE;
        WHEN 'ai_chat_imagerequest' THEN
            SELECT j.state INTO was FROM ai_chat_imagerequest j WHERE j.id = job_id FOR UPDATE;
    END CASE;
    IF was IS DISTINCT FROM 'running' THEN
        RETURN;
    END IF;
    IF free_kind IS NOT NULL THEN
        IF (SELECT t.wait > 0
            FROM credits_take(ARRAY[free_kind || ':' || owner], ARRAY[free_most], '1 hour') t) THEN
            failure := free_kind || '_used_up';
            state := coalesce(charged_as, state);
            delivered := NULL;
        END IF;
    END IF;
    IF tokens IS NULL OR delivered = 0 THEN
        ending := credits_end_hold(charge_id => charge, delivered => ai_chat_end.delivered,
            reason => failure, by_payer => ai_chat_end.by_payer, extra => '{}');
    ELSE
        ending := credits_settle_use(charge_id => charge, input => tokens[1], cached => tokens[2],
            cache_write => tokens[3], output => tokens[4], reasoning => tokens[5],
            source => ai_chat_end.source, flags => ai_chat_end.flags, reason => 'unused',
            by_payer => true, extra => '{}');
    END IF;
    lost := ending.outcome = 'ended';
    refund_id := ending.refund_id;
    refunded := ending.refunded;
    ended_at := statement_timestamp();
    IF lost THEN
        state := 'failed';
        failure := 'lease_expired';
        SELECT u.id, -u.credits_used, u.created_at INTO refund_id, refunded, ended_at
        FROM credits_usagehistory u WHERE u.refund_of_id = charge ORDER BY u.id LIMIT 1;
        ended_at := coalesce(ended_at, statement_timestamp());
    END IF;
    CASE kind
        WHEN 'ai_chat_apicall' THEN
            UPDATE ai_chat_apicall j SET state = ai_chat_end.state, failure = ai_chat_end.failure,
                refund_id = ai_chat_end.refund_id, ended_at = ai_chat_end.ended_at,
                first_seconds = ai_chat_end.first_seconds WHERE j.id = job_id;
        WHEN 'ai_chat_turn' THEN
            UPDATE ai_chat_turn j SET state = ai_chat_end.state, failure = ai_chat_end.failure,
                refund_id = ai_chat_end.refund_id, ended_at = ai_chat_end.ended_at,
                first_seconds = ai_chat_end.first_seconds WHERE j.id = job_id;
        WHEN 'ai_chat_imagerequest' THEN
            UPDATE ai_chat_imagerequest j SET state = ai_chat_end.state,
                failure = ai_chat_end.failure, refund_id = ai_chat_end.refund_id,
                ended_at = ai_chat_end.ended_at, first_seconds = ai_chat_end.first_seconds
            WHERE j.id = job_id;
    END CASE;
    SELECT b.credits_remaining,
        EXISTS (SELECT FROM credits_limit l WHERE l.account_id = owner AND l.alert_at <> '{}'),
        (SELECT to_jsonb(u) - 'created_at' FROM credits_use u WHERE u.charge_id = charge)
    INTO remaining, alerts, used
    FROM credits_creditbalance b WHERE b.account_id = owner;
END $$;
