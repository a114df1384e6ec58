"""Snakemake's inside, fourth part: these rules as a module of another workflow.

As internals.smk: a function each, tried with the version that stands there. docs/as-a-module.md has
what that workflow must do. `use rule … from` reads all of these files again, each time.
"""

import os
import tarfile
import tempfile

# What is known of these rules wherever they are used: their names there, their paths, their config.
OURS = workflow.modifier


def shared(name, value):
    """A value that is the same each time that these files are read in one process."""
    return workflow.__dict__.setdefault(f"llm_frontier_{name}", value)


def is_module():
    """Whether these rules are part of another workflow, which takes no `onstart` from a module."""
    return not part(OURS, "is_main_snakefile")()


def module_study():
    """The study as the other workflow gives it, by `config:`; None where it gives none."""
    given = is_module() and part(OURS, "skip_configfile")
    return dict(OURS.globals["config"]) if given else None


def code_folder():
    """The folder of this checkout; a copy of it where Snakemake reads rules out of a repository.

    Snakemake copies the rules' own files alone, and programs need all of their modules.
    """
    rules = workflow.current_basedir
    if hasattr(rules, "hosted_repo"):
        repository = rules.hosted_repo.repo
    elif hasattr(rules, "repo_path"):
        import git

        repository = git.Repo(rules.repo_path)
    else:
        return Path(rules.get_path_or_uri(secret_free=True)).parents[1]
    commit = repository.commit(rules.ref)
    folder = Path(".snakemake/llm-frontier", commit.hexsha).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as half:
        if not folder.exists():
            archive, parts = Path(half, "archive.tar"), (
                "config",
                "resources/report",
                "workflow",
            )
            with archive.open("wb") as file:
                repository.archive(file, commit, path=parts)
            with tarfile.open(archive) as content:
                content.extractall(Path(half, "whole"), filter="data")
            try:
                Path(half, "whole").rename(folder)
            except OSError:  # another process was first
                pass
    return folder


def is_ours(job, name=None):
    """Whether a job is of these rules, or of one of them by the name that it has here."""
    if name:
        return job.rule.name == part(OURS, "modify_rulename")(name)
    return job.rule.name in {one.name for one in part(OURS, "rules")}


def give_others(resource, amount):
    """Have each rule of another workflow take a resource that it does not name itself."""
    ours = part(OURS, "rules")
    for one in workflow.rules if is_module() else ():
        if one not in ours:
            one.resources.setdefault(resource, amount)


def around_jobs(start, success):
    """Call these as `onstart` and `onsuccess`, which a module has none of, beside the other's."""
    for name, ours in (("_onstart", start), ("_onsuccess", success)):
        theirs = part(workflow, name)
        setattr(
            workflow, name, lambda log, ours=ours, theirs=theirs: [ours(), theirs(log)]
        )


def check_paths():
    """End where another workflow asks for other paths than those that our programs know."""
    path = str(layout.report())
    if part(OURS, "path_modifier").replace_prefix(path, "output") != path:
        end_run(
            "llm-frontier is used as a module with `prefix` or `replace_prefix`, which move its"
            f" paths without its programs: leave them out, results go to {layout.RESULTS}/"
        )
