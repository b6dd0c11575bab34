"""What each card of a host shall be, and the way there.

An operator writes a `document`; of it comes one `wish` for each card. A
`planner` compares it with the `state` of the card and gives `steps`, which an
`executor` takes.
"""
