"""Feed every parser with nonsense: ``make fuzz``.

A target is a parser, or several that read the same, with what it may raise
and what has to be true of what it returns. `tests.unit.test_fuzz` feeds each
of them for a moment in each run of the tests; `fuzz.__main__` does it for as
long as it is told, guided by the branches that an input has reached.
"""
