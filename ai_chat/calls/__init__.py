"""Calls of /v1 as their owners and operators see them: the log, what is counted of requests, and
for how long both are kept. Never what was asked or answered."""
