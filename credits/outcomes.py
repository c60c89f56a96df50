"""What each outcome of a paid job costs: the table of `docs/ledger.md` and, in words for people, of
`/pricing`. Each row is proved by the tests that `tests/credits/test_outcomes.py` names."""

from typing import NamedTuple


class Outcome(NamedTuple):
    """A row: what happened and what it costs, as the docs have it; the same for people, where a
    person would ask."""

    happened: str
    credits: str
    for_people: tuple[str, str]


OUTCOMES: dict[str, Outcome] = {
    "refused": Outcome(
        "not enough credits, bad input, not signed in",
        "nothing; the provider is not called",
        ("Too few credits, or a message that cannot be sent", "Nothing; it is not sent"),
    ),
    "failed": Outcome(
        "provider error, timeout, refusal, unknown end, before or in the middle of the answer",
        "full refund, partial text kept and marked",
        (
            "The provider fails, refuses, or takes too long, even halfway",
            "Nothing; refunded in full, and what had arrived stays",
        ),
    ),
    "empty": Outcome(
        "empty answer: nothing visible when rendered, or reasoning alone",
        "full refund",
        ("The answer is empty, or only thinking", "Nothing; refunded in full"),
    ),
    "length": Outcome(
        "cut at the length limit, with text",
        "charged, marked, *Continue* offered",
        (
            "The answer reaches the longest length",
            "The price on the button; it says so, and you can go on",
        ),
    ),
    "time": Outcome(
        "cut at our own time limit, with text",
        "charged, marked, *Continue* offered; without text full refund",
        (
            "The answer takes longer than we let it",
            "The price on the button if words arrived, and you can go on; else nothing",
        ),
    ),
    "early stop": Outcome(
        "stopped by the user before the first token",
        "full refund, the first 10 an hour; then charged",
        (
            "You stop before the first word",
            "Nothing, ten times an hour; after that the price on the button",
        ),
    ),
    "stop": Outcome(
        "stopped after text was delivered",
        "charged",
        ("You stop after words arrived", "The price on the button"),
    ),
    "lost browser": Outcome(
        "the browser's connection lost",
        "the answer is finished on the server and waits in the conversation; charged if it holds "
        "text",
        (
            "Your connection drops",
            "The price on the button; the answer is finished and waits for you",
        ),
    ),
    "lost client": Outcome(
        "JSON client closes the stream",
        "as a stop, unless it asked to go on",
        ("A program of yours hangs up", "As if you had stopped"),
    ),
    "closed account": Outcome(
        "the account is closed or banned meanwhile",
        "as a stop",
        ("You close your account, or it is banned", "As if you had stopped"),
    ),
    "no image": Outcome(
        "image: non-OK status, invalid body, unparsable or empty result",
        "full refund",
        ("No usable image comes back", "Nothing; refunded in full"),
    ),
    "some images": Outcome(
        "image: k of n delivered",
        "refund n − k",
        ("Some of the images of a set fail", "Only those you got"),
    ),
    "stopped images": Outcome(
        "image: stopped by the user",
        "those made by then are kept and charged, the rest is refunded; before the first as a stop "
        "before the first token",
        ("You stop while images are made", "Those that were made by then, which you keep"),
    ),
    "tokens": Outcome(
        "priced by tokens: whatever is charged above",
        "what was used, by the price that the charge names, never more than was reserved; the rest "
        "of the reserve comes back at once, and what is over of the last credit is paid ahead",
        (
            "Any of these, with a model that is priced by tokens",
            "What was used, to the fraction of a credit, and never more than was held",
        ),
    ),
    "uncounted": Outcome(
        "priced by tokens, and the provider has not counted, or not to the end",
        "an estimate from what arrived, in the user's favour, and never above the bound",
        (
            "Nobody counted the tokens, as you stopped or the provider does not say",
            "What arrived, estimated in your favour",
        ),
    ),
    "early stop by tokens": Outcome(
        "priced by tokens, stopped before the first token once too often in the hour",
        "what was asked, estimated; nothing of the answer",
        (
            "You stop before the first word more than ten times an hour",
            "For a model that is priced by tokens what you sent, estimated in your favour",
        ),
    ),
    "free answers used up": Outcome(
        "a call of `/v1` by tokens of which something was sent, and that comes to nothing by what "
        "was asked for: thoughts alone, a filter, a refusal or an unknown end halfway",
        "full refund, the first 10 an hour; then what was used",
        (
            "A program's call that has the model only think, or break off by what it was asked",
            "Nothing, ten times an hour; after that what was used",
        ),
    ),
    "free chat answers used up": Outcome(
        "an answer in a chat of which something was shown, and that comes to nothing by what was "
        "asked for, as above, or because the model thought up to a limit",
        "full refund, the first 10 an hour, counted with those of `/v1`; then charged",
        (
            "You have models only think, or break off by what you ask, over ten times an hour",
            "The price on the button, or what was used of it",
        ),
    ),
    "left whole": Outcome(
        "a call of `/v1` that is not streamed, whose client leaves",
        "as if it had stayed; the answer waits ten minutes for a further try of its SDK, or its "
        "`Idempotency-Key`, which cost nothing",
        (
            "A program hangs up while it waits for a whole answer",
            "As if it had stayed; if it asks again within ten minutes, it gets that answer",
        ),
    ),
    "left stream": Outcome(
        "a call of `/v1` that is streamed, whose client leaves, or tries again",
        "as a stop; once the answer has come to its end, by the provider's count",
        (
            "A program hangs up during a streamed answer, or asks for it anew",
            "As if you had stopped",
        ),
    ),
    "thought alone": Outcome(
        "a call of `/v1` whose answer is thoughts alone, at whatever end",
        "full refund; a call of a tool, or a refusal that the model words, is an answer",
        ("A program gets nothing but thoughts", "Nothing; refunded in full"),
    ),
    "same key": Outcome(
        "a call of `/v1` under an `Idempotency-Key` that was used",
        "nothing: the first answer, or a refusal; after a failure, which was free, a new call",
        (
            "A program sends a call twice under one key",
            "The price of one; it gets the same answer",
        ),
    ),
    "killed": Outcome(
        "process killed, database gone at the wrong moment",
        "full refund when the lease ends",
        ("Our server dies in the middle of it", "Nothing; refunded in full within minutes"),
    ),
}
FOR_PEOPLE = [outcome.for_people for outcome in OUTCOMES.values()]
#: What becomes of credits that come back after they would have left.
RETURNED_LATE = (
    "Credits that come back after their month has ended stay 30 days more, unless it was you who "
    "stopped, or the provider refused what you asked for."
)
