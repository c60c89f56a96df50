-- What chats are searched by: a row of ai_chat_searchentry for each title, ended turn and image request
-- of a conversation that is not temporary (ai_chat/conversations/words.py has the same rules for words).

-- A text as its words, each between blanks: without accents and case. Ideographs, kana and emoji are words
-- each by itself, as nothing stands between them in a text.
CREATE FUNCTION ai_chat_fold(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(
    regexp_replace(
        replace(replace(replace(translate(
            regexp_replace(
                lower(normalize(words, NFKD)),
                '[\u00AD\u0300-\u036F\u0483-\u0489\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A\u0640\u064B-\u065F\u0670\u06D6-\u06DC\u06DF-\u06E4\u06E7\u06E8\u06EA-\u06ED\u1AB0-\u1AFF\u1DC0-\u1DFF\u200C\u200D\u2060\u20D0-\u20FF\u3099\u309A\uFE00-\uFE0F\uFE20-\uFE2F\uFEFF]+',
                '', 'g'),
            'ςøłđıħŧ', 'σoldiht'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'),
        '[^a-z0-9\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u0588\u058A-\u05BD\u05BF\u05C1\u05C2\u05C4-\u060B\u060D-\u061A\u061C\u061D\u0620-\u0669\u066E-\u06D3\u06D5-\u0963\u0966-\u1360\u1369-\u167F\u1681-\u1FFF\u2070-\u218F\u2400-\u24FF\u2600-\u2DFF\u2E80-\u2FFF\u3040-\u30FA\u30FC-\uFFFB\U00010000-\U0010FFFF]+',
        ' ', 'g'),
    '([\u2600-\u27BF\u3040-\u30FF\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\U0001F000-\U0001FAFF\U00020000-\U0003FFFF])',
    ' \1 ', 'g');

-- The words of a text, each behind its owner's id: an index bounds every search to one owner's words, also
-- that for the beginning of a word. It fails for no text: what is too long is cut.
CREATE FUNCTION ai_chat_vector(owner bigint, words text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN array_to_tsvector(ARRAY(
    SELECT owner || ' ' || left(w.word, 60)
    FROM unnest(string_to_array(left(ai_chat_fold(left(words, 150000)), 180000), ' ')) w (word)
    WHERE w.word <> ''
));

-- Writes the row of a title (`is_title`), or of an entry.
CREATE FUNCTION ai_chat_index(owner bigint, conversation uuid, entry uuid, is_title boolean,
    created_at timestamptz, words text) RETURNS void
LANGUAGE sql
AS $$
    INSERT INTO ai_chat_searchentry AS e (entry, user_id, conversation_id, is_title, created_at, vector)
    SELECT entry, owner, conversation, is_title::integer, ai_chat_index.created_at, ai_chat_vector(owner, words)
    FROM ai_chat_conversation c WHERE c.id = conversation AND c.expires_at IS NULL
    ON CONFLICT (entry) DO UPDATE SET vector = excluded.vector
$$;

-- What is searched of a turn: question, answer, and the names of its files.
CREATE FUNCTION ai_chat_words_of(turn ai_chat_turn) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT concat_ws(' ', turn.prompt, turn.answer, (
        SELECT string_agg(a.name, ' ') FROM ai_chat_attachment a WHERE a.id = ANY(turn.attachments)
    ))
$$;

-- All of them of a conversation.
CREATE FUNCTION ai_chat_index_all(conversation uuid) RETURNS void
LANGUAGE sql
AS $$
    SELECT ai_chat_index(c.user_id, c.id, c.id, true, c.created_at, c.title)
    FROM ai_chat_conversation c WHERE c.id = conversation;
    SELECT ai_chat_index(t.user_id, conversation, t.id, false, t.created_at, ai_chat_words_of(t))
    FROM ai_chat_turn t WHERE t.conversation_id = conversation AND t.state <> 'running';
    SELECT ai_chat_index(i.user_id, conversation, i.id, false, i.created_at, i.prompt)
    FROM ai_chat_imagerequest i WHERE i.conversation_id = conversation AND i.state <> 'running'
$$;

CREATE FUNCTION ai_chat_index_turn() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM ai_chat_index(NEW.user_id, NEW.conversation_id, NEW.id, false, NEW.created_at, ai_chat_words_of(NEW));
    RETURN NULL;
END $$;

CREATE FUNCTION ai_chat_index_images() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM ai_chat_index(NEW.user_id, NEW.conversation_id, NEW.id, false, NEW.created_at, NEW.prompt);
    RETURN NULL;
END $$;

CREATE FUNCTION ai_chat_index_title() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM ai_chat_index(NEW.user_id, NEW.id, NEW.id, true, NEW.created_at, NEW.title);
    RETURN NULL;
END $$;

-- A temporary conversation that is kept.
CREATE FUNCTION ai_chat_index_kept() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM ai_chat_index_all(NEW.id);
    RETURN NULL;
END $$;

-- An entry that is deleted, or is no entry of a conversation any more.
CREATE FUNCTION ai_chat_unindex() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM ai_chat_searchentry e WHERE e.entry = OLD.id;
    RETURN NULL;
END $$;

-- A job is changed twice as it ends: its state, then what it made. Both are seen.
CREATE TRIGGER index_imported AFTER INSERT ON ai_chat_turn
FOR EACH ROW WHEN (NEW.state <> 'running') EXECUTE FUNCTION ai_chat_index_turn();

CREATE TRIGGER index_ended AFTER UPDATE OF state ON ai_chat_turn
FOR EACH ROW WHEN (OLD.state = 'running' AND NEW.state <> 'running') EXECUTE FUNCTION ai_chat_index_turn();

CREATE TRIGGER index_answer AFTER UPDATE OF answer ON ai_chat_turn
FOR EACH ROW WHEN (NEW.state <> 'running' AND OLD.answer <> NEW.answer) EXECUTE FUNCTION ai_chat_index_turn();

CREATE TRIGGER unindex AFTER DELETE ON ai_chat_turn
FOR EACH ROW EXECUTE FUNCTION ai_chat_unindex();

CREATE TRIGGER index_ended AFTER UPDATE OF state ON ai_chat_imagerequest
FOR EACH ROW WHEN (OLD.state = 'running' AND NEW.state <> 'running' AND NEW.conversation_id IS NOT NULL)
EXECUTE FUNCTION ai_chat_index_images();

CREATE TRIGGER index_made AFTER INSERT ON ai_chat_imagerequest
FOR EACH ROW WHEN (NEW.state <> 'running' AND NEW.conversation_id IS NOT NULL)
EXECUTE FUNCTION ai_chat_index_images();

CREATE TRIGGER unindex AFTER DELETE ON ai_chat_imagerequest
FOR EACH ROW WHEN (OLD.conversation_id IS NOT NULL) EXECUTE FUNCTION ai_chat_unindex();

CREATE TRIGGER unindex_left AFTER UPDATE OF conversation_id ON ai_chat_imagerequest
FOR EACH ROW WHEN (OLD.conversation_id IS NOT NULL AND NEW.conversation_id IS NULL)
EXECUTE FUNCTION ai_chat_unindex();

CREATE TRIGGER index_title AFTER INSERT ON ai_chat_conversation
FOR EACH ROW WHEN (NEW.expires_at IS NULL) EXECUTE FUNCTION ai_chat_index_title();

CREATE TRIGGER index_new_title AFTER UPDATE OF title ON ai_chat_conversation
FOR EACH ROW WHEN (OLD.title <> NEW.title) EXECUTE FUNCTION ai_chat_index_title();

CREATE TRIGGER index_kept AFTER UPDATE OF expires_at ON ai_chat_conversation
FOR EACH ROW WHEN (OLD.expires_at IS NOT NULL AND NEW.expires_at IS NULL)
EXECUTE FUNCTION ai_chat_index_kept();
