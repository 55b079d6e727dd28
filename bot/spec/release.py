"""%autorelease and %autochangelog: what rpmautospec makes of the git history."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rpmautospec_core import AUTORELEASE_MACRO, check_specfile_features

# rpmautospec's documentation: -p prerelease, -e extra version, -s snapshot, -b base, -n no dist.
_AUTORELEASE = (
    "%{{?-p:0.}}%{{lua:print({number} + (tonumber(rpm.expand('%{{?-b*}}')) or 1) - 1)}}"
    "%{{?-e:.%{{-e*}}}}%{{?-s:.%{{-s*}}}}%{{!?-n:%{{?dist}}}}"
)


def autorelease_definitions(number: int) -> dict[str, str]:
    """The macro definitions by which the spec file's release is the `number`th of its version."""
    return {AUTORELEASE_MACRO: _AUTORELEASE.format(number=number), "autochangelog": "%{nil}"}


def placeholder_definitions(
    spec: Path, given: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Definitions and notes for a spec file that uses rpmautospec where `given` has none."""
    features = check_specfile_features(spec, enable_caching=False)
    uses = features.has_autorelease or features.has_autochangelog
    if not uses or features.is_processed or AUTORELEASE_MACRO in given:
        return {}, ()
    notes: tuple[str, ...] = ()
    if features.has_autorelease:
        notes = ("The release is from %autorelease, and no git history was there to count it by.",)
    return autorelease_definitions(1), notes
