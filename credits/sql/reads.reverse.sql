DROP FUNCTION credits_edge(bigint, timestamptz), credits_balance(bigint);
