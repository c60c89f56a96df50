-- What limits count, without a write-ahead log: a crash may forget who did what in the last minute,
-- and a paid request waits for one flush to the disk instead of two.
ALTER TABLE credits_ratelimit SET UNLOGGED;
ALTER TABLE credits_ratelimit SET (fillfactor = 50);

-- The uses of a row that still count at this moment.
CREATE FUNCTION credits_rate_now(INOUT log credits_ratelimit, span interval, moment timestamptz)
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    gone integer := 0;
BEGIN
    WHILE log.moments[gone + 1] <= moment - span LOOP
        gone := gone + 1;
        log.uses := log.uses - log.counts[gone];
    END LOOP;
    IF gone > 0 THEN
        log.moments := log.moments[gone + 1:];
        log.counts := log.counts[gone + 1:];
    END IF;
END $$;

-- Seconds until there is room for one more use of a row beside those that count; 0: there is.
CREATE FUNCTION credits_rate_wait(
    log credits_ratelimit, at_most integer, span interval, moment timestamptz
) RETURNS integer LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    place integer := 0;
BEGIN
    IF log.uses < at_most THEN
        RETURN 0;
    END IF;
    WHILE log.uses >= at_most AND place < cardinality(log.counts) LOOP
        place := place + 1;
        log.uses := log.uses - log.counts[place];
    END LOOP;
    RETURN greatest(1, ceil(extract(epoch FROM log.moments[place] + span - moment)));
END $$;

-- Limits of how often something may be done: at most `at_most` times in any `span`. Counts a use under
-- each of the keys `counted`, or, where one of them has no room, under none: a refused use is not
-- written, so waiting helps. One row per key holds the moments of the uses that were let through; of
-- limits above sixty those of one sixtieth of the span are counted together at its beginning, as the
-- row is written with every use. Whoever finds a row locked waits, and then counts anew: callers name
-- keys in one order.
--
-- `wait` is 0, or the seconds until there is room again: then nothing was counted. Of the key with the
-- least room `remaining` of its `most` uses are left, and in `reset` seconds all of them are.
CREATE FUNCTION credits_take(counted text [], at_most integer [], span interval,
    OUT wait integer, OUT most integer, OUT remaining integer, OUT reset integer)
LANGUAGE plpgsql
AS $$
DECLARE
    log credits_ratelimit;
    moment timestamptz;
    bucket timestamptz;
BEGIN
    wait := 0;
    FOR place IN 1 .. cardinality(counted) LOOP
        SELECT * INTO log FROM credits_ratelimit WHERE key = counted[place] FOR UPDATE;
        IF NOT FOUND THEN
            INSERT INTO credits_ratelimit AS r (key, moments, counts, uses)
            VALUES (counted[place], '{}', '{}', 0)
            ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING r.* INTO log;
        END IF;
        moment := credits_now();
        log := credits_rate_now(log, span, moment);
        wait := greatest(wait, credits_rate_wait(log, at_most[place], span, moment));
        IF remaining IS NULL OR at_most[place] - log.uses - 1 < remaining THEN
            most := at_most[place];
            remaining := at_most[place] - log.uses - 1;
            reset := ceil(extract(epoch FROM CASE WHEN remaining >= 0 THEN span
                ELSE log.moments[cardinality(log.moments)] + span - moment END));
        END IF;
    END LOOP;
    IF wait > 0 THEN
        remaining := 0;
        RETURN;
    END IF;
    FOR place IN 1 .. cardinality(counted) LOOP
        SELECT * INTO log FROM credits_ratelimit WHERE key = counted[place];
        log := credits_rate_now(log, span, moment);
        bucket := CASE WHEN at_most[place] > 60 THEN date_bin(span / 60, moment, 'epoch')
            ELSE moment END;
        IF log.moments[cardinality(log.moments)] = bucket THEN
            log.counts[cardinality(log.counts)] := log.counts[cardinality(log.counts)] + 1;
        ELSE
            log.moments := log.moments || bucket;
            log.counts := log.counts || 1;
        END IF;
        UPDATE credits_ratelimit
        SET moments = log.moments, counts = log.counts, uses = log.uses + 1
        WHERE key = counted[place];
    END LOOP;
END $$;
