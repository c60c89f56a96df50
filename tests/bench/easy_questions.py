"""How many of 20 easy questions the demo's model answers right: as the local provider asks it, and
as it would answer without instructions."""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx

from tests.bench.answers import provider
from tests.bench.measure import row

QUESTIONS: dict[str, list[str]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
)
MAX_TOKENS = 40
#: What the model's own template says where a conversation has no system message.
OWN_INSTRUCTIONS = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


def bench_easy_questions(_: Path) -> None:
    total = len(QUESTIONS)
    own: dict[str, Any] = {"role": "system", "content": OWN_INSTRUCTIONS}
    with provider([sys.executable, "manage.py", "local_provider"]) as base_url:
        note = "the local provider's instructions, temperature 0"
        row(f"easy questions of {total} right", right_answers(base_url, []), "≥ 17", note)
        for temperature in (0, 0.3):
            note = f"the model's own instructions, temperature {temperature}"
            figure = right_answers(base_url, [own], temperature=temperature)
            row(f"easy questions of {total} right", figure, "", note)


def right_answers(base_url: str, instructions: list[dict[str, Any]], **options: float) -> int:
    """How many questions a call of the endpoint with these options answers right."""
    right = 0
    for question, words in QUESTIONS.items():
        body = {
            "model": "smollm2-135m",
            "messages": [*instructions, {"role": "user", "content": question}],
            "max_tokens": MAX_TOKENS,
            **options,
        }
        answer = httpx.post(
            f"{base_url}/v1/chat/completions", json=body, timeout=60, trust_env=False
        )
        right += is_right(answer.json()["choices"][0]["message"]["content"], words)
    return right


def is_right(text: str, words: list[str]) -> bool:
    """Whether the first sentence holds one of the words, in whatever case."""
    first = re.split(r"(?<=[.!?])\s|\n", text.strip())[0]
    return any(
        re.search(rf"(?<!\w){re.escape(word)}(?!\w)", first, re.IGNORECASE) for word in words
    )
