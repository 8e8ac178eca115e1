"""The exchange as we speak to it: OKX v5 messages, session, sockets and REST."""
