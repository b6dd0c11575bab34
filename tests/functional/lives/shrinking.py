"""Which steps of a life that fails can be left out."""

from tests.functional.lives import runs


def shrink(seed, length, tell):
    """Leave out steps, for as long as the life fails.

    First halves, then less; a life is tried once, so that one which fails
    now and then only may keep more than it has to.

    :returns: the numbers of the steps that are left out
    """
    without = set()
    size = length // 2
    while size:
        for start in range(length - size, -1, -size):
            more = {*range(start, start + size)} - without
            if more and _fails(seed, length, without | more):
                without |= more
                tell(f'fails without {sorted(without)}')
        size //= 2
    return without


def _fails(seed, length, without):
    return runs.one(seed, length, without=without).why is not None
