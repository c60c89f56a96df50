DROP FUNCTION credits_close_day(date, text []);
DROP FUNCTION credits_next_day();
DROP FUNCTION credits_writers();
DROP FUNCTION credits_use_slices(timestamptz, timestamptz);
DROP FUNCTION credits_slices(timestamptz, timestamptz);
DROP FUNCTION credits_facts(timestamptz, timestamptz);
