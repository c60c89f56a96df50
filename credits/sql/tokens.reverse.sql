DROP FUNCTION credits_settle_use(
    bigint, bigint, bigint, bigint, bigint, bigint, text, text[], text, boolean, jsonb
);
DROP FUNCTION credits_quote(
    bigint, bigint, bigint, text, text, bigint, bigint, bigint, boolean, integer, bigint, bigint,
    bigint, boolean
);
DROP FUNCTION credits_usual_share(bigint, bigint);
DROP FUNCTION credits_reserve(
    bigint, bigint, bigint, text, text, text, bigint, bigint, bigint, boolean, integer, bigint, bigint,
    text, text, interval, jsonb, integer
);
DROP FUNCTION credits_terms(
    bigint, bigint, bigint, text, text, bigint, bigint, bigint, boolean, integer, bigint, bigint,
    bigint, boolean, timestamptz
);
DROP TRIGGER i10_no_truncate ON credits_paidahead;
DROP TRIGGER i10_paid_ahead_by_uses_only ON credits_paidahead;
DROP TRIGGER i8_use_no_truncate ON credits_use;
DROP TRIGGER i8_use_append_only ON credits_use;
DROP TRIGGER i8_price_not_backdated ON credits_tokenprice;
DROP TRIGGER i8_price_no_truncate ON credits_tokenprice;
DROP TRIGGER i8_price_append_only ON credits_tokenprice;
DROP FUNCTION credits_post_use() CASCADE;
DROP FUNCTION credits_provider_cost(credits_tokenprice, credits_use);
DROP FUNCTION credits_cost(credits_tokenprice, credits_use);
