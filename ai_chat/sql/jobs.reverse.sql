DROP FUNCTION ai_chat_end;
ALTER TABLE ai_chat_apicall RESET (fillfactor);
DROP FUNCTION ai_chat_record_call(bigint, bigint, jsonb);
DROP FUNCTION ai_chat_record_images(bigint, bigint, jsonb);
DROP FUNCTION ai_chat_record_turn(bigint, bigint, jsonb);
DROP FUNCTION ai_chat_place(bigint, jsonb);
DROP FUNCTION ai_chat_start, ai_chat_is_answering;
