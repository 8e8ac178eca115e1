"""The one loop of all calculators, and how a calculator is declared."""
