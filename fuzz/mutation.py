"""Inputs as hypothesis makes them: what makes sense, broken and mixed."""

from __future__ import annotations

from hypothesis import strategies as st

from fuzz import target as target_

# What nobody prints, or what somebody does who means harm.
TOKENS = (
    *(b'9' * 30, b'9' * 5000, b'-1', b'1e999', b'NaN', b'Infinity', b'0x'),
    *('٣'.encode(), '\u2028'.encode(), '\u0130'.encode(), '\ufeff'.encode()),
    *(b'\0', b'\r', b'\x1b[2J', b'\x7f', b'\xff\xfe', b'\\ud800', b'\\u0000'),
    *(b'../../../etc/passwd', b'/dev/null', b'--help', b'; reboot', b'$(x)'),
    *(b'"/><x>', b'&lt;', b']]>', b'<!--', b'%s', b'{0}', b"'", b'"'),
    *(b'null', b'true', b'[]', b'{}', b'[' * 3000, b'{"a":' * 1000),
    *(b'&a ', b'*a ', b'!!python/object:os.system x', b'!!binary x', b'? '),
    *(b'0000:3b:00.0', b'0000:3B:00.0', b'renderD128', b'fabric0', b'+'),
)


def inputs(target: target_.Target) -> st.SearchStrategy[bytes]:
    """Make inputs for a target, of its seeds and of nonsense."""
    seeds = sorted(target.seeds())
    lines = sorted({line for s in seeds for line in s.splitlines()})
    words = sorted({word for line in lines for word in line.split()})
    pieces = st.one_of(
        st.sampled_from(TOKENS),
        *(st.sampled_from(each) for each in (lines, words) if each),
        st.text(max_size=8).map(_encoded),
        st.binary(max_size=8),
    )
    spliced = st.builds(
        _spliced,
        st.sampled_from(seeds),
        st.lists(
            st.tuples(st.floats(0, 1), st.integers(0, 16), pieces),
            min_size=1,
            max_size=4,
        ),
    )
    return st.one_of(
        spliced,
        st.lists(pieces, max_size=12).map(b'\n'.join),
        st.lists(pieces, max_size=6).map(b''.join),
        st.text().map(_encoded),
    )


def _encoded(text: str) -> bytes:
    return text.encode(errors='surrogatepass')


def _spliced(seed: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """Put pieces into a seed.

    :param changes: for each where it begins, in parts of the whole, how many
        bytes it replaces, and what is there then
    """
    for where, length, piece in changes:
        start = round(where * len(seed))
        seed = seed[:start] + piece + seed[start + length :]
    return seed
