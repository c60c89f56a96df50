"""How the conversation is filed that a page begins: its address says it, `?temporary=1` or
`?folder=ID`, and the composer's form has the same one."""

from dataclasses import dataclass
from urllib.parse import urlencode

from ai_chat.models import Filing, Folder
from ai_chat.pages.lookup import own_folder
from credits.http import AuthenticatedHttpRequest


@dataclass(frozen=True)
class Beginning:
    """What a page begins: a temporary chat, or one in a folder, or one of neither."""

    folder: Folder | None = None
    is_temporary: bool = False

    @property
    def filing(self) -> Filing:
        return Filing(self.folder.pk if self.folder else None, self.is_temporary)

    @property
    def query(self) -> str:
        """The same as the query of an address; empty for neither."""
        if self.is_temporary:
            return "?temporary=1"
        return f"?{urlencode({'folder': self.folder.pk})}" if self.folder else ""


def read_beginning(request: AuthenticatedHttpRequest) -> Beginning:
    """What the address of a request says; a folder that is none of the user's is no folder."""
    if request.GET.get("temporary"):
        return Beginning(is_temporary=True)
    return Beginning(own_folder(request, request.GET.get("folder", "")))
