"""The CI systems that are known, and the change that each says it runs for.

Everything is read from environment variables that the systems document:
https://docs.github.com/en/actions/reference/workflows-and-actions/variables and
.../events-that-trigger-workflows; https://forgejo.org/docs/latest/user/actions/reference/;
https://docs.gitlab.com/ci/variables/predefined_variables/;
https://www.jenkins.io/doc/book/pipeline/multibranch/;
https://zuul-ci.org/docs/zuul/latest/job-content.html (`origin` has refs of the state before the
change, release note of 3.0.1); https://packit.dev/docs/configuration/upstream/tests.
What they leave unsaid (which refs a clone has, what is unset when) was read in actions/checkout,
gitlab-runner, git-plugin, packit-service, and zuul-jobs' prepare-workspace-git.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from bot.errors import UsageError
from bot.git.history import Commit

# The remote's default branch (no runner's clone has it): the base of a new branch.
_DEFAULT = Commit("refs/remotes/origin/HEAD", "origin", "HEAD")
_ZUULS_ORIGIN = "file:///dev/null"

System = Literal["github", "forgejo", "gitlab", "jenkins", "zuul", "packit"]
Variables = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A pull or merge request that can be commented on; `token` is None if there is none."""

    forge: Literal["github", "forgejo", "gitlab"]
    api_url: str
    web_url: str
    repository: str
    number: int
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CiRun:
    """The subject of one run: the commits, the base branch, the change request.

    `fallback` is a second base, if the first one cannot be fetched: after a forced push the
    previous commit may be nowhere, and a fork may not read the project that it comes from.
    `summary` is the Markdown file that the system shows as the run's summary; `attachments` is the
    folder whose files it stores with the run. Each is None if there is none.
    """

    system: System
    base: Commit
    head: Commit
    branch: str | None
    fallback: Commit | None = None
    change: ChangeRequest | None = None
    summary: Path | None = None
    attachments: Path | None = None


@dataclass(frozen=True, slots=True)
class Clone:
    """The checked-out branch, and the URL of the remote origin; None if there is none."""

    branch: str | None = None
    origin: str | None = None


def find_run(name: str, variables: Variables, clone: Clone) -> CiRun:
    """Return the run of the CI system `name`; with `auto`, of the one whose variables are set.

    Raises UsageError if no system is found, or a variable is missing.
    """
    kind = _detect(variables, clone) if name == "auto" else name
    if kind is None:
        raise UsageError(
            "No CI system was recognized by its environment variables.",
            f"Name it: --ci {'|'.join(_READERS)}.",
        )
    return _READERS[kind](variables, clone)


def _detect(variables: Variables, clone: Clone) -> str | None:
    # Forgejo and Gitea set GitHub's variables too.
    if variables.get("FORGEJO_ACTIONS") or variables.get("GITEA_ACTIONS"):
        return "forgejo"
    for variable, system in (
        ("GITHUB_ACTIONS", "github"),
        ("GITLAB_CI", "gitlab"),
        ("PACKIT_FULL_REPO_NAME", "packit"),
        ("JENKINS_URL", "jenkins"),
    ):
        if variables.get(variable):
            return system
    # Zuul sets no variables; its clones have no remote to fetch from.
    return "zuul" if clone.origin == _ZUULS_ORIGIN else None


def _require(variables: Variables, name: str, system: str) -> str:
    value = variables.get(name)
    if not value:
        raise UsageError(
            f"The variable {name}, which {system} sets, is not in the environment.",
            "Pass it to this process, or use --base and --head.",
        )
    return value


class _Ref(BaseModel):
    """A branch and its commit in GitHub's events."""

    ref: str = ""
    sha: str


class _PullRequest(BaseModel):
    number: int
    base: _Ref
    head: _Ref


class _MergeGroup(BaseModel):
    base_sha: str
    base_ref: str
    head_sha: str


