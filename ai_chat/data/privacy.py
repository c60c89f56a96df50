"""Which personal data is stored: the table of `docs/privacy.md` and of `/privacy`."""

from typing import NamedTuple

from django.conf import settings

from ai_chat.data.jobs import ARCHIVE_KEPT, ERASED_WITHIN
from ai_chat.sharing.services import ENDED_KEPT
from credits.events.sending import MESSAGE_KEPT

_HOURS = int(ERASED_WITHIN.total_seconds() // 3600)


class Kept(NamedTuple):
    """One kind of data: what it is, why it is kept, until when, and what closing does to it."""

    what: str
    why: str
    until: str
    closing: str


KEPT = [
    Kept(
        "Messages, answers, what a model thought, titles of chats, prompts of images, "
        "and the words of all these, by which you search",
        "you come back to them; a model is sent the latest of its chat",
        "you delete them; of a temporary chat for a day",
        f"gone within {_HOURS} hours, normally within minutes",
    ),
    Kept(
        "Instructions, presets and names of folders; which models you chose last",
        "models are told the instructions in your chats; you choose among the others",
        "you change or delete them",
        f"gone within {_HOURS} hours, normally within minutes",
    ),
    Kept(
        "Pictures, as files",
        "you look at them again",
        "you delete them",
        f"gone within {_HOURS} hours, normally within minutes",
    ),
    Kept(
        "Files that you send with messages: their content, of pictures a smaller one without what "
        "the camera wrote in it, their names, and the text in them",
        "models are shown them again with each later message",
        "you delete them or their chat, or after the days that who runs the site has set; after a "
        "day where they were not sent",
        f"gone within {_HOURS} hours, normally within minutes",
    ),
    Kept(
        "Your name and e-mail address",
        "you sign in by it, and letters go there",
        "you change them",
        "gone at once",
    ),
    Kept(
        "Your password, as a hash that cannot be reversed",
        "it is checked when you sign in",
        "you change it",
        "gone at once",
    ),
    Kept(
        "The secret of your authenticator app, and hashes of your recovery codes",
        "codes are checked when you sign in",
        "you remove the second factor",
        "gone at once",
    ),
    Kept(
        "Where you are signed in: times, network address, browser",
        "you see and end your sessions",
        "you sign out, or the session ends",
        "gone at once",
    ),
    Kept(
        "How you signed in, and what you changed of that: time, network address, browser",
        "you and the admins can see whether somebody else did",
        f"{settings.AUTHENTICATION_DAYS} days",
        f"gone after {settings.AUTHENTICATION_DAYS} days",
    ),
    Kept(
        "The journal: each charge, refund and grant with its time, amount, price and model; with "
        "an adjustment or a pack the admin's reason and the payment's reference, with a charge a "
        "hash of what was asked",
        "it proves the bill; a repeated request is recognised by the hash",
        "always: no line is ever changed",
        "stays under a number, without your name and address",
    ),
    Kept(
        "Calls by your API keys: when, which key, model, tokens, cost, status, request id, how "
        "long it took, a hash of what was asked; never what was asked or answered",
        "you and who runs the site see what a program did; a repeated call is recognised by the "
        "hash",
        f"{settings.CALLS_KEPT_DAYS} days",
        f"gone within {_HOURS} hours, normally within minutes",
    ),
    Kept(
        "How many requests of a key were answered how on each day",
        "who runs the site sees misuse",
        f"{settings.CALLS_KEPT_DAYS} days, then added up without the key",
        f"gone after {settings.CALLS_KEPT_DAYS} days",
    ),
    Kept(
        "The codes that you redeemed: which, and when",
        "each brings its credits once, and some are one for each account",
        "always",
        "stays under a number",
    ),
    Kept(
        "A hash of your address, made with a secret key",
        "welcome credits come once",
        "always",
        "stays; the address cannot be read from it",
    ),
    Kept(
        "What admins did to your account, with their reason",
        "whoever moves credits has to answer for it",
        "always",
        "stays under a number",
    ),
    Kept(
        "For admins: their address beside all that they did as admins",
        "whoever moves credits has to answer for it",
        "always",
        "stays",
    ),
    Kept(
        "What Clerk sends about you, where people sign in with Clerk: name, address, subscription",
        "a plan's credits come by it, and what went wrong can be repeated",
        f"{settings.INBOX_PAYLOAD_DAYS} days",
        "emptied with your content; your id at Clerk, payments and periods of plans stay",
    ),
    Kept(
        "Responses of the API, and what was sent for them, where a program does not ask for "
        "`store: false`",
        "programs go on from them",
        f"{settings.API_RESPONSE_DAYS} days after they were last used, or you turn it off",
        f"gone within {_HOURS} hours, normally within minutes",
    ),
    Kept(
        "Answers of the API, where the program sent an `Idempotency-Key` or left before a whole "
        "one was there",
        "it gets the same when it asks again",
        "10 minutes, or you turn it off",
        f"gone within {_HOURS} hours, normally within minutes",
    ),
    Kept(
        "Letters to you, with their address",
        "they are sent again when the mail server does not answer",
        "3 days after they were sent, 30 if they could not be",
        "gone at once, but for the one that says so",
    ),
    Kept(
        "Limits of what you spend, and when one was reached",
        "what would pass them is refused, and you are told once",
        "you remove them; an admin's: an admin does",
        "gone at once",
    ),
    Kept(
        "How many credits were spent on each day and by which key, once there was a limit or a key",
        "limits are counted by it, and you see what a key spent",
        "always",
        "stays under a number",
    ),
    Kept(
        "Your API keys: name, models, times of their making, end and last use, and of each secret "
        "a hash that cannot be reversed and the last four characters",
        "your programs are known by them; you see what each spends",
        "always; you see that you revoked one",
        "names and secrets are gone at once; their spend stays under a number",
    ),
    Kept(
        "Webhooks of your own: address, description, encrypted secret",
        "what happens to your account is sent there",
        "you delete them",
        "gone at once",
    ),
    Kept(
        "What was announced of your account by mail or webhook, and the attempts to send it: "
        "times, status, how long it took",
        "it is sent again when your program does not answer; you see what came of it",
        f"{MESSAGE_KEPT.days} days",
        "gone at once",
    ),
    Kept(
        "Links that you share: a copy of a chat as it was shown, with its pictures, who may read "
        "it, and how often it was opened; never who opened it",
        "others read it",
        "the link ends, or you end it; that there was one stays for "
        f"{ENDED_KEPT.days} days, and what was taken down after a report",
        f"nobody can read it at once; gone within {_HOURS} hours",
    ),
    Kept(
        "Reports of shared chats: the reason, your words, and who you are if you were signed in",
        "an admin looks at them",
        f"{ENDED_KEPT.days} days after the link has ended",
        "stays without your name and address",
    ),
    Kept(
        "A file of chats that you import",
        "the worker reads it",
        "it was read, or could not be",
        f"gone within {_HOURS} hours, normally within minutes",
    ),
    Kept(
        "Archives that you asked for",
        "you fetch them",
        f"{ARCHIVE_KEPT.days} days",
        "gone with your content",
    ),
    Kept(
        "What limits count: a keyed hash of a letter's address, network address, and when",
        "nobody floods the site or a mailbox",
        "2 hours",
        "gone after 2 hours",
    ),
    Kept(
        "Wrong passwords: a keyed hash of the address, network address",
        "passwords cannot be guessed",
        "the next right one, or 2 hours",
        "gone at once",
    ),
    Kept(
        "A sign-up before its letter is answered: name, address, the password's hash",
        "the account is made of it",
        "3 hours",
        "gone at once",
    ),
]
