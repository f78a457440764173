"""What a pass proposes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fuzzconv.case import Case


class Edit(NamedTuple):
    """A variant of a case, made when asked for.

    Attributes:
        label: equal for the same change to the same part of a case.
        make: builds the variant; None, or an invalid model, when the change does not work out.
    """

    label: str
    make: Callable[[], Case | None]


Pass = Callable[[Case], Iterator[Edit]]
