-- Entries of conversations are turns and image requests: a tree by `parent` (ai_chat/models/conversations.py).

-- An entry of a conversation, if it is one.
CREATE FUNCTION ai_chat_entry(conversation uuid, entry uuid)
RETURNS TABLE (id uuid, parent uuid, created_at timestamptz)
LANGUAGE sql STABLE
AS $$
    SELECT t.id, t.parent, t.created_at FROM ai_chat_turn t
    WHERE t.id = entry AND t.conversation_id = conversation
    UNION ALL
    SELECT i.id, i.parent, i.created_at FROM ai_chat_imagerequest i
    WHERE i.id = entry AND i.conversation_id = conversation
$$;

-- The path of a conversation that ends with the entry `last`, at most `most` entries of it, from its end:
-- `depth` counts from 1.
CREATE FUNCTION ai_chat_path(conversation uuid, last uuid, most integer)
RETURNS TABLE (id uuid, parent uuid, depth integer)
LANGUAGE sql STABLE
AS $$
    WITH RECURSIVE path (id, parent, depth) AS (
        SELECT e.id, e.parent, 1 FROM ai_chat_entry(conversation, last) e
        UNION ALL
        SELECT e.id, e.parent, p.depth + 1
        FROM path p CROSS JOIN LATERAL ai_chat_entry(conversation, p.parent) e
        WHERE p.depth < most
    )
    SELECT p.id, p.parent, p.depth FROM path p
$$;

-- All entries of a conversation, read once.
CREATE FUNCTION ai_chat_entries(conversation uuid)
RETURNS TABLE (id uuid, parent uuid, created_at timestamptz)
LANGUAGE sql STABLE
AS $$
    SELECT t.id, t.parent, t.created_at FROM ai_chat_turn t WHERE t.conversation_id = conversation
    UNION ALL
    SELECT i.id, i.parent, i.created_at FROM ai_chat_imagerequest i WHERE i.conversation_id = conversation
$$;

-- The end of the path that goes on from an entry (NULL: from the beginning), always with the latest version.
-- The conversation is read once: there is no index by parent, which each message would have to write.
CREATE FUNCTION ai_chat_last_after(conversation uuid, entry uuid) RETURNS uuid
LANGUAGE sql STABLE
AS $$
    -- Of several with one parent the last one stays.
    WITH RECURSIVE latest (next) AS MATERIALIZED (
        SELECT jsonb_object_agg(coalesce(e.parent::text, ''), e.id ORDER BY e.created_at, e.id)
        FROM ai_chat_entries(conversation) e
    ), path (id, depth) AS (
        SELECT entry, 1
        UNION ALL
        SELECT (l.next ->> coalesce(p.id::text, ''))::uuid, p.depth + 1
        FROM path p CROSS JOIN latest l WHERE l.next ? coalesce(p.id::text, '')
    )
    SELECT p.id FROM path p ORDER BY p.depth DESC LIMIT 1
$$;

-- What came after an image request that is deleted comes after what was before it. A message that goes in
-- after it at this moment is waited for (`ai_chat_place` has the lock).
CREATE FUNCTION ai_chat_close_gap() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM FROM ai_chat_conversation c WHERE c.id = OLD.conversation_id FOR UPDATE;
    UPDATE ai_chat_turn SET parent = OLD.parent
    WHERE conversation_id = OLD.conversation_id AND parent = OLD.id;
    UPDATE ai_chat_imagerequest SET parent = OLD.parent
    WHERE conversation_id = OLD.conversation_id AND parent = OLD.id;
    UPDATE ai_chat_conversation SET current = coalesce(ai_chat_last_after(id, OLD.parent), OLD.parent)
    WHERE id = OLD.conversation_id AND current = OLD.id;
    RETURN NULL;
END $$;

CREATE TRIGGER close_gap AFTER DELETE ON ai_chat_imagerequest
FOR EACH ROW WHEN (OLD.conversation_id IS NOT NULL) EXECUTE FUNCTION ai_chat_close_gap();
