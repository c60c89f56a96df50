"""Chats from elsewhere: from an archive of this site, ChatGPT's export and Claude's. Files are read
piece by piece, with bounds: whoever made them is not trusted."""
