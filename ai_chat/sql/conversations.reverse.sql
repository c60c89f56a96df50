DROP TRIGGER close_gap ON ai_chat_imagerequest;
DROP FUNCTION ai_chat_close_gap, ai_chat_last_after, ai_chat_entries, ai_chat_path, ai_chat_entry;
