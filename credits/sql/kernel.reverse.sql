DROP FUNCTION credits_balance(bigint);
DROP FUNCTION credits_set_expiry(text, timestamptz);
DROP FUNCTION credits_adjust(bigint, bigint, bigint, integer, text, text, jsonb);
DROP FUNCTION credits_grant(
    bigint, text, text, bigint, text, integer, timestamptz, jsonb, bigint, bigint
);
DROP FUNCTION credits_refund(bigint, bigint, text, text, jsonb);
DROP FUNCTION credits_deduct(
    bigint, text, text, bigint, integer, text, bigint, text, text, interval, jsonb
);
DROP FUNCTION credits_open_spend(bigint, text);
DROP FUNCTION credits_expire_due(integer), credits_sweep(integer);
DROP FUNCTION credits_sweep_account(bigint, timestamptz);
DROP FUNCTION credits_end_hold(bigint, integer, text, boolean, jsonb);
DROP FUNCTION credits_insert_refund(
    credits_usagehistory, bigint, bigint, text, boolean, text, jsonb
);
DROP FUNCTION credits_expire(bigint, bigint, timestamptz), credits_lock(bigint);
