"""A stream of results from threads of this process, with a bounded number of items under way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_threads(
    function: Callable[[T], R],
    items: Iterable[T],
    threads: int,
    window: Callable[[], int],
    cancel: Callable[[], None] = lambda: None,
) -> Generator[R, None, None]:
    """Yield ``function(item)`` for every item as they finish, raising what ``function`` raises.

    Nothing starts before the first result is asked for; items are pulled in the caller's thread.
    When the stream ends early (an exception, Ctrl-C, ``close()``) items that wait are dropped, and
    those being worked on are waited for.

    Args:
        function: runs on a thread.
        items: pulled as needed.
        threads: most items worked on at once.
        window: how many items may be under way (worked on, waiting, or finished but not yet
            asked for); asked again before every pull.
        cancel: hurries items that are being worked on when the stream ends early; it is called
            again as long as some are.
    """
    remaining, pending = iter(items), set[Future[R]]()
    done: SimpleQueue[Future[R]] = SimpleQueue()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="landcover")
    try:
        while True:
            for item in islice(remaining, max(0, window() - len(pending))):
                pending.add(future := pool.submit(function, item))
                future.add_done_callback(done.put)
            if not pending:
                return
            pending.remove(future := done.get())
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        # A future that the pool has cancelled is done, but wait() would wait for it for ever.
        while running := [future for future in pending if not future.done()]:
            cancel()
            wait(running, timeout=0.5)
        pool.shutdown()
