"""Flows that write: across rows, files and the queue. Only services put jobs into the queue."""
