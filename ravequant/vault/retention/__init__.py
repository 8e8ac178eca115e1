"""Compression and deletion of a vault's old files, and the forecast of its disk."""
