"""The standard suites that LangChain writes for every model, run by pytest in its environment."""

import json
import os
from pathlib import Path

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

TASK = json.loads(Path(os.environ["TASK"]).read_text())
PLACE = {"base_url": TASK["url"], "api_key": TASK["key"]}


class TestChat(ChatModelIntegrationTests):
    chat_model_class = ChatOpenAI
    chat_model_params = {"model": "obedient", "stream_usage": True, **PLACE}
    model_override_value = "openai/text"
    supports_json_mode = True
    structured_output_kwargs = {"method": "json_schema"}


class TestResponses(TestChat):
    chat_model_params = {**TestChat.chat_model_params, "use_responses_api": True}
    structured_output_kwargs = {}


class TestEmbeddings(EmbeddingsIntegrationTests):
    embeddings_class = OpenAIEmbeddings
    embedding_model_params = {"model": "embedder", "check_embedding_ctx_length": False, **PLACE}
