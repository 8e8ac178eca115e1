"""What a watch tells, to whom, and when."""