class _Event(BaseModel):
    """The part of GitHub's events that names commits; Forgejo's are the same."""

    pull_request: _PullRequest | None = None
    merge_group: _MergeGroup | None = None
    before: str | None = None
    after: str | None = None


def _actions(system: Literal["github", "forgejo"], variables: Variables) -> CiRun:
    event = variables.get("GITHUB_EVENT_NAME", "")
    if event == "pull_request_target":
        raise UsageError(
            "This workflow runs for pull_request_target: with the repository's secrets, on files"
            " that anybody may have written.",
            "Run it for pull_request.",
        )
    path = Path(_require(variables, "GITHUB_EVENT_PATH", "the runner"))
    try:
        payload = _Event.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"The event at {path} cannot be read: {reason}.",
            "It is a file of the runner's: let this process read it, or use --base and --head.",
        ) from error
    base, head, branch = _commits_of_event(payload, variables)
    fallback = None if payload.pull_request or payload.merge_group else _DEFAULT
    summary = variables.get("GITHUB_STEP_SUMMARY")
    change = None
    if payload.pull_request is not None:
        server = _require(variables, "GITHUB_SERVER_URL", "the runner").rstrip("/")
        api_url = variables.get("GITHUB_API_URL") or f"{server}/api/v1"
        own = ("FORGEJO_TOKEN", "GITEA_TOKEN") if system == "forgejo" else ()
        change = ChangeRequest(
            system,
            api_url,
            server,
            _require(variables, "GITHUB_REPOSITORY", "the runner"),
            payload.pull_request.number,
            _first(variables, "MINIMIZE_TOKEN", *own, "GITHUB_TOKEN"),
        )
    return CiRun(system, base, head, branch, fallback, change, Path(summary) if summary else None)


def _commits_of_event(event: _Event, variables: Variables) -> tuple[Commit, Commit, str | None]:
    pull = event.pull_request
    if pull is not None:
        base = Commit(pull.base.sha, "origin", f"refs/heads/{pull.base.ref}")
        head = Commit(pull.head.sha, "origin", f"refs/pull/{pull.number}/head")
        return base, head, pull.base.ref
    group = event.merge_group
    if group is not None:
        base = Commit(group.base_sha, "origin", group.base_ref)
        head = Commit(group.head_sha, "origin", variables.get("GITHUB_REF"))
        return base, head, group.base_ref.removeprefix("refs/heads/")
    head_sha = event.after or _require(variables, "GITHUB_SHA", "the runner")
    ref = variables.get("GITHUB_REF", "")
    # A tag is on no branch.
    branch = ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None
    return _before(event.before), Commit(head_sha, "origin", ref or None), branch


def _before(sha: str | None) -> Commit:
    """Return the commit before a push; the default branch for a new branch, and without a push."""
    if sha is None or not sha.strip("0"):
        return _DEFAULT
    return Commit(sha, "origin")


def _gitlab(variables: Variables, clone: Clone) -> CiRun:
    del clone
    sha = _require(variables, "CI_COMMIT_SHA", "GitLab")
    number = variables.get("CI_MERGE_REQUEST_IID")
    if number is None:
        before = _before(variables.get("CI_COMMIT_BEFORE_SHA"))
        branch = variables.get("CI_COMMIT_BRANCH")
        return CiRun("gitlab", before, Commit(sha, "origin"), branch, _DEFAULT)
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise UsageError(
            f"The variable CI_MERGE_REQUEST_IID is not a number: {number[:40]!r}.",
            "Pass it as GitLab sets it, or use --base and --head.",
        )
    branch = _require(variables, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "GitLab")
    project_url = _require(variables, "CI_MERGE_REQUEST_PROJECT_URL", "GitLab")
    # A fork's pipeline runs in the fork, whose clone has no target branch. If the project cannot
    # be read from there, the fork has the merge base that GitLab names too.
    own = variables.get("CI_MERGE_REQUEST_PROJECT_ID") == variables.get("CI_PROJECT_ID")
    remote = "origin" if own else f"{project_url}.git"
    merge_base = variables.get("CI_MERGE_REQUEST_DIFF_BASE_SHA")
    ref = f"refs/heads/{branch}"
    # Empty unless the pipeline is of the merged result.
    head = variables.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or sha
    change = ChangeRequest(
        "gitlab",
        _require(variables, "CI_API_V4_URL", "GitLab"),
        _require(variables, "CI_SERVER_URL", "GitLab"),
        _require(variables, "CI_MERGE_REQUEST_PROJECT_PATH", "GitLab"),
        int(number),
        # The job's own token cannot write notes.
        _first(variables, "MINIMIZE_TOKEN", "GITLAB_TOKEN"),
    )
    return CiRun(
        "gitlab",
        Commit(ref, remote, ref),
        Commit(head, "origin", variables.get("CI_MERGE_REQUEST_REF_PATH")),
        branch,
        Commit(merge_base, "origin") if merge_base and not own else None,
        change,
    )


