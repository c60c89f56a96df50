-- "Is the meter still right?", asked every 30 seconds by every open page: what is needed to check the
-- session and to compare versions, in one round trip with its plans cached. Three queries of the
-- usual kind cost four times as much (docs/performance.md). No row: find out the long way, also when
-- credits are due to expire. `version` is written as credits_balance() writes it.
CREATE FUNCTION credits_standing(cookie text, owner bigint, feature text, default_cost bigint,
    OUT session_data text, OUT password text, OUT version text, OUT price bigint)
RETURNS SETOF record ROWS 1 LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY SELECT s.session_data, u.password::text, format('%s.%s', b.last_usage_id,
            (SELECT count(*) FROM credits_hold h WHERE h.account_id = u.id)),
        credits_price(feature, default_cost)
    FROM django_session s
    JOIN credits_user u ON u.id = owner AND u.is_active
    LEFT JOIN credits_creditbalance b ON b.account_id = u.id
    WHERE s.session_key = cookie AND s.expire_date > now()
        AND NOT EXISTS (
            SELECT FROM credits_creditgrant g
            WHERE g.account_id = u.id AND NOT g.expired AND g.expires_at <= credits_now()
        );
END $$;
