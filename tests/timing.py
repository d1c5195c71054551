"""Processor time that other work on the machine cannot inflate much."""

import time
from collections.abc import Callable


def cpu_seconds(work: Callable[[], object], times: int = 3) -> float:
    """The least processor time in seconds of several runs: a busy machine makes a run longer, never shorter."""

    def once() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return min(once() for _ in range(times))
