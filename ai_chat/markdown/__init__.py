"""Model answers as safe HTML: `render` for a stored answer, `StreamRenderer` while one arrives.

Text from a model is hostile input: the parser never passes raw HTML, the renderer writes no picture
and only http, https and mailto links, and nh3 then keeps only listed tags and attributes.
"""

from ai_chat.markdown.html import RENDERER_VERSION, render
from ai_chat.markdown.parser import Allowance
from ai_chat.markdown.stream import StreamRenderer, Update
from ai_chat.markdown.visible import has_visible_text

__all__ = [
    "RENDERER_VERSION",
    "Allowance",
    "StreamRenderer",
    "Update",
    "has_visible_text",
    "render",
]
