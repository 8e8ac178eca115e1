"""What more than one room of the house needs; the rooms themselves stand beside it."""

__version__ = "0.1.0"
