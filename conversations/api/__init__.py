"""The doors for programs: ``/api/v1/`` with one module a noun, and what the simulator's page asks of staff."""
