"""A pool that looks evaluations up before it has them done."""

from collections import deque
from collections.abc import Callable

from dse.design.evaluation import Job
from dse.store.cache import EvaluationCache
from dse.workers.pool import Completion, EvaluatorPool


class CachedPool:
    """Another pool with a cache in front; what it does not have yet is done by the pool, and kept.

    Args:
        pool: that evaluates.
        key: of a job in the cache.
        cache: of evaluations; for ``None`` every job is the pool's.

    Attributes:
        reused: how many evaluations came from the cache.
    """

    def __init__(self, pool: EvaluatorPool, key: Callable[[Job], str], cache: EvaluationCache | None) -> None:
        self._pool, self._key, self._cache = pool, key, cache
        self._found: deque[Completion] = deque()
        self.reused = 0

    @property
    def capacity(self) -> int:
        return self._pool.capacity

    @property
    def running(self) -> int:
        return self._pool.running + len(self._found)

    def submit(self, job: Job) -> None:
        result = self._cache.get(self._key(job)) if self._cache else None
        if result is None:
            self._pool.submit(job)
            return
        self.reused += 1
        self._found.append(Completion(job, result))

    def next(self) -> Completion:
        if self._found:
            return self._found.popleft()
        completion = self._pool.next()
        if self._cache and completion.result is not None:
            self._cache.put(self._key(completion.job), completion.result)
        return completion

    def close(self) -> None:
        self._found.clear()
        self._pool.close()
