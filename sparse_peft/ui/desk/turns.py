"""One at a time with what two tabs of one person might change at once."""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary


class Turns:
    """A lock for each key, which is there for as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, threading.Lock] = WeakValueDictionary()
        self._asking = threading.Lock()

    def __len__(self) -> int:
        return len(self._locks)

    @contextmanager
    def of(self, key: Hashable) -> Iterator[None]:
        """Inside it, nobody else is inside with this key."""
        with self._asking:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            yield
