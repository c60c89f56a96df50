-- What limits count, without a write-ahead log: a crash may forget who did what in the last minute,
-- and a paid request waits for one flush to the disk instead of two.
ALTER TABLE credits_ratelimit SET UNLOGGED;

-- Limits of how often something may be done: at most so often in any span of time. One row per key
-- holds the moments of the uses that were let through. A refused use is not written, so waiting
-- helps. Whoever finds the row locked waits, and then counts anew. Returns 0, or the seconds until
-- there is room again: then the use was not counted.
CREATE FUNCTION credits_take(counted text, at_most integer, span interval) RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    oldest timestamptz;
BEGIN
    INSERT INTO credits_ratelimit AS log (key, moments) VALUES (counted, ARRAY[credits_now()])
    ON CONFLICT (key) DO UPDATE SET moments = ARRAY(
        SELECT m FROM unnest(log.moments) m WHERE m > EXCLUDED.moments[1] - span
    ) || EXCLUDED.moments
    WHERE at_most > (SELECT count(*) FROM unnest(log.moments) m WHERE m > EXCLUDED.moments[1] - span);
    IF FOUND THEN
        RETURN 0;
    END IF;
    -- The oldest of the moments that fill the limit: when it has left the span there is room again.
    SELECT m INTO oldest FROM credits_ratelimit r, unnest(r.moments) m
    WHERE r.key = counted ORDER BY m DESC OFFSET at_most - 1 LIMIT 1;
    RETURN greatest(1, coalesce(ceil(extract(epoch FROM oldest + span - credits_now())), 1));
END $$;
