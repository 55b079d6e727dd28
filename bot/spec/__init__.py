"""Sandboxed evaluation of spec files; predicted overlays; which line says what."""

from bot.spec.architecture_difference import unlike, used_unlike
from bot.spec.difference import SpecDependencyChange, changed_lines
from bot.spec.evaluate import SPEC_LIMITS, evaluate_spec
from bot.spec.headers import GeneratedFlags, Headers, flags_in_header, generated_flags
from bot.spec.macros import BUILT_IN, MacroFinder, MacroSource
from bot.spec.predict import Prediction, predict
from bot.spec.release import release_definitions
from bot.spec.rpm_version import DistributionRpm, RpmVersion, host_rpm, published_rpm
from bot.spec.setting import SpecSetting, commonest_dist, setting_of
from bot.spec.unexpanded import unexpanded_sentence

__all__ = [
    "BUILT_IN",
    "SPEC_LIMITS",
    "DistributionRpm",
    "GeneratedFlags",
    "Headers",
    "MacroFinder",
    "MacroSource",
    "Prediction",
    "RpmVersion",
    "SpecDependencyChange",
    "SpecSetting",
    "changed_lines",
    "commonest_dist",
    "evaluate_spec",
    "flags_in_header",
    "generated_flags",
    "host_rpm",
    "predict",
    "published_rpm",
    "release_definitions",
    "setting_of",
    "unexpanded_sentence",
    "unlike",
    "used_unlike",
]
