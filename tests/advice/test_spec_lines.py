"""The spec line of an edit in a checkout, through macros, and the maintainers of its source."""

from __future__ import annotations

from bot.advice.advise import Wish, advise
from bot.advice.maintainers import Maintainers
from bot.advice.requests import Job
from bot.advice.spec_lines import SpecLines, with_places
from bot.spec.setting import SpecSetting
from tests.closure.conftest import request

SPEC = """\
%global helper_name helper
Name: app-source
Version: 1
Release: 1
Summary: s
License: MIT
%description
d
%package -n app
Summary: s
Requires: %{helper_name} >= 1
%description -n app
d
%files -n app
"""


def image(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", source="app-source-1-1", requires=["helper >= 1"])
    base.package("helper-0:1-1.x86_64", size=9000)
    return advise([Job(tiny.pool(base), request("app"))], Wish(1))


def placed(advices, checkout, maintainers=()):
    lines = SpecLines(checkout, lambda key: SpecSetting())
    (found,) = with_places(advices, maintainers, lines)
    ((change,),) = (plan.changes for plan in found.plans)
    return change


def test_an_edit_names_the_line_that_states_its_requirement(tiny, tmp_path):
    checkout = tmp_path / "checkout" / "SPECS" / "app"
    checkout.mkdir(parents=True)
    (checkout / "renamed.spec").write_text(SPEC)
    change = placed(image(tiny), tmp_path / "checkout")
    assert (change.spec.path, change.spec.line) == ("SPECS/app/renamed.spec", 11)
    assert change.spec.text == "Requires: %{helper_name} >= 1"


def test_a_source_whose_spec_is_not_there_has_no_line(tiny, tmp_path):
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "other.spec").write_text("Name: other\n")
    assert placed(image(tiny), tmp_path / "checkout").spec is None


def test_the_first_list_that_names_a_source_counts(tiny, tmp_path):
    (tmp_path / "checkout").mkdir()
    lists = [
        Maintainers({}),
        Maintainers({"app-source": ("ann",)}),
        Maintainers({"app-source": ("ben",)}),
    ]
    assert placed(image(tiny), tmp_path / "checkout", lists).maintainers == ("ann",)
