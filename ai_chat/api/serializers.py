"""The shapes of chats in JSON, as the AI SDK sends them. Members we do not use are ignored: clients
send their whole state."""

from typing import Any, Literal

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from ai_chat.conversations.instructions import MAX_CHARACTERS
from ai_chat.conversations.presets import MAX_TEMPERATURE
from ai_chat.models import Turn
from credits.api.fields import (
    MAX_ID,
    BoundedList,
    Text,
    WholeNumber,
)
from credits.api.serializers import PricingField, UseFields
from credits.kernel import MAX_AMOUNT
from credits.models import AIModel

#: Parts of a message that hold nothing for the model; `useChat` sends back what it received.
SILENT = r"^(step-start|reasoning|source-url|source-document|dynamic-tool|(tool|data)-.{1,100})$"
MAX_MESSAGES = 1000
MAX_PARTS = 200
MAX_ALL_PARTS = 10_000
MAX_ATTACHMENTS = 20


class Number(serializers.FloatField):
    """A JSON number; no bool, no string."""

    def to_internal_value(self, data: Any) -> float:
        if type(data) not in {int, float}:
            self.fail("invalid")
        return super().to_internal_value(data)


class TextPart(serializers.Serializer[Any]):
    type = serializers.ChoiceField(["text"])
    text = Text(allow_blank=True)


class FilePart(serializers.Serializer[Any]):
    """In the newest message: a data: URL (base64), or the `url` of a file that was uploaded to
    `POST /api/files`. Pictures go to models that read `image`, the text of other files to every
    model; other addresses are never fetched. It is kept with the message, and sent with later ones.
    In earlier messages it is passed on by name."""

    type = serializers.ChoiceField(["file"])
    mediaType = Text(max_length=200)
    url = Text()
    filename = Text(required=False, allow_blank=True, max_length=500)


class SilentPart(serializers.Serializer[Any]):
    """Part of an earlier answer that is not sent to the model."""

    type = serializers.RegexField(SILENT)


PARTS: dict[object, type[serializers.Serializer[Any]]] = {"text": TextPart, "file": FilePart}


