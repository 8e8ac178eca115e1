"""OKX v5: messages, session, REST and order book."""
