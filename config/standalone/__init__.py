"""What only `make run` adds: a supervisor for the processes of one machine, and the embedded
PostgreSQL."""
