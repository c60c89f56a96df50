"""OpenAI's Responses API on top of chat completions: bodies are translated, answers are sent as
events, and items are kept for `item_reference` and `previous_response_id`."""
