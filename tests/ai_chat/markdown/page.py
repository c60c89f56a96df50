"""Reading the HTML of an answer in tests. What is allowed is written out here again, and checked
with a parser of its own."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise

from ai_chat.markdown import StreamRenderer, Update

VOID = {"br", "hr"}
DIR = {"dir": "auto"}
BOOLEAN = "true|false"
LENGTH = r"-?\d+(\.\d+)?r?e?m?"
CLASSES = (
    r"(box|closer|half|wide|left|right|to-left|to-right|apart|strike(-up|-down|-both)?"
    r"|(line|dash)-(left|right|top|bottom)|red|yellow|green|teal|blue|purple| )*"
)
MATH = {
    "math": {"data-tex": r"[$\\].*", "display": "block", "dir": "ltr"},
    "mfrac": {"displaystyle": BOOLEAN, "linethickness": "0", "scriptlevel": r"\d"},
    "mi": {"mathvariant": "normal"},
    "mo": {
        "form": "prefix|infix|postfix",
        "movablelimits": BOOLEAN,
        "stretchy": BOOLEAN,
        **dict.fromkeys(("lspace", "maxsize", "minsize", "rspace"), LENGTH),
    },
    "mover": {"accent": BOOLEAN},
    "mpadded": dict.fromkeys(("height", "voffset", "width"), LENGTH),
    "mrow": {"class": CLASSES, "displaystyle": BOOLEAN, "scriptlevel": r"\d"},
    "mspace": {"class": CLASSES, "width": LENGTH},
    "mtable": {"class": CLASSES, "displaystyle": BOOLEAN, "scriptlevel": r"\d"},
    "mtd": {"class": CLASSES},
    "munder": {"accentunder": BOOLEAN},
}
ATTRIBUTES = {
    **MATH,
    **dict.fromkeys(("blockquote", "h3", "h4", "h5", "h6", "li", "p", "table"), DIR),
    "a": {"href": r"(https?://|mailto:)\S.*", "rel": "noopener noreferrer nofollow"},
    "code": {"class": "tex", "dir": "ltr"},
    "div": {
        "class": "code|footnote|scroll",
        "data-lang": r"[A-Za-z0-9+#._-]{1,30}",
        "dir": "ltr",
        "tabindex": "0",
        "role": "group",
        "aria-label": "Table",
    },
    "ol": {"start": r"\d{1,9}"},
    "pre": {"tabindex": "0"},
    "span": {
        "class": "c|k|s|m|nf|nb|na|gd|gi|gh|formula( long)?",
        "tabindex": "0",
        "role": "group",
        "aria-label": "Formula",
    },
    "td": {"align": "left|center|right", **DIR},
    "th": {"align": "left|center|right"},
}
TAGS = (
    VOID
    | set(ATTRIBUTES)
    | {"b", "em", "i", "s", "strong", "sup", "tbody", "thead", "tr", "ul"}
    | {"mmultiscripts", "mn", "mphantom", "mprescripts", "mroot", "msqrt", "msub", "msubsup"}
    | {"msup", "mtext", "mtr", "munderover"}
)


class Page(HTMLParser):
    """Reads HTML as strictly as the tests need: every tag known, closed, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert len(dict(attrs)) == len(attrs)
        for name, value in attrs:
            assert name in ATTRIBUTES.get(tag, {}), f"{name} on {tag}"
            assert re.fullmatch(ATTRIBUTES[tag][name], value or "", re.I | re.S), f"{name}={value}"
        if tag == "a":
            assert dict(attrs)["rel"], "every link tells nothing about where it was found"
            self.links.extend(value or "" for name, value in attrs if name == "href")
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"comment {data!r}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"declaration {decl!r}")

    def handle_pi(self, data: str) -> None:
        self.handle_decl(data)

    def unknown_decl(self, data: str) -> None:
        self.handle_decl(data)


def streamed(text: str, cuts: list[int]) -> Iterator[Update]:
    """The updates of `text` cut at `cuts`, the last one from closing."""
    renderer = StreamRenderer()
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in pairwise(edges):
        yield renderer.feed(text[start:end])
    yield renderer.close()


def tail_of(text: str) -> str:
    """What an open end shows after `text` came in one piece."""
    return StreamRenderer().feed(text).tail
