"""Images: the paid request, its files, and its pages."""
