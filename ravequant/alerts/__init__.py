"""Alerts of a watch: which are due, and how they are sent."""
