"""Days that come from an exchange's published files: built aside, put in place, accounted for."""
