"""The library that the programs share."""

__version__ = "0.1.0"
