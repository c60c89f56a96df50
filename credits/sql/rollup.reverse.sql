DROP FUNCTION credits_close_day(date, xid8);
DROP FUNCTION credits_next_day();
DROP FUNCTION credits_use_slices(timestamptz, timestamptz);
DROP FUNCTION credits_slices(timestamptz, timestamptz);
DROP FUNCTION credits_facts(timestamptz, timestamptz);
