"""Everything that an installation holds, kept in a folder and brought back from there.

What is written is independent of the database's engine and of where pictures are kept:
docs/adr/0029-backups-are-rows-and-files.md tells why.
"""

from gallery.services.backups.making import BackupMade, make_backup
from gallery.services.backups.repository import BackupError, Repository
from gallery.services.backups.restoring import Restored, check_backup, restore_backup

__all__ = [
    "BackupError",
    "BackupMade",
    "Repository",
    "Restored",
    "check_backup",
    "make_backup",
    "restore_backup",
]
