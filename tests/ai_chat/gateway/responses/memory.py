"""Items that are kept nowhere but in a test."""

from ai_chat.gateway.responses.fields import Fields, InvalidParameter
from ai_chat.gateway.responses.incoming import Item

CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "Rain."}
USER = {"role": "user", "content": "Hello"}


class Memory:
    """Items of earlier calls: by their ids, and those of one response."""

    def __init__(self, items: dict[str, Item] | None = None) -> None:
        self.known = items or {}

    def items(self, references: list[Fields]) -> list[Item]:
        try:
            return [self.known[item.need("id", str)] for item in references]
        except KeyError:
            raise InvalidParameter(references[0].param("id"), "Unknown.", "not_found") from None

    def conversation(self, response_id: str) -> list[Item]:
        if response_id != "resp_1":
            raise InvalidParameter("previous_response_id", "Unknown.", "not_found")
        return list(self.known.values())
