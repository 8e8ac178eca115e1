"""The one loop of all calculators, and how one is declared."""
