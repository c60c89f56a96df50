"""Model answers as safe HTML: `render` for a stored answer, `StreamRenderer` while one arrives.

Text from a model is hostile input. Three walls stand behind each other: the parser never passes
raw HTML, the renderer writes no picture and only http, https and mailto links, and nh3 then keeps
an explicit list of tags and attributes and drops the rest.
"""

from ai_chat.markdown.html import render
from ai_chat.markdown.stream import StreamRenderer, Update

__all__ = ["StreamRenderer", "Update", "render"]
