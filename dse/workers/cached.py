"""A pool that looks up evaluations in the cache before it has them computed."""

from collections import deque
from collections.abc import Callable

from dse.design import Job, Level
from dse.store import EvaluationCache
from dse.workers.pool import Completion, EvaluatorPool


class CachedPool:
    """Puts a cache in front of another pool: the pool computes what the cache lacks, and the cache stores it.

    Args:
        pool: computes evaluations.
        key: returns the key of a job in the cache.
        cache: stores evaluations; if it is None, the pool computes every job.

    Attributes:
        reused: number of evaluations that came from the cache.
    """

    def __init__(self, pool: EvaluatorPool, key: Callable[[Job], str], cache: EvaluationCache | None) -> None:
        self._pool, self._key, self._cache = pool, key, cache
        self._ready: deque[Completion] = deque()
        self._keys: dict[tuple[int, Level], str] = {}  # of the jobs that the pool computes
        self.reused = 0

    @property
    def capacity(self) -> int:
        return self._pool.capacity

    @property
    def running(self) -> int:
        return self._pool.running + len(self._ready)

    def submit(self, job: Job) -> None:
        if self._cache is None:
            self._pool.submit(job)
            return
        key = self._key(job)
        if (result := self._cache.get(key)) is None:
            self._keys[job.trial, job.level] = key
            self._pool.submit(job)
            return
        self.reused += 1
        self._ready.append(Completion(job, result))

    def next(self) -> Completion:
        if self._ready:
            return self._ready.popleft()
        completion = self._pool.next()
        if self._cache is not None:
            key = self._keys.pop((completion.job.trial, completion.job.level))
            if completion.result is not None:
                self._cache.put(key, completion.result)
        return completion

    def close(self) -> None:
        self._ready.clear()
        self._keys.clear()
        self._pool.close()
