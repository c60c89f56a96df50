DROP FUNCTION credits_standing(text, bigint, text, bigint);
