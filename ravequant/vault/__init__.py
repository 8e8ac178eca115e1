"""The ground: every name on disk, and how bytes are appended, found again and committed."""
