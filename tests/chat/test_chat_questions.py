"""Questions answered by solving, on a tiny distribution of real RPMs, and the answers."""

import re

import pytest
import yaml

from bot.advice.requests import Job
from bot.chat.answers import compose, found_answer
from bot.chat.parser import Question, parse_line
from bot.chat.questions import ChatFinding, find_answer
from bot.check.change import open_change
from bot.check.plan import CheckOptions
from bot.check.run import predict_check
from bot.git.repository import open_repository
from tests.check.tiny import TOOL, Bench, objective

PERL = TOOL.replace("%description\n%files\n", "Requires: perl\n%description\n%files\n", 1)
OBJECTIVE = objective("web", name="tool stays small", limits={"packages": 4})


def ask(bench: Bench, line: str, head: dict[str, str | None]) -> ChatFinding:
    bench.commit(head)
    git = open_repository(bench.root / "git")
    question = parse_line(line)
    assert isinstance(question, Question)
    with open_change(git, "HEAD~1", "HEAD", branch="main") as change:
        checked = predict_check(change, CheckOptions(), bench.configuration(), bench.pools())
        return find_answer(question, checked)


def rendered(finding: ChatFinding) -> str:
    return compose(
        [(finding.question.text, found_answer(finding))],
        marker="<!-- minimize:answer 1 ab -->",
        user="ann",
        url="https://forge.example/7#1",
    )


def test_why_gives_the_chain_of_the_head_side_and_the_way_out(bench: Bench) -> None:
    finding = ask(bench, "/minimize why perl-libs", {"tool.spec": PERL})
    assert [why.key.arch for why in finding.whys] == ["aarch64", "x86_64"]
    text = rendered(finding)
    assert "`tool` \N{RIGHTWARDS ARROW} `perl` \N{RIGHTWARDS ARROW} `perl-libs`." in text
    assert "It would leave without: " in text
    assert "(predicted)" in text
    assert text.startswith("<!-- minimize:answer 1 ab -->\n")
    assert "In answer to [this comment](<https://forge.example/7#1>) of `ann`:" in text


def test_why_of_what_is_not_there_says_so(bench: Bench) -> None:
    text = rendered(ask(bench, "/minimize why systemd", {"tool.spec": PERL}))
    assert "`systemd` is not in " in text


def test_why_of_a_workload_that_the_change_does_not_touch_names_those_that_it_does(
    bench: Bench,
) -> None:
    text = rendered(ask(bench, "/minimize why perl --workload other", {"tool.spec": PERL}))
    assert "no image of the workload `other`" in text
    assert "`web`" in text


def test_the_workloads_that_there_are_are_answered_for_beside_one_that_is_not(bench: Bench) -> None:
    line = "/minimize why perl-libs --workload web --workload other"
    text = rendered(ask(bench, line, {"tool.spec": PERL}))
    assert "no image of the workload `other`. It touches those of " in text
    assert "`tool` \N{RIGHTWARDS ARROW} `perl`" in text


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("why perl-lib", "`perl-libs`"),
        ("why perllibs", "`perl-libs`"),
        ("what-if drop prel", "`perl`"),
        ("what-if drop perl from tol", "`tool`"),
    ],
)
def test_a_name_that_is_in_no_image_is_answered_with_those_like_it(
    bench: Bench, line: str, meant: str
) -> None:
    text = rendered(ask(bench, f"/minimize {line}", {"tool.spec": PERL}))
    assert re.search(f"Did you mean .*{meant}.*\\?", text)


@pytest.mark.parametrize("line", ["why perl-libs", "what-if drop perl", "why systemd"])
def test_nothing_is_shown_as_meant_where_it_is_there_or_nothing_is_like_it(
    bench: Bench, line: str
) -> None:
    assert "Did you mean" not in rendered(ask(bench, f"/minimize {line}", {"tool.spec": PERL}))


