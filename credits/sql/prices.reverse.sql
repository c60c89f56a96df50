DROP TRIGGER catalogue_providers ON credits_provider;
DROP TRIGGER catalogue_models ON credits_aimodel;
DROP FUNCTION credits_catalogue_changed();
DROP FUNCTION credits_is_by_tokens(text, timestamptz);
DROP FUNCTION credits_price_now(bigint, timestamptz);
DROP FUNCTION credits_model_price;
DROP FUNCTION credits_price(text, bigint);
ALTER TABLE credits_adminsettings DROP CONSTRAINT feature_costs_valid;
DROP FUNCTION credits_feature_costs_valid(jsonb);
