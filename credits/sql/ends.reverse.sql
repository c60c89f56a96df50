DROP FUNCTION credits_set_expiry(text, timestamptz);
DROP FUNCTION credits_expire_due(integer), credits_sweep(integer);
DROP FUNCTION credits_sweep_account(bigint, timestamptz, integer);
DROP FUNCTION credits_end_hold(bigint, integer, text, boolean, jsonb);
DROP FUNCTION credits_insert_refund(
    credits_usagehistory, bigint, bigint, text, boolean, text, jsonb
);
DROP FUNCTION credits_expire(bigint, timestamptz, integer, bigint);
