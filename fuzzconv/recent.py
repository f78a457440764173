"""The last few answers to costly questions, for askers who soon ask the same again (``Recent``)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A memory that forgets what was not asked for longest; several threads may share it.

    ``squares: Recent[int, int] = Recent(16); squares.ask(3, lambda: 3 * 3)``

    Args:
        most: how many answers it keeps.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: OrderedDict[K, V] = OrderedDict()
        self._lock = Lock()

    def ask(self, key: K, answer: Callable[[], V], keep: Callable[[V], bool] = lambda _: True) -> V:
        """The answer given to ``key`` before, else a new one, kept if ``keep`` says so."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        new = answer()
        if keep(new):
            self._put(key, new)
        return new

    def _put(self, key: K, value: V) -> None:
        with self._lock:
            self._answers[key] = value
            if len(self._answers) > self._most:
                self._answers.popitem(last=False)
