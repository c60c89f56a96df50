"""CrewAI: its model, whole."""

import json
import os
import sys

os.environ.update(CREWAI_DISABLE_TELEMETRY="true", OTEL_SDK_DISABLED="true")
from crewai import LLM

task = json.loads(sys.argv[1])
llm = LLM(model="openai/obedient", base_url=task["url"], api_key=task["key"])
print(json.dumps({"whole": llm.call(task["hello"])}))
