"""Django's PostgreSQL backend, for requests: a database that is away is not waited for."""
