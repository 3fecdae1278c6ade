"""The commands of ``python -m mlcore``, a file each; every one has ``add(commands)``."""
