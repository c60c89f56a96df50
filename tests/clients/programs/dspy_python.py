"""DSPy: a signature whose answer is JSON."""

import json
import sys

import dspy

task = json.loads(sys.argv[1])
lm = dspy.LM("openai/obedient", api_base=task["url"], api_key=task["key"], cache=False)
dspy.configure(lm=lm)
print(json.dumps({"whole": lm(task["hello"])[0]}))
