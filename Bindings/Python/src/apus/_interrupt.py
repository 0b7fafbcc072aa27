"""Long calls from the main thread, which Python handles signals on, and only between calls."""

import threading
from typing import Any, Callable, List

SLICE = 0.05
"""The longest time, in seconds, that the main thread waits without a look at signals such as Ctrl-C."""


def interruptible(work: Callable[[], Any], cancel: Callable[[], Any]) -> None:
    """Does something long; what a signal raises meanwhile, a KeyboardInterrupt say, calls it off.

    Args:
        work: What is to be done; on the main thread's behalf another one does it.
        cancel: Makes `work` return soon.

    Raises:
        BaseException: What `work` or the signal raised.
    """
    if threading.current_thread() is not threading.main_thread():
        work()
        return
    failures: List[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="apus call", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(SLICE)
    except BaseException:
        cancel()
        thread.join()
        raise
    if failures:
        raise failures[0]
