"""The bodies of jobs: one module a kind, and what they share."""
