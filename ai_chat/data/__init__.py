"""All data of one user: the archive for download, the deletion of all chats or images, and the
erasure of the content of a closed account. The worker carries it out (`DataJob`)."""
