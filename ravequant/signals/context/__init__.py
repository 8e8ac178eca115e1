"""The context of a signal: facts of its moment that no rule and no size depends on (SPEC 11)."""