@extend_schema_field(
    PolymorphicProxySerializer(
        component_name="MessagePart",
        serializers=[TextPart, FilePart, SilentPart],
        resource_type_field_name=None,
    )
)
class Part(serializers.Field[Any, Any, Any, Any]):
    """One part of a message, by its type."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # A serializer is dear to make, and a body may have thousands of parts.
        self._kinds = {kind: serializer() for kind, serializer in PARTS.items()}
        self._silent = SilentPart()

    def to_internal_value(self, data: Any) -> Any:
        kind = data.get("type") if isinstance(data, dict) else None
        if not isinstance(kind, str):
            raise serializers.ValidationError("Must be an object with a `type`.")
        return self._kinds.get(kind, self._silent).run_validation(data)


class MessageIn(serializers.Serializer[Any]):
    id = Text(required=False, allow_blank=True, max_length=200)
    role = serializers.ChoiceField(["system", "user", "assistant"])
    parts = BoundedList(child=Part(), max_length=MAX_PARTS)


class Messages(BoundedList):
    """At most MAX_MESSAGES, with MAX_ALL_PARTS together: counted before they are judged."""

    child = MessageIn()

    def to_internal_value(self, data: Any) -> list[Any]:
        messages = data if isinstance(data, list) else []
        parts = [each.get("parts") for each in messages if isinstance(each, dict)]
        if sum(len(each) for each in parts if isinstance(each, list)) > MAX_ALL_PARTS:
            sentence = f"All messages together have at most {MAX_ALL_PARTS:,} parts."
            raise serializers.ValidationError(sentence)
        return super().to_internal_value(data)


class Attachment(serializers.Serializer[Any]):
    """A file that was uploaded, by its `id`. Or one by its `url`: passed on by name and address,
    and with its content where that is a data: URL of what the model can be given; never fetched.
    Either name that clients use is taken."""

    id = serializers.UUIDField(required=False, help_text="Of `POST /api/files`.")
    url = Text(required=False)
    name = Text(required=False, allow_blank=True, max_length=500)
    filename = Text(required=False, allow_blank=True, max_length=500, help_text="As `name`.")
    contentType = Text(required=False, allow_blank=True, max_length=200)
    mediaType = Text(
        required=False, allow_blank=True, max_length=200, help_text="As `contentType`."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "id" not in attrs and "url" not in attrs:
            raise serializers.ValidationError({"url": "Give its `id` or its `url`."})
        return attrs


def model_field() -> Text:
    return Text(
        required=False,
        default="",
        max_length=120,
        help_text="One of `GET /api/ai/models`; the first of its kind unless given.",
    )


def max_unit_cost_field(unit: str) -> WholeNumber:
    return WholeNumber(
        required=False,
        min_value=0,
        max_value=MAX_AMOUNT,
        help_text=f"Credits that one {unit} may cost; when it costs more by now the answer is 409 "
        "`price_changed`, and nothing is charged.",
    )


class ChatIn(serializers.Serializer[Any]):
    """What the AI SDK's `DefaultChatTransport` posts."""

    id = Text(
        required=False,
        max_length=200,
        help_text="The client's id of the chat: messages with the same id are one conversation. "
        "Or the `conversationId` of one.",
    )
    messages = Messages(
        min_length=1,
        max_length=MAX_MESSAGES,
        help_text="Oldest first; the last message is the user's and alone is needed in a chat that "
        "is known by its `id`: then what is stored here is what the model is sent, besides system "
        "messages.",
    )
    model = model_field()
    temperature = Number(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_TEMPERATURE,
        help_text="Of this answer; the chat's unless given, else the preset's, else the model's.",
    )
    instructions = Text(
        required=False,
        allow_blank=True,
        max_length=MAX_CHARACTERS,
        help_text="What the models of the chat that this message begins are told first, after the "
        "site's house rule, the account's instructions and the preset's. Without effect in a chat "
        "that is known.",
    )
    preset = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text="The preset that the chat begins with: one's own, or a published one. Its model "
        "is not chosen by it.",
    )
    attachments = BoundedList(
        child=Attachment(), required=False, allow_null=True, max_length=MAX_ATTACHMENTS
    )
    trigger = serializers.ChoiceField(
        ["submit-message", "regenerate-message"],
        required=False,
        help_text="Either is a new answer with a charge of its own; `regenerate-message` answers "
        "an earlier message anew: another version, beside which the earlier one stays.",
    )
    messageId = Text(
        required=False,
        allow_null=True,
        max_length=200,
        help_text="With `regenerate-message` the answer to regenerate; the latest to the same "
        "message unless given. Else the message that this one replaces: it becomes another version "
        "of what followed the last answer before it in `messages`.",
    )
    maxUnitCost = max_unit_cost_field("message")
    priceVersion = WholeNumber(
        required=False,
        min_value=1,
        max_value=MAX_ID,
        help_text="The price by tokens that was read; when another one holds by now the answer is "
        "409 `price_changed`, and nothing is charged.",
    )
    onDisconnect = serializers.ChoiceField(
        ["stop", "continue"],
        default="stop",
        help_text="What closing the stream does: the answer is stopped, or finished and kept.",
    )

    def validate_messages(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if messages[-1]["role"] != "user":
            raise serializers.ValidationError("The last message must be the user's.")
        return messages


class TextOrNull(serializers.CharField):
    """Null where there is none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_null=True, **options)

    def to_representation(self, value: Any) -> Any:
        return str(value) or None


class ReceiptOut(UseFields):
    """Where the charge stands in `GET /api/credits/usage`, and what was used of one by tokens."""

    usageId = serializers.IntegerField(source="charge_id", help_text="The row of the charge.")
    refundId = serializers.IntegerField(
        source="refund_id", allow_null=True, help_text="The row of its refund."
    )
    refunded = serializers.IntegerField(
        help_text="Credits that came back; of a charge by tokens also what was not used."
    )
    reason = TextOrNull(source="failure", help_text="Why they came back.")
    priceVersion = serializers.IntegerField(
        source="charge.price_id", allow_null=True, help_text="The price by tokens of the charge."
    )


class AnswerPart(serializers.Serializer[Any]):
    type = serializers.ChoiceField(["text"])
    text = serializers.CharField()


class AnswerMessage(serializers.Serializer[Any]):
    id = serializers.CharField()
    role = serializers.ChoiceField(["assistant"])
    parts = AnswerPart(many=True)


class ChatOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    conversationId = serializers.UUIDField()
    model = serializers.CharField()
    answeredBy = serializers.CharField(
        allow_null=True, help_text="The model that took over because this one's provider was down."
    )
    message = AnswerMessage()
    text = serializers.CharField()
    reasoning = serializers.CharField(
        allow_null=True, help_text="What the model thought before it answered."
    )
    outcome = serializers.ChoiceField(["answered", "stopped"])
    finishReason = serializers.ChoiceField(["stop", "length", "other"])
    cut = serializers.ChoiceField(
        Turn.Cut.choices, allow_null=True, help_text="The limit that cut an answer short."
    )
    reasoningSeconds = serializers.FloatField(
        allow_null=True,
        help_text="Seconds from the first thought to the first word; null where none was shown.",
    )
    creditsCharged = serializers.IntegerField()
    creditsRemaining = serializers.IntegerField()
    receipt = ReceiptOut()


class ModelOut(serializers.Serializer[Any]):
    id = serializers.CharField(source="name")
    label = serializers.CharField()  # type: ignore[assignment]  # DRF takes it off the class
    multiplier = serializers.IntegerField(
        source="price_factor", help_text="How many times the feature's price it costs."
    )
    cost = serializers.IntegerField(
        allow_null=True,
        help_text="Credits of one message, or of one image, now; null where tokens have a price.",
    )
    pricing = PricingField(help_text="What it costs now: a unit, or tokens.")
    plan = serializers.CharField(
        source="plan_needed", help_text="The plan that you would need for it; empty for none."
    )
    reads = serializers.ListField(
        child=serializers.ChoiceField(["text", "image", "file"]),
        help_text="What a message to it may hold.",
    )


class TextModelOut(ModelOut):
    abilities = serializers.SerializerMethodField()
    contextTokens = serializers.IntegerField(
        source="context_tokens",
        allow_null=True,
        help_text="Of a call and its answer together; null: unknown.",
    )
    outputTokens = serializers.IntegerField(
        source="output_tokens", allow_null=True, help_text="Of an answer; null: unknown."
    )

    def get_abilities(self, model: AIModel) -> list[Literal["tools", "reasoning"]]:
        kinds: list[tuple[Literal["tools", "reasoning"], bool]] = [
            ("tools", model.uses_tools), ("reasoning", model.reasons),
        ]  # fmt: skip
        return [kind for kind, is_there in kinds if is_there]


class ImageModelOut(ModelOut):
    sizes = serializers.ListField(
        child=serializers.CharField(), help_text="WIDTHxHEIGHT; empty: any size."
    )


class ModelsOut(serializers.Serializer[Any]):
    text = TextModelOut(many=True)
    image = ImageModelOut(many=True)


class ProviderFailedOut(serializers.Serializer[Any]):
    """Nothing of use was delivered, and what was charged has come back."""

    error = serializers.ChoiceField(["provider_failed"])
    message = serializers.CharField(help_text="A sentence for people.")
    reason = serializers.CharField()
    refunded = serializers.IntegerField(help_text="Credits that came back.")
    text = serializers.CharField(required=False, help_text="Of a chat: the answer so far.")
    creditsRemaining = serializers.IntegerField()
    receipt = ReceiptOut()
