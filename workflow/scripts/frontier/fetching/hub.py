"""Files of a Hugging Face hub repository at one commit, in the hub's own cache on this machine.

Files in the cache (HF_HOME) are not downloaded again, and a complete pinned commit needs no network
at all. An interrupted download resumes with its unfinished files.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Literal

from frontier.errors import UserError, one_line
from frontier.fetching import contents
from frontier.host import caches
from frontier.values import visible_files

Kind = Literal["model", "dataset"]
HUB = "https://huggingface.co"
COMMIT = re.compile("[0-9a-f]{40}")
TIMEOUT_S = 20


@dataclass(frozen=True)
class Snapshot:
    """The files of a repository at a commit, by their names there, and their folder."""

    commit: str
    folder: Path
    files: dict[str, Path]
    listed: frozenset[str]
    """The names of all files of the repository at that commit, fetched or not."""


def page(repo: str, kind: Kind) -> str:
    """The web page of a repository."""
    return f"{HUB}/{'datasets/' if kind == 'dataset' else ''}{repo}"


def how_to_open(repo: str, kind: Kind) -> str:
    """Instructions to get access to a gated repository."""
    return (
        f"accept its licence at {page(repo, kind)}, then export HF_TOKEN=YOUR_TOKEN and run again"
    )


def require_token(repo: str, revision: str) -> None:
    """Raises UserError if a gated model is not cached and there is no token to fetch it."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, "config.json", cache_folder(), revision)
    here = isinstance(found, str)
    if not here and not os.environ.get("HF_TOKEN"):
        raise UserError(f"{repo} is gated: {how_to_open(repo, 'model')}")


def snapshot(
    repo: str,
    revision: str,
    kind: Kind,
    include: tuple[str, ...],
    exclude: tuple[str, ...] = (),
    gated: bool = False,
    hint: str = "",
) -> Snapshot:
    """Fetches the files that match `include` and not `exclude` (globs over whole names).

    `gated`: a token is needed; `hint` ends the message if the hub is unreachable.
    The token is read from HF_TOKEN only. Each file is checked against the hash that the hub lists.
    Raises UserError for everything that can go wrong on the way.
    """
    print(f"fetching {repo} at {revision} from the hub", file=sys.stderr, flush=True)
    with caches.shared():
        try:
            folder = _folder(repo, revision, kind, include, exclude, gated)
            listed = _listed(repo, folder.name, kind)
        except UserError:
            raise
        except Exception as error:
            raise user_error(error, repo, revision, kind, hint) from None
        if shared := cache_folder():
            name = folder.parents[1].name
            for part in (shared / name / "trees", shared / ".locks" / name):
                for path in part.glob("*"):  # which the library makes private
                    caches.open_to_users(path)
        found = _chosen(folder, include, exclude)
        for name, path in found.items():
            _check(f"{repo} at {revision}: {name}", path)
    return Snapshot(folder.name, folder, found, listed)


def cache_folder() -> Path | None:
    """The hub's folder in the shared cache; None for the hub's own, which HF_HOME names."""
    shared = caches.root()
    return None if shared == caches.OWN or "HF_HOME" in os.environ else shared / "hub"


def _folder(
    repo: str,
    revision: str,
    kind: Kind,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    gated: bool,
) -> Path:
    """The cache's folder with the files at the commit that `revision` stands for."""
    import huggingface_hub as hf  # takes half a second, which readers of local folders avoid
    from huggingface_hub import errors
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    token = os.environ.get("HF_TOKEN", "").strip() or False
    get = partial(
        hf.snapshot_download,
        repo,
        repo_type=kind,
        allow_patterns=list(include),
        ignore_patterns=list(exclude),
        token=token,
        cache_dir=cache_folder(),
    )
    if COMMIT.fullmatch(revision):
        try:
            # Only the list of the commit's files shows whether all are there.
            _listed(repo, revision, kind)
            return Path(get(revision=revision, local_files_only=True))
        except (errors.CachedRepoTreeNotFoundError, errors.LocalEntryNotFoundError):
            pass  # to be fetched
    if gated and not token:
        raise UserError(f"{repo} is gated: {how_to_open(repo, kind)}")
    # Asked first because, unlike the download, this does not retry for half a minute.
    api = hf.HfApi(token=token)
    commit = api.repo_info(repo, repo_type=kind, revision=revision, timeout=TIMEOUT_S).sha
    return Path(get(revision=commit))


def _listed(repo: str, commit: str, kind: Kind) -> frozenset[str]:
    """All files of a commit, as the hub listed them at the time of the fetch."""
    import huggingface_hub as hf

    tree = hf.get_cached_repo_tree(repo, repo_type=kind, revision=commit, cache_dir=cache_folder())
    return frozenset(file.path for file in tree)


def user_error(error: Exception, repo: str, revision: str, kind: Kind, hint: str) -> Exception:
    """The UserError for a library's error; the error itself if the user cannot have caused it."""
    from huggingface_hub import errors

    what = f"{repo} at {revision}"
    if isinstance(error, errors.GatedRepoError):
        refused = " (the HF_TOKEN given has no access)" if os.environ.get("HF_TOKEN") else ""
        return UserError(f"{repo} is gated: {how_to_open(repo, kind)}{refused}")
    if isinstance(error, errors.RevisionNotFoundError):
        return UserError(f"{repo} has no revision {revision}: see {page(repo, kind)}/commits")
    if isinstance(error, errors.RepositoryNotFoundError):
        return UserError(
            f"the hub has no {kind} {repo}, or it is private: check the id, or export HF_TOKEN"
        )
    if isinstance(error, errors.HFValidationError):
        return UserError(f"{repo}: not the id of a repository ({one_line(error)})")
    # The hub's library does not promise which HTTP client it uses, so match it by name.
    client = type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore2")
    away = (
        *(errors.HfHubHTTPError, errors.FileMetadataError, errors.LocalEntryNotFoundError),
        *(errors.CachedRepoTreeNotFoundError, ConnectionError, TimeoutError),
    )
    if client or isinstance(error, away):
        endpoint = os.environ.get("HF_ENDPOINT") or HUB
        cause = one_line(error.__cause__ or error)[:200]
        return UserError(f"cannot fetch {what} from {endpoint} ({cause}){hint}")
    if isinstance(error, errors.XetDownloadError) or (
        isinstance(error, OSError) and error.errno is None  # the library's own, not the disk's
    ):
        return UserError(
            f"download of {what} was interrupted; run again to resume ({one_line(error)})"
        )
    return error


def _chosen(folder: Path, include: tuple[str, ...], exclude: tuple[str, ...]) -> dict[str, Path]:
    """The requested files, of all that earlier fetches may have left in the cache's folder."""
    return {
        name: path
        for name, path in visible_files(folder).items()
        if any(fnmatchcase(name, glob) for glob in include)
        and not any(fnmatchcase(name, glob) for glob in exclude)
    }


def _check(what: str, path: Path) -> None:
    """Checks a file against the hash in its name: sha256, or git's for small files.

    An altered file is removed from the cache, so that the next run fetches it again.
    """
    if not path.is_symlink():
        return  # on a file system without links the cache does not record the hash
    listed = path.readlink().name
    if len(listed) == 64:
        found = contents.digest(path)
    elif len(listed) == 40:
        body = path.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
    else:
        return
    if found != listed:
        path.resolve().unlink()
        path.unlink()
        raise UserError(
            f"{what} was altered in transit: its hash is {found[:12]}…, the hub lists "
            f"{listed[:12]}…; it was deleted, run again to fetch it"
        )
