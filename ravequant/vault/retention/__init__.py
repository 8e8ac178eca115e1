"""What of a vault is compressed and deleted, when, and how long its disk lasts."""
