"""Processes: workers side by side, and how a program is asked to end."""
