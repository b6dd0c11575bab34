"""Measure what the design sets a target for, each beside a peer.

To add a benchmark: write a module here with a function ``run(args)`` that
returns a `table.Table`, end it with ``command.main(run, __doc__)`` below
``if __name__ == '__main__':``, and put its name below. One that has options
gives ``command.main`` a function that adds them to a parser too.
"""

NAMES: tuple[str, ...] = (
    # in the order in which they run
    'eight_cards',
    'discovery',
    'requests',
    'boots',
    'load',
    'numa_fit',
    'places',
    'packing',
    'cost',
)
