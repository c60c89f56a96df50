DROP FUNCTION credits_adjust(bigint, bigint, bigint, integer, text, text, jsonb);
DROP FUNCTION credits_grant(
    bigint, text, text, bigint, text, integer, timestamptz, jsonb, bigint, bigint
);
DROP FUNCTION credits_refund(bigint, bigint, text, text, jsonb);
DROP FUNCTION credits_deduct(
    bigint, bigint, bigint, text, text, bigint, integer, text, bigint, text, text, interval, jsonb,
    integer
);
DROP FUNCTION credits_open_spend(
    bigint, bigint, bigint, text, integer, text, text, text, integer
);
DROP FUNCTION credits_lock(bigint);
