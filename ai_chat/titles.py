"""What a conversation is called, by a rule: what its first question asks, without greetings, code,
quotations and Markdown, cut at the end of a sentence or between words. Where the question says
nothing, what its answer says first."""

import re
from collections.abc import Iterator

from config.text import cut, is_blank, plain_line

#: The most that a title by the rule, or by a model, has.
TITLE_CHARACTERS = 60
#: A sentence with fewer characters says too little: the next belongs to it.
SHORT = 12
#: Of an answer, and of a sentence, no more is looked at.
LOOKED_AT = 1_000
#: A title is cut between words that stand behind this part of it; else in the middle of one.
WORDS_FROM = TITLE_CHARACTERS // 2

_GREETING = re.compile(
    r"(?:hi|hello|hey|hiya|howdy|greetings|good (?:morning|afternoon|evening|day)|dear|thanks|"
    r"thank you|sure|certainly|of course|absolutely|great question|okay|ok|yes|"
    r"hallo|guten (?:tag|morgen|abend)|moin|servus|bonjour|bonsoir|salut|hola|buenos días|"
    r"buenas tardes|ciao|buongiorno|olá|oi|bom dia|hej|hei|привет|здравствуйте|добрый день|"
    r"مرحبا|السلام عليكم|你好|您好|こんにちは|안녕하세요|नमस्ते)"
    r"(?: (?:there|all|everyone|everybody|team|assistant|chatgpt|claude|gpt|ai|bot|friend))?"
    r"(?:\s*[,.!:;…—，！。、،]+\s*|\s*\n\s*|\s*$|"
    r"\s+(?=(?:i|i'm|can|could|would|please|what|how|why|who|when|where|is|are|do|does|did|explain|"
    r"tell|write|give|help|show|make)\b))",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"(?:(?:please|pls|kindly|bitte|por favor),?\s+"
    r"|(?:(?:can|could|would|will) you|i(?:'d| would) like you to|i (?:want|need) you to)\s+"
    r"(?:please\s+|kindly\s+)?(?=(?:analy[sz]e|calculate|check|compare|convert|correct|create|"
    r"define|describe|design|draft|draw|explain|find|fix|generate|give|help|implement|improve|list|"
    r"make|outline|plan|proofread|recommend|review|rewrite|show|solve|suggest|summari[sz]e|teach|"
    r"tell|translate|write)\b))",
    re.IGNORECASE,
)
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_QUOTATION = re.compile(r"\s{0,3}>")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+\S")
_MARKER = re.compile(r"\A\s{0,3}(?:#{1,6}|[-*+•]|[0-9]{1,3}[.)])\s+")
_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,1000}\)")
_ADDRESS = re.compile(r"https?://(?:www\.)?([^\s/?#]{1,100})\S*")
_STRONG = re.compile(r"\*\*|__|~~|`+")
_EMPHASIS = re.compile(r"(?<![\w*])[*_]([^\s*_][^*_]{0,200})[*_](?![\w*])")
_END = re.compile(r"[.!?؟…]+(?=\s|$)|[。！？]+|\n")
_ABBREVIATION = re.compile(
    r"(?:^|\W)(?:[A-Z]|(?i:e\.g|i\.e|dr|mr|mrs|ms|st|no|vs|etc|bzw|ca|z\.b))\.$"
)
_LABEL = re.compile(r"(?:chat |conversation )?(?:title|titel|titre|título|titolo)\s*[:：]\s*", re.I)
_PAIRS = ('""', "''", "“”", "‘’", "«»", "„“", "„”", "「」", "『』", "《》")
_LAST = " .,;:，、。：،؛-–—"


def title_of(question: str, answer: str = "") -> str:
    """The title of a conversation that begins with them, at most TITLE_CHARACTERS; "" where nothing
    can be seen in either."""
    asked = _told(question)
    if asked.strip():
        return _finished(asked)
    lines = [*_prose(answer[:LOOKED_AT])]
    heading = next((_plain(line) for line in lines if _HEADING.match(line)), "")
    return _finished(heading or _told(answer[:LOOKED_AT]) or question)


def cleaned_title(text: str) -> str:
    """What a model wrote for a title: one line of plain text, at most TITLE_CHARACTERS; "" where
    there is nothing to see. It may say anything."""
    line = next((line for line in _prose(text) if not is_blank(line)), "")
    return _finished(_LABEL.sub("", _plain(line), count=1))


def _told(text: str) -> str:
    """The first sentence of the prose in a text, without what only introduces it."""
    prose = "\n".join(filter(None, map(_plain, _prose(text))))
    bare = prose.lstrip()
    while (match := _GREETING.match(bare) or _POLITE.match(bare)) and match.end():
        is_question = match.re is _POLITE and bare[match.end() :].rstrip().endswith("?")
        bare = bare[match.end() :]
        bare = bare.rstrip().removesuffix("?") if is_question else bare
    sentence = _first_sentence(bare)
    if bare != prose and sentence[:1].islower() and sentence.split()[0].islower():
        sentence = sentence[0].upper() + sentence[1:]
    return sentence


def _prose(text: str) -> Iterator[str]:
    """The lines that are neither code nor a quotation."""
    fence = ""
    for line in text.splitlines():
        match = _FENCE.match(line)
        if match and fence in {"", match[1]}:
            fence = "" if fence else match[1]
        elif not fence and not _QUOTATION.match(line):
            yield line


def _plain(line: str) -> str:
    """A line without Markdown and without characters that are not for people."""
    line = _ADDRESS.sub(r"\1", _LINK.sub(r"\1", _MARKER.sub("", line, count=1)))
    line = _EMPHASIS.sub(r"\1", _STRONG.sub("", line))
    return _without_blank_beginning(plain_line(line))


def _first_sentence(text: str) -> str:
    for match in _END.finditer(text, 0, LOOKED_AT):
        sentence = text[: match.end()].strip()
        is_over = match[0] == "\n" or not _ABBREVIATION.search(sentence)
        if is_over and len(sentence) >= SHORT:
            return sentence
    return text.strip()


def _finished(text: str) -> str:
    """One line, without quotation marks around it or a full stop, cut where it is too long."""
    line = _without_blank_beginning(" ".join(text.split())).rstrip(_LAST)
    if len(line) > 2 and line[0] + line[-1] in _PAIRS:
        line = line[1:-1].strip().rstrip(_LAST)
    if is_blank(line):
        return ""
    if len(line) <= TITLE_CHARACTERS:
        return line
    place = line.rfind(" ", WORDS_FROM, TITLE_CHARACTERS)
    return line[:place].rstrip(_LAST) + "…" if place > 0 else cut(line, TITLE_CHARACTERS)


def _without_blank_beginning(line: str) -> str:
    for place, character in enumerate(line):
        if not is_blank(character):
            return line[place:]
    return ""
