"""OKX's archive of past market data: names, listing, and the form of each of its files."""