def test_a_change_that_cannot_be_evaluated_is_not_shown_to_touch_no_image(bench: Bench) -> None:
    wrong = PERL.replace("Requires: perl", "Requirs: perl", 1)
    text = rendered(ask(bench, "/minimize why perl", {"tool.spec": wrong}))
    assert "This change cannot be evaluated: `tool.spec:9`" in text
    assert "touches no image" not in text


def test_what_if_measures_what_leaves_on_every_architecture(bench: Bench) -> None:
    finding = ask(bench, "/minimize what-if drop perl from tool", {"tool.spec": PERL})
    assert [sorted(p.nevra.name for p in w.removed) for w in finding.what_ifs] == [
        ["perl", "perl-libs"],
        ["perl", "perl-libs"],
    ]
    text = rendered(finding)
    assert "2 packages would leave: `perl` and `perl-libs`." in text
    assert "Saved: **" in text


def test_what_if_of_what_nothing_requires_says_so(bench: Bench) -> None:
    text = rendered(ask(bench, "/minimize what-if drop systemd", {"tool.spec": PERL}))
    assert "nothing would leave: nothing in this image requires systemd." in text


def test_objectives_tell_how_the_images_stand(bench: Bench) -> None:
    bench.document("small", OBJECTIVE)
    text = rendered(ask(bench, "/minimize objectives", {"tool.spec": PERL}))
    assert "tool stays small" in text
    assert "4 packages" in text
    assert "broken by this change" in text


def test_no_objective_is_shown(bench: Bench) -> None:
    text = rendered(ask(bench, "/minimize objectives", {"tool.spec": PERL}))
    assert "No objective applies to the images" in text


@pytest.mark.parametrize("line", ["why perl", "what-if drop perl", "objectives"])
def test_a_change_that_touches_no_image_has_none_to_ask_about(bench: Bench, line: str) -> None:
    text = rendered(ask(bench, f"/minimize {line}", {"README": "x"}))
    assert "This change touches no image." in text


def test_an_image_that_cannot_be_installed_is_named(bench: Bench) -> None:
    broken = PERL.replace("Requires: perl", "Requires: nobody-has-this", 1)
    text = rendered(ask(bench, "/minimize why perl", {"tool.spec": broken}))
    assert "cannot be installed" in text


def test_advise_says_that_nothing_smaller_serves_the_request_of_the_head(bench: Bench) -> None:
    finding = ask(bench, "/minimize advise web", {"tool.spec": PERL})
    assert [advice.key.arch for advice in finding.advices] == ["aarch64", "x86_64"]
    text = rendered(finding)
    assert "serves this request" in text


def test_advise_on_a_workload_that_the_change_does_not_touch_says_so(bench: Bench) -> None:
    text = rendered(ask(bench, "/minimize advise other --edits 0", {"tool.spec": PERL}))
    assert "no image of the workload `other`" in text


def test_advice_obeys_what_objectives_need_and_keep(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Job] = []
    monkeypatch.setattr(
        "bot.advice.advise.advise", lambda same, wish, headers: jobs.extend(same) or ()
    )
    bench.document("small", objective("web", name="n", keep=["perl"], needs=["/usr/bin/tool"]))
    own = yaml.safe_dump({"objectives": [{"name": "o", "workload": "web", "keep": ["base"]}]})
    bench.commit({".minimize.yaml": own})
    ask(bench, "/minimize advise web", {"tool.spec": PERL})
    assert [job.needs for job in jobs] == [("/usr/bin/tool", "perl", "base")] * 2


def test_why_in_a_containerfiles_change_answers_for_its_image(bench: Bench) -> None:
    own = "images: [{file: Containerfile, repository: repo, environment: minimal}]\n"
    bench.commit({".minimize.yaml": own})
    head = {"Containerfile": "FROM example.org/tiny\nRUN dnf install -y perl\n"}
    finding = ask(bench, "/minimize why perl-libs", head)
    assert {why.key.workload for why in finding.whys} == {"Containerfile"}
    text = rendered(finding)
    assert "`perl` \N{RIGHTWARDS ARROW} `perl-libs`." in text
    assert "(predicted)" not in text
    assert "with the published packages" in text
