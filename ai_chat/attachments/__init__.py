"""Files that users send with their messages: read in a process with limits, kept in the storage,
and sent to models."""
