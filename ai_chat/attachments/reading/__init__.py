"""What is in a file, found out in a process with limits (`ai_chat.limited`). Nothing here imports
Django."""
