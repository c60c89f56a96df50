"""Which model is chosen for what comes next, in a chat and in a user's new chats, and what its
picker says of each."""

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from ai_chat.conversations.services import last_model
from ai_chat.images.gallery import last_request
from ai_chat.models import ChatPreferences, Conversation, ImageRequest, Turn
from ai_chat.pages.lookup import begins_temporary_chat, conversation_of_page
from credits.catalogue.models import get_model
from credits.features import IMAGE, TEXT
from credits.http import AuthenticatedHttpRequest
from credits.models import AIModel
from credits.users.permissions import refuse_impersonated

#: Columns of a conversation and of what a user decides about all chats.
COLUMNS = {TEXT: "text_model", IMAGE: "image_model"}
#: What a model may read besides text.
READS = {"image": "pictures", "file": "files"}


def chosen_model(*, user_id: int, feature: str, conversation: Conversation | None = None) -> str:
    """The name of the model chosen last in the conversation, else the one used last there; else the
    one that the user chose last, or used last, anywhere. "" without any; it may be offered no
    more."""
    column = COLUMNS[feature]
    if chosen := getattr(conversation, column, "") or _used_in(conversation, feature):
        return chosen
    own = ChatPreferences.objects.filter(user_id=user_id).values_list(column, flat=True)
    return own.first() or _used_by(user_id, feature)


def _used_in(conversation: Conversation | None, feature: str) -> str:
    if conversation is None:
        return ""
    entries = conversation.turns if feature == TEXT else conversation.image_requests
    return entries.order_by("-created_at").values_list("model", flat=True).first() or ""


def _used_by(user_id: int, feature: str) -> str:
    if feature == TEXT:
        return last_model(user_id=user_id)
    latest = last_request(user_id=user_id)
    return latest.model if latest else ""


def remember_model(
    *, user_id: int, name: str, feature: str, conversation: Conversation | None = None
) -> None:
    """Keeps a choice: for the conversation, if there is one, and, unless that is a temporary one,
    for the user's new chats."""
    choice = {COLUMNS[feature]: name}
    if conversation is None or conversation.expires_at is None:
        ChatPreferences.objects.update_or_create(user_id=user_id, defaults=choice)
    if conversation:
        Conversation.objects.filter(pk=conversation.pk).update(**choice)


def note_use(job: Turn | ImageRequest, conversation: Conversation | None) -> None:
    """Keeps the model of a message or of images, as they were asked for on a page, where it is
    another one than the page showed there: it was chosen without scripts."""
    feature = TEXT if isinstance(job, Turn) else IMAGE
    shown = chosen_model(user_id=job.user_id, feature=feature, conversation=conversation)
    if job.model != shown:
        remember_model(
            user_id=job.user_id, name=job.model, feature=feature, conversation=job.conversation
        )


@require_POST
def choose(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Keeps the model that was chosen in a picker, sent or not. What cannot be chosen is
    refused."""
    refuse_impersonated(request)
    feature, field = (IMAGE, "image_model") if "image_model" in request.POST else (TEXT, "model")
    name = request.POST.get(field, "")
    model = get_model(name, feature=feature, user_id=request.user.pk)
    conversation = conversation_of_page(request)
    if conversation or not begins_temporary_chat(request):
        remember_model(
            user_id=request.user.pk, name=model.name, feature=feature, conversation=conversation
        )
    return HttpResponse(status=204)


def abilities(model: AIModel) -> list[str]:
    """What a model reads, can and makes, in words; nothing of what every one does."""
    reads = [name for kind, name in READS.items() if kind in model.reads]
    words = [f"reads {' and '.join(reads)}"] if reads else []
    words += ["uses tools"] * model.uses_tools + ["reasons"] * model.reasons
    if model.context_tokens:
        words.append(f"context of {_rounded(model.context_tokens)} tokens")
    if model.feature == IMAGE and model.sizes:
        words.append(", ".join(size.replace("x", " × ") for size in model.sizes))
    return words


def _rounded(tokens: int) -> str:
    """As models are advertised: in thousands, or millions."""
    if tokens >= 1_000_000:
        return f"{tokens / 1_000_000:.3g} million"
    return f"{tokens:,}" if tokens < 10_000 else f"{round(tokens / 1000):,},000"
