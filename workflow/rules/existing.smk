"""Checks that a job's outputs exist and are intact, and the inputs that it then lists.

Inputs: the lock.json files in resources/.
"""

@functools.cache
def broken_lock(folder):
    lock = Path(folder, locks.NAME)
    broken = lock.exists() and not locks.lock_is_whole(lock)
    if broken and not in_job():
        words = "altered since it was written; its result is rebuilt"
        print(f"{lock}: {words}", file=sys.stderr)
    return broken


def lists_inputs(needed):
    """True if a job lists its inputs: not in a run where its outputs exist and are intact.

    Its inputs may have been deleted, or be rebuilt for other jobs, which changes nothing for this
    one. Forcing a job includes the jobs below it; --summary and the like show all inputs.
    """
    return needed or forced_by_user() or in_job() or not is_run()


def to_make(*outputs):
    """True if an output is missing, or must be rebuilt because its lock.json is damaged."""
    missing = not all(map(os.path.exists, outputs))
    return missing or broken_lock(os.path.dirname(outputs[0]))


def existing(path, needed=True):
    """An input whose file time is ignored; rebuilt first if its lock.json is damaged."""
    if needed:
        if broken_lock(os.path.dirname(path)):
            force_rebuild(path)
        return path
    return path if forced_by_user() else ancient(path)
