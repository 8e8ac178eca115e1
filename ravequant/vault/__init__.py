"""The vault: every path on disk, and how lines are appended, read, committed and kept."""
