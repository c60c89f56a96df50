DROP FUNCTION credits_set_due(bigint, timestamptz, interval);
DROP FUNCTION credits_is_due(bigint);
DROP FUNCTION credits_set_plan(
    bigint, bigint, timestamptz, bigint, bigint, integer, text, text, jsonb
);
