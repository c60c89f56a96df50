"""The SQL of paid jobs: charging and recording one is a single call (`jobs/start.py`)."""
