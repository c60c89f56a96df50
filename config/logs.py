"""What the log leaves out."""

import logging
import re

#: The token of a shared chat's link in a path: who has it reads the chat.
TOKEN = re.compile(r"/shared/[^/\s]+")


class WithoutTokens(logging.Filter):
    """Takes the tokens of links out of the paths that Django logs of refused requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                TOKEN.sub("/shared/…", each) if isinstance(each, str) else each
                for each in record.args
            )
        return True
