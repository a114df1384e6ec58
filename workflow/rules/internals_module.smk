"""Snakemake's internals, part four: these rules as a module of another workflow.

See internals.smk. docs/as-a-module.md says what that workflow must do. Each `use rule … from` reads
all of these files again.
"""

import os
import tarfile
import tempfile

# State shared by all uses of these rules: their names there, their paths, their config.
OURS = workflow.modifier


def shared(name, value):
    """A value shared by all readings of these files in one process."""
    return workflow.__dict__.setdefault(f"llm_frontier_{name}", value)


def is_module():
    """True if these rules are part of another workflow, which ignores a module's `onstart`."""
    return not part(OURS, "is_main_snakefile")()


def module_study():
    """The study that the other workflow gives by `config:`; None if it gives none."""
    given = is_module() and part(OURS, "skip_configfile")
    return dict(OURS.globals["config"]) if given else None


def code_folder():
    """The folder of this checkout; a copy of it if Snakemake reads the rules from a repository.

    Snakemake copies only the rules' own files, and the programs need all of their modules.
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
    """True if a job belongs to these rules, or to the one of them with the given name."""
    if name:
        return job.rule.name == part(OURS, "modify_rulename")(name)
    return job.rule.name in {one.name for one in part(OURS, "rules")}


def give_others(resource, amount):
    """Makes each rule of another workflow use a resource that it does not name itself."""
    ours = part(OURS, "rules")
    for one in workflow.rules if is_module() else ():
        if one not in ours:
            one.resources.setdefault(resource, amount)


def around_jobs(start, success):
    """Calls these as `onstart` and `onsuccess`, which modules lack, after the other workflow's."""
    for name, ours in (("_onstart", start), ("_onsuccess", success)):
        theirs = part(workflow, name)
        setattr(
            workflow, name, lambda log, ours=ours, theirs=theirs: [ours(), theirs(log)]
        )


def check_paths():
    """Ends the run if another workflow asks for paths that our programs do not know."""
    path = str(layout.report())
    if part(OURS, "path_modifier").replace_prefix(path, "output") != path:
        end_run(
            "llm-frontier is used as a module with `prefix` or `replace_prefix`, which move its"
            f" paths without its programs: leave them out, results go to {layout.RESULTS}/"
        )
