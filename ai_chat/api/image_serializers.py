"""The shapes of images in JSON."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import serializers

from ai_chat.api.serializers import ReceiptOut, TextOrNull, max_unit_cost_field, model_field
from ai_chat.images.requests import DEFAULT_SIZE, MAX_IMAGES
from ai_chat.models import ImageRequest
from credits.api.fields import QueryNumber, StrictSerializer, Text, WholeNumber

#: A number from 64 to 2048.
SIDE = "(6[4-9]|[7-9][0-9]|[1-9][0-9]{2}|1[0-9]{3}|20[0-3][0-9]|204[0-8])"


class ImageIn(StrictSerializer):
    prompt = Text(max_length=settings.IMAGE_PROMPT_MAX_CHARACTERS)
    model = model_field()
    size = serializers.RegexField(
        f"^{SIDE}x{SIDE}$",
        trim_whitespace=False,
        default="",
        help_text="WIDTHxHEIGHT, each from 64 to 2048 pixels; unless given the model's first size, "
        f"or {DEFAULT_SIZE}.",
    )
    count = WholeNumber(default=1, min_value=1, max_value=MAX_IMAGES)
    maxUnitCost = max_unit_cost_field("image")


class ImageAddress(serializers.CharField):
    def to_representation(self, value: Any) -> str:
        return reverse("api-image-file", args=[value])


class ImageOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = ImageAddress(source="pk", help_text="The file, for you alone; `?download` saves it.")
    contentType = serializers.ChoiceField(
        ["image/png", "image/jpeg", "image/webp"], source="content_type"
    )
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    bytes = serializers.IntegerField()


class ImagesOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="The request.")
    createdAt = serializers.DateTimeField(source="created_at")
    prompt = serializers.CharField()
    model = serializers.CharField()
    answeredBy = TextOrNull(
        source="answered_by",
        help_text="The model that took over because this one's provider was down.",
    )
    size = serializers.CharField()
    count = serializers.IntegerField(help_text="Images asked for.")
    state = serializers.ChoiceField(ImageRequest.State.choices)
    images = ImageOut(many=True)
    creditsCharged = serializers.IntegerField(
        source="charged", help_text="After the refund of missing images."
    )
    receipt = ReceiptOut(source="*")


class PaidImagesOut(ImagesOut):
    creditsRemaining = serializers.IntegerField()


class ImagesPage(serializers.Serializer[Any]):
    items = ImagesOut(many=True)
    nextCursor = serializers.UUIDField(allow_null=True, help_text="For `cursor`; null at the end.")


class ImagesQuery(StrictSerializer):
    cursor = serializers.UUIDField(required=False, help_text="`nextCursor` of the page before.")
    limit = QueryNumber(
        default=24, min_value=1, max_value=200, help_text="Requests of a page, 24 unless given."
    )
