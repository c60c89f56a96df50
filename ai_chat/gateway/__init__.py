"""`/v1`: the API that clients of OpenAI and Anthropic speak, entered by API key alone. A call is
reserved, sent to the provider and settled by the tokens that it used."""
