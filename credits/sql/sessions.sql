-- Who is asking: the session of a cookie with its user, and the version of that user's meter, in one
-- round trip with its plans cached (docs/performance.md). It is the first thing of every request, and
-- all that the poll of an unchanged meter needs. `meter_version` is written as credits_balance()
-- writes it, with the price of `feature` behind it; NULL when credits are due to come or to expire.
-- A session ends `idle` after its last use and `longest` after its sign-in; `is_stale` says that its
-- last use, which is written at most every five minutes, is to be written now.
CREATE FUNCTION credits_session(
    cookie text, feature text, default_cost bigint, idle interval, longest interval,
    OUT session_data text, OUT is_stale boolean, OUT meter_version text, OUT person credits_user)
RETURNS SETOF record ROWS 1 LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY SELECT s.session_data, s.used_at < now() - interval '5 minutes',
        CASE WHEN NOT EXISTS (
            SELECT FROM credits_creditgrant g
            WHERE g.account_id = u.id AND NOT g.expired AND g.expires_at <= credits_now()
        ) AND (b.due_at <= credits_now()) IS NOT TRUE THEN concat_ws('.',
            format('%s.%s', b.last_usage_id,
                (SELECT count(*) FROM credits_hold h WHERE h.account_id = u.id)),
            CASE WHEN b.counted THEN
                (SELECT l.room FROM credits_limits_left(u.id, NULL, NULL, credits_now()) l) END,
            credits_price(feature, default_cost)) END,
        u
    FROM credits_session s
    LEFT JOIN credits_user u ON u.id = s.user_id
    LEFT JOIN credits_creditbalance b ON b.account_id = u.id
    WHERE s.session_key = cookie AND s.expire_date > now()
        AND s.used_at > now() - idle AND s.created_at > now() - longest;
END $$;
