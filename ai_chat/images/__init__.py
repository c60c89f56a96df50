"""Images: the paid request, how it is made, checked and kept, and reading what was made."""
