"""What more than one room of the house needs; the rooms themselves stand beside it."""

import os

__version__ = "0.1.0"

# Linear algebra, which nobody here needs: with it numpy starts a thread on each core as it is
# loaded, three times the CPU of loading it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
