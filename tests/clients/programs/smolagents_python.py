"""smolagents: an agent that calls tools until it has its answer."""

import json
import sys

from smolagents import OpenAIModel, ToolCallingAgent, tool

task = json.loads(sys.argv[1])


@tool
def add(a: int, b: int) -> str:
    """Adds.

    Args:
        a: One number.
        b: Another one.
    """
    return str(a + b)


model = OpenAIModel("obedient", api_base=task["url"], api_key=task["key"])
agent = ToolCallingAgent(tools=[add], model=model, verbosity_level=0)
# It sends what tools said as the user's words, so that one call is what a script can ask for.
print(json.dumps({"ended": agent.run('[[call final_answer {"answer": "It is over."}]]')}))
