"""Everything that one user has here: the archive that they take along, the deletion of all chats or
images, and the erasure of what a closed account has made. The worker does it (`DataJob`)."""
