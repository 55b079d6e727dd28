"""`minimize check --external-repository`: packages that somebody has built already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bot.distro.transfer import local_path
from bot.errors import UsageError
from bot.model.architecture import RPM_ARCHITECTURES

if TYPE_CHECKING:
    from bot.check.change import Change
    from bot.check.run import Prediction

NOT_WAITED_FOR = (
    "Predicted, not rebuilt: the builder is `external`, and without a forge there is no check to"
    " wait for. --external-repository takes the packages from where they are."
)


def repositories_by_arch(given: tuple[str, ...]) -> dict[str, str]:
    """The URLs with a slash at their end, by architecture; under "" the one for all others.

    Each is `[ARCH=]URL`, or a folder's path in the place of the URL. UsageError for anything else.
    """
    found: dict[str, str] = {}
    for text in given:
        arch, _, rest = text.partition("=")
        if arch not in RPM_ARCHITECTURES:
            arch, rest = "", text
        if arch in found:
            of = f"of {arch}" if arch else "of all architectures"
            raise UsageError(f"--external-repository names two repositories {of}.")
        found[arch] = _url(rest)
    return found


def _url(text: str) -> str:
    if text.startswith(("https://", "http://")):
        return f"{text.rstrip('/')}/"
    path = local_path(text) or Path(text)
    if not path.is_dir():
        raise UsageError(
            f"--external-repository {text}: there is no such folder, and it is no URL.",
            "Name the folder or URL that has `repodata`.",
        )
    return f"{path.resolve().as_uri()}/"


def check_elsewhere(
    change: Change, prediction: Prediction, repositories: Mapping[str, str]
) -> Prediction:
    """The answer on the packages of these repositories, wherever they are: it is one's own machine.

    Raises what `external_check` raises.
    """
    from bot.build.external import ExternalBuilds
    from bot.check.external import external_check, plan_given

    plan = plan_given(prediction, repositories)
    builds = ExternalBuilds(prediction.cache, tuple(repositories.values()))
    return external_check(change, prediction, plan, builds)
