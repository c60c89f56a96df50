DROP FUNCTION credits_returned_later(bigint, bigint, bigint), credits_edge(bigint, timestamptz), credits_balance(bigint);
