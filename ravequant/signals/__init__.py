"""The query for signals: the state of a market as of a minute, the rules, the answers."""
