"""Published files of any exchange: fetched, and read as hostile streams."""
