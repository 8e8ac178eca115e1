"""The exchange in a box: a local OKX for the demo and the tests, from a model or recordings."""
