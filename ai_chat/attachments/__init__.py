"""Files that users send with their messages: verified, kept, read for their text, and what models
are sent of them."""
