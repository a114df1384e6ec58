"""Whether what a job makes is there and intact, and what it then says that it reads.

Inputs: the lock.json beside what lies in resources/.
"""

@functools.cache
def broken_lock(folder):
    lock = Path(folder, locks.NAME)
    broken = lock.exists() and not locks.lock_is_whole(lock)
    if broken and not in_job():
        words = "not as it was written; what it is of is made again"
        print(f"{lock}: {words}", file=sys.stderr)
    return broken


def lists_inputs(needed):
    """Whether a job says what it reads: not in a run where what it makes is there, and intact.

    That may be gone by then, or be made again for other jobs, which changes nothing for this one.
    Whoever forces a job wants what is below it as well; whoever asks, by --summary, sees all.
    """
    return needed or forced_by_user() or in_job() or not is_run()


def to_make(*outputs):
    """Whether one of these is missing, or is made again because the lock.json beside is broken."""
    missing = not all(map(os.path.exists, outputs))
    return missing or broken_lock(os.path.dirname(outputs[0]))


def existing(path, needed=True):
    """An input whose file time says nothing; made again first if the lock.json beside is broken."""
    if needed:
        if broken_lock(os.path.dirname(path)):
            force_rebuild(path)
        return path
    return path if forced_by_user() else ancient(path)
