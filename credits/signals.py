"""Events of the core that higher rooms and apps react to."""

from django.dispatch import Signal

#: An account closes for good: its user deleted it, or was deleted at Clerk. Sent in the transaction
#: that closes it, with `user_id`; receivers stop what runs and have the content erased.
account_closed = Signal()

#: An account may do nothing any more, but keeps its content: banned, locked or deactivated. Sent in
#: that transaction, with `user_id`; receivers stop what runs.
account_suspended = Signal()

#: An API key was revoked: nothing more is charged in its name. Sent in that transaction, with
#: `key_id`, `account_id` and `stop`: whether what is going on in its name is to be stopped, which
#: receivers do.
key_revoked = Signal()
