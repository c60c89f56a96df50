"""The API under /v1, entered by API keys alone: OpenAI's wire format on the ledger of the site. A
call that costs something is a job, `ApiCall`."""
