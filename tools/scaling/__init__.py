"""The embedding of many pictures by many workers, simulated: see docs/scaling.md."""
