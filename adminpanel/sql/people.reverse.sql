DROP INDEX adminpanel_person_words;
DROP FUNCTION adminpanel_person_query(text);
DROP FUNCTION adminpanel_person(text, text);
