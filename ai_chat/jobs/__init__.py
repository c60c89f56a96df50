"""A paid piece of work from charge to receipt, written once: start, run, stop, end, follow. A kind
of job says what it asks of the provider, what a delivered unit is, and how its result is kept."""
