"""Which cards no further guest may have, and what has to be remembered of it.

What is remembered of a card is a `record`; the `records` of a host stand in a
folder of their own. `quarantine` says of each card what they come to.

What says that a card is sick are `signs`: `reading` and `kernel_log` find
them, `hysteresis` tells when they make it sick, and `watch` looks at all
cards.
"""
