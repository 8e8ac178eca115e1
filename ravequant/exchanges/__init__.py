"""The exchanges we record from: what all share, and a folder for each."""
