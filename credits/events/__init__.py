"""What users are told of their account when it happens: by mail, and by webhooks of their own
(Standard Webhooks) which the worker sends."""
