"""What more than one room of the house needs; the rooms themselves stand beside it."""

import gc
import os

__version__ = "0.1.0"

# Linear algebra, which nobody here needs: with it numpy starts a thread on each core as it is
# loaded, three times the CPU of loading it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Loading makes ten thousands of objects that stay. Looking through them for garbage every 700 is a
# twentieth of a short run; what is garbage goes by its reference count, nearly always.
PLAIN_GC = gc.get_threshold()  # Python's own
gc.set_threshold(20_000, 10, 10)
