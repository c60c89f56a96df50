-- Finding people by the beginnings of words in their e-mail and name, in any order. Words are lexemes
-- as they stand: no dictionary and no parser, which would take `1e5` for a number.
-- PL/pgSQL, so that no planner inlines it and takes a million calls for cheap. Nothing but pg_catalog
-- inside: an index is built and restored with no other schema in sight.
CREATE FUNCTION adminpanel_person(email text, name text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10000 AS $$
BEGIN
    RETURN array_to_tsvector(array_remove(string_to_array(translate(
        lower(coalesce(email, '') || ' ' || name),
        '@.,;:+-_/\()[]{}<>"''`~!#$%^&*=?|', repeat(' ', 32)), ' '), ''));
END $$;

-- Every word must begin a word of the person; NULL when there is none, which finds nobody. Both sides
-- go through the same function, so whatever the database's locale makes of a letter, they meet.
CREATE FUNCTION adminpanel_person_query(search text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT string_agg(quote_literal(word) || ':*', ' & ')::tsquery
        FROM unnest(tsvector_to_array(adminpanel_person(NULL, search))) word);

CREATE INDEX adminpanel_person_words ON credits_user USING gin (adminpanel_person(email, name));
