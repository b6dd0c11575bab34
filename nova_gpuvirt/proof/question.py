"""One thing that is taken for true of hardware, and where it is from."""

from __future__ import annotations

import dataclasses
import enum

from nova_gpuvirt import paragraph


class Certainty(enum.Enum):
    """What a claim rests on; the value is how the page says it."""

    REPORTED = 'reported'
    """users of such hardware showed an output, or told of it"""

    READ = 'read'
    """in the source or the documents of the kernel or the vendor"""

    GUESSED = 'guessed'
    """nothing says so"""


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """Whether a claim is true.

    :ivar name: one word, which reports and the page have
    :ivar about: the heading that it stands below
    :ivar claim: a sentence of the page, in reStructuredText
    :ivar source: where it is from, or what is relied on instead; may be empty
    """

    name: str
    about: str
    claim: str
    certainty: Certainty
    source: str = ''

    def item(self) -> str:
        """Print it as an item of the page's lists."""
        source = f': {self.source}' if self.source else ''
        text = f'{self.claim} (*{self.certainty.value}*{source}) [{self.name}]'
        return paragraph.fill(text, '    * ', '      ')
