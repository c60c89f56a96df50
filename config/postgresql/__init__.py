"""Django's PostgreSQL backend, which does not wait for a database that does not answer."""