def _jenkins(variables: Variables, clone: Clone) -> CiRun:
    del clone
    target = variables.get("CHANGE_TARGET")
    if target is not None:
        # HEAD may be Jenkins' own merge of both, which no remote has.
        base = Commit(f"refs/heads/{target}", "origin", f"refs/heads/{target}")
        return CiRun("jenkins", base, Commit("HEAD"), target)
    branch = (variables.get("BRANCH_NAME") or variables.get("GIT_BRANCH", "")).removeprefix(
        "origin/"
    )
    before = _before(variables.get("GIT_PREVIOUS_COMMIT"))
    return CiRun("jenkins", before, Commit("HEAD"), branch or None, _DEFAULT)


def _zuul(variables: Variables, clone: Clone) -> CiRun:
    del variables
    if clone.branch is None:
        raise UsageError(
            "Zuul has the branch of a change checked out, and here is none.",
            "Run it in the folder that zuul.project.src_dir names, or use --base and --head.",
        )
    base = Commit(f"refs/remotes/origin/{clone.branch}")
    return CiRun("zuul", base, Commit("HEAD"), clone.branch)


def _packit(variables: Variables, clone: Clone) -> CiRun:
    del clone
    branch = variables.get("PACKIT_TARGET_BRANCH")
    if variables.get("PACKIT_TARGET_SHA"):
        source = variables.get("PACKIT_SOURCE_BRANCH")
        base = Commit(
            variables["PACKIT_TARGET_SHA"],
            _require(variables, "PACKIT_TARGET_URL", "Packit"),
            f"refs/heads/{branch}" if branch else None,
        )
        head = Commit(
            _require(variables, "PACKIT_SOURCE_SHA", "Packit"),
            _require(variables, "PACKIT_SOURCE_URL", "Packit"),
            f"refs/heads/{source}" if source else None,
        )
    else:
        # For a commit or a release Packit does not name the previous commit.
        sha = _require(variables, "PACKIT_COMMIT_SHA", "Packit")
        base, head = Commit(f"{sha}^"), Commit(sha, "origin")
    # https://tmt.readthedocs.io/en/stable/overview.html#test-variables
    attachments = variables.get("TMT_TEST_DATA") or variables.get("TMT_PLAN_DATA")
    return CiRun(
        "packit", base, head, branch, attachments=Path(attachments) if attachments else None
    )


def _first(variables: Variables, *names: str) -> str | None:
    return next((value for name in names if (value := variables.get(name))), None)


_READERS: Mapping[str, Callable[[Variables, Clone], CiRun]] = {
    "github": lambda variables, _: _actions("github", variables),
    "forgejo": lambda variables, _: _actions("forgejo", variables),
    "gitlab": _gitlab,
    "jenkins": _jenkins,
    "zuul": _zuul,
    "packit": _packit,
}
SYSTEMS = tuple(_READERS)
