"""Checks of recorders, calculators and disk: their words are the same wherever they are shown."""
