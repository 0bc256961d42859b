"""The tests; a package, so that the `tests` which the wheel of Canaille carries cannot stand in for it."""
