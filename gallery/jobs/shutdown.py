"""Whether this worker was told to stop.

Jobs are handed back at their next safe point then, so that another worker takes them at once and
not when their lease has ended.
"""

import threading

requested = threading.Event()
"""Set once, from the handler of the signal, and only in a worker."""
