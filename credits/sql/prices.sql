-- Prices: what an admin set for a feature, else the default.

CREATE FUNCTION credits_feature_costs_valid(costs jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN jsonb_typeof(costs) <> 'object' THEN false ELSE NOT EXISTS (
        SELECT FROM jsonb_each(costs) AS cost
        WHERE CASE
            WHEN jsonb_typeof(cost.value) <> 'number' THEN true
            ELSE cost.value::numeric NOT BETWEEN 0 AND 1000000
                OR cost.value::numeric <> trunc(cost.value::numeric)
        END
    ) END
$$;

ALTER TABLE credits_adminsettings
    ADD CONSTRAINT feature_costs_valid CHECK (credits_feature_costs_valid(feature_costs));

-- Credits per unit of a feature, as they hold now: the only place where this is decided.
CREATE FUNCTION credits_price(feature text, default_cost bigint) RETURNS bigint
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    cost bigint;
BEGIN
    SELECT (s.feature_costs ->> feature)::numeric::bigint INTO cost
    FROM credits_adminsettings s WHERE s.id = 1;
    RETURN coalesce(cost, default_cost);
END $$;

-- The same for a unit from a model: its price factor times as much. Null for a model that is not
-- offered for the feature.
CREATE FUNCTION credits_model_price(feature text, default_cost bigint, model text) RETURNS bigint
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    cost bigint := credits_price(feature, default_cost);
BEGIN
    IF model IS NOT NULL THEN
        SELECT cost * m.price_factor INTO cost FROM credits_aimodel m
        WHERE m.name = model AND m.feature = credits_model_price.feature
            AND m.active AND NOT m.unreachable;
    END IF;
    RETURN cost;
END $$;

-- The price of a model by tokens at a moment: no row when it has none. In SQL, so that it becomes a
-- part of the statements that join it.
CREATE FUNCTION credits_price_now(wanted bigint, moment timestamptz)
RETURNS SETOF credits_tokenprice ROWS 1 LANGUAGE sql STABLE
AS $$
    SELECT latest.* FROM (
        SELECT * FROM credits_tokenprice p
        WHERE p.model_id = wanted AND p.valid_from <= moment
        ORDER BY p.valid_from DESC, p.id DESC LIMIT 1
    ) latest
    WHERE latest.input IS NOT NULL
$$;

-- Whether a model has a price by tokens at a moment; a model costs one or the other.
CREATE FUNCTION credits_is_by_tokens(model text, moment timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM credits_aimodel m CROSS JOIN credits_price_now(m.id, moment)
        WHERE m.name = model);
END $$;

-- The catalogue has changed: its version is another then.
CREATE FUNCTION credits_catalogue_changed() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO credits_catalogueversion (id, version) VALUES (1, gen_random_uuid())
    ON CONFLICT (id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$;

CREATE TRIGGER catalogue_models AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON credits_aimodel
FOR EACH STATEMENT EXECUTE FUNCTION credits_catalogue_changed();
CREATE TRIGGER catalogue_providers AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON credits_provider
FOR EACH STATEMENT EXECUTE FUNCTION credits_catalogue_changed();
