"""A long piece of work on a thread of its own, so that no page waits for it and none that is run anew begins it again. Knows nothing of Streamlit."""

import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from ecgcore.progress import Progress

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818  # no error: the reader wished it
    """The reader stopped the making."""


class Making(Generic[T]):
    """The making of one thing, such as a map: begun and stopped from any page, on one thread, and kept when it is done.

    share, text  how far it is, 0 to 1, and at what
    found        the thing; None until it is made
    error        what went wrong; None where nothing did
    """

    _one_at_a_time: Final = threading.Lock()  # two at once would each take twice as long

    def __init__(self, make: Callable[[Progress], T]) -> None:
        self._make = make
        self._begun = threading.Lock()
        self._stopped = False
        self.thread: threading.Thread | None = None
        self.share, self.text = 0.0, ""
        self.found: T | None = None
        self.error: Exception | None = None

    @property
    def running(self) -> bool:
        """Whether it is on its way."""
        return self.thread is not None and self.thread.is_alive()

    def start(self) -> None:
        """Begin, unless it is on its way or done."""
        with self._begun:
            if self.running or self.found is not None:
                return
            self._stopped, self.error, self.share, self.text = False, None, 0.0, "waiting for its turn"
            self.thread = threading.Thread(target=self._work, name="making")  # no daemon: native code cut off at the end of the process would abort it
            self.thread.start()

    def stop(self) -> None:
        """End at the next step."""
        self._stopped = True

    def _work(self) -> None:
        try:
            with self._one_at_a_time:
                self._tell(0.0, "reading the signal")
                self.found = self._make(self._tell)
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001  # a thread has nobody to raise it to: the page does
            self.error = error

    def _tell(self, share: float, text: str) -> None:
        if self._stopped or not threading.main_thread().is_alive():  # the process ends: it does not wait for it
            raise Stopped
        self.share, self.text = min(share, 1.0), text
