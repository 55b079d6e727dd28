"""The comment as a maintainer reads it."""

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from bot.model.architecture import DEFAULT_ARCHITECTURES as ARCHITECTURES
from bot.model.closure import RepositoryState, SnapshotState
from bot.model.result import BuildNote, Side
from bot.model.spec import SpecLine
from bot.report.render import (
    COMMENT_MARKER,
    comment_needed,
    render_comment,
    render_nothing_any_more,
    status_line,
)
from tests.report.conftest import broken_objective


def headline(result):
    return render_comment(result).splitlines()[1].removeprefix("### ")


def tables(text):
    """Every table of the comment as a list of rows of cells, as a Markdown reader sees them."""
    found, tokens = [], MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    for index, token in enumerate(tokens):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("th_open", "td_open"):
            shown = "".join(c.content for c in tokens[index + 1].children or ())
            found[-1][-1].append(shown.replace("\N{NO-BREAK SPACE}", " "))
    return found


def test_the_marker_is_the_first_line(samples):
    assert render_comment(samples.predicted()).startswith(COMMENT_MARKER + "\n")
    assert render_nothing_any_more(samples.predicted()).startswith(COMMENT_MARKER + "\n")


def test_the_headline_names_packages_size_image_architectures_and_line(samples):
    assert headline(samples.predicted()) == (
        "This change adds 5 packages and 30.7 to 31.4 MB to **nginx** on all four architectures, "
        "because of `Requires: perl` (`nginx.spec` line 31)."
    )


def test_the_headline_names_a_library_that_only_the_build_finds(samples):
    assert headline(samples.rebuilt()).endswith("and because the build now links "
                                                "`libxslt.so.1()(64bit)`.")  # fmt: skip


def test_a_prediction_does_not_claim_that_the_build_links_something(samples):
    result = samples.result(*(samples.image(a, samples.xslt(a)) for a in ARCHITECTURES))
    assert "the build now links" not in render_comment(result)
    assert "no line can be named" in render_comment(result)


def test_an_architecture_that_differs_has_its_own_row_and_is_named(samples):
    text = render_comment(samples.one_differs())
    assert "on x86_64, aarch64 and ppc64le" in text.splitlines()[1]
    assert text.splitlines()[1].endswith("It differs on s390x.")
    images = tables(text)[0]
    assert [row[1] for row in images[1:]] == ["x86_64, aarch64, ppc64le", "s390x"]
    assert images[2][2] == "85 → 88 (+3)"


def test_architectures_that_agree_share_one_row(samples):
    images = tables(render_comment(samples.predicted()))[0]
    assert images[0] == [
        "Image", "Architectures", "Packages", "Installed size", "Change", "Evidence",
    ]  # fmt: skip
    assert len(images) == 2
    assert images[1][0] == "nginx on minimal, centos-stream-9"
    assert images[1][1:4] == ["all four", "85 → 90 (+5)", "57 to 59.7 MB → 88 to 90.6 MB"]


def test_each_added_package_has_size_requirement_and_line(samples):
    rows = {row[0]: row[1:] for row in tables(render_comment(samples.rebuilt()))[1]}
    assert rows["perl-modules"] == [
        "19.3 MB",
        "perl-interpreter requires perl(strict)",
        "Requires: perl (line 31)",
    ]
    assert rows["libxslt"] == [
        "570 kB",
        "nginx requires libxslt.so.1()(64bit)",
        "linked by the build, no line names it",
    ]
    assert rows["libxml2"][2] == "linked by the build (libxslt.so.1()(64bit))"


def test_a_package_that_is_requested_itself_is_shown_so(samples):
    (perl, *_) = samples.perl("x86_64")
    requested = replace(perl, chains=(), requested=True, spec=None, leaves_with=())
    text = render_comment(samples.result(samples.image("x86_64", (requested,))))
    assert "requested by the workload or its environment" in text


def test_a_package_that_the_solver_chose_is_not_shown_as_requested(samples):
    (perl, *_) = samples.perl("x86_64")
    chosen = replace(perl, chains=(), requested=False, spec=None, leaves_with=())
    text = render_comment(samples.result(samples.image("x86_64", (chosen,))))
    assert "chosen by the solver" in text
    assert "asked for" not in text


def test_a_generated_requirement_names_a_file(samples):
    (perl, *_) = samples.perl("x86_64")
    edge = replace(perl.chains[0][0], files=("/usr/bin/one", "/usr/bin/two"))
    scripted = replace(perl, chains=((edge,),), spec=None, leaves_with=())
    text = render_comment(samples.result(samples.image("x86_64", (scripted,))))
    assert "`nginx` requires `perl` for `/usr/bin/one` and others" in text


def test_a_line_that_takes_nothing_out_is_shown_with_what_keeps_the_package(samples):
    (perl, *_) = samples.perl("x86_64")
    link = replace(perl.chains[0][0], capability="libperl.so.5")
    stays = replace(perl, leaves_with=(), stays_by=(link,))
    text = render_comment(samples.result(samples.image("x86_64", (stays,))))
    assert "it stays without it: `nginx` requires `libperl.so.5`" in text
    assert "stays without `Requires:" in text


def test_what_comes_when_a_line_goes_is_shown(samples):
    (perl, *_) = samples.perl("x86_64")
    swapped = replace(perl, instead=(replace(perl.package.nevra, name="microperl"),))
    text = render_comment(samples.result(samples.image("x86_64", (swapped,))))
    assert "; `microperl` comes instead." in text


def test_a_multilib_package_shows_its_architecture(samples):
    (perl, *_) = samples.perl("i686")
    assert "`perl-interpreter.i686`" in render_comment(
        samples.result(samples.image("x86_64", (perl,)))
    )


def test_it_says_what_would_take_the_packages_out_again(samples):
    text = render_comment(samples.rebuilt())
    assert (
        "Without `Requires: perl` (`nginx.spec` line 31), 5 packages leave again: 30.7 to 31.4 MB."
    ) in text
    assert "`Recommends: perl` instead of `Requires: perl`" in text
    assert "`libxml2` and `libxslt` leave only when the build no longer links" in text


def test_lines_that_must_go_together_are_named_together(samples):
    other = SpecLine("nginx.spec", 32, "Requires: perl-libs")
    added = tuple(replace(a, leaves_with=(samples.SPEC, other)) for a in samples.perl("x86_64"))
    text = render_comment(samples.result(samples.image("x86_64", added)))
    assert (
        "Without `Requires: perl` (`nginx.spec` line 31) and `Requires: perl-libs` "
        "(`nginx.spec` line 32) together, 5 packages leave again"
    ) in text


def test_a_broken_objective_is_shown_below_the_headline_and_in_the_open(samples):
    text = render_comment(samples.rebuilt())
    assert (
        "This breaks the objective “nginx stays small” for **nginx** on all four architectures: "
        "installed size 90.6 to 93.2 MB, the limit is 60 MB; `perl-interpreter` is present"
    ) in text
    assert "**Objectives**" in text
    assert "<summary>Objectives" not in text


def small_growth(samples, **others):
    objective = broken_objective(
        "stays small", "installed_size", 59_990_000, 60_010_000, 60_000_000
    )
    image = samples.image("x86_64", (), changed=False, objectives=(replace(objective, **others),))
    return samples.result(image, verdict="failure")


def test_an_objective_broken_by_a_growth_below_the_noise_is_still_explained(samples):
    text = render_comment(small_growth(samples))
    assert "### No image changes by much, but an objective is violated." in text
    assert (
        "This breaks the objective “stays small” for **nginx** on x86_64: "
        "installed size 10 kB over the limit of 60 MB."
    ) in text
    assert comment_needed(small_growth(samples))


def test_a_target_says_how_far_it_is_and_what_the_change_does_to_that(samples):
    towards = {"limit": 70_000_000, "target": 50_000_000, "target_by": "2027-03-01"}
    one = small_growth(samples, **towards, met=True, worse=False, value=61_000_000)
    text = render_comment(replace(one, verdict="success")).replace("\N{NO-BREAK SPACE}", " ")
    assert "70 MB, 50 MB by 2027-03-01" in text
    assert "met; 11 MB to go to the target, 1 MB more than before" in text
    one = small_growth(
        samples, **towards, met=True, worse=False, before=61_000_000, value=49_000_000
    )
    text = render_comment(one).replace("\N{NO-BREAK SPACE}", " ")
    assert "met; the target is reached, 12 MB less than before" in text


def test_a_change_that_moves_away_from_a_late_target_names_the_target(samples):
    late = {"limit": None, "target": 45_000_000, "target_by": "2027-03-01", "due": True}
    text = render_comment(small_growth(samples, **late, value=61_000_000))
    assert "This moves further from the objective “stays small” for **nginx** on x86_64: " in text
    assert "installed size 61 MB, the target by 2027-03-01 is 45 MB." in text


def test_an_objective_that_was_broken_before_is_not_broken_by_this_change(samples):
    text = render_comment(small_growth(samples, before=60_005_000))
    assert "This moves further from the objective" in text
    assert "**further from it**" in text


def test_a_growth_limited_in_percent_alone_says_its_reason(samples):
    growth = {"metric": "growth", "before": 0, "value": 1_200_000, "limit": None}
    text = render_comment(small_growth(samples, **growth, reason="more than 2 % in one change"))
    assert "on x86_64: growth +1.2 MB (more than 2 % in one change)." in text


def test_a_package_that_no_workload_holds_is_called_by_its_name(samples):
    one = replace(
        samples.image("x86_64", samples.perl("x86_64")), key=samples.key("x86_64", "@self")
    )
    text = render_comment(samples.result(one))
    assert "to the package itself on x86_64" in text
    assert "@self" not in text
    one = replace(one, key=samples.key("x86_64", "@self:nginx-core"))
    assert "to **nginx-core** itself on x86_64" in render_comment(samples.result(one))


def test_objectives_that_are_met_are_folded(samples):
    images = [
        replace(image, objectives=tuple(o for o in image.objectives if o.met))
        for image in samples.rebuilt().images
    ]
    assert "<summary>Objectives</summary>" in render_comment(samples.result(*images))


def test_a_broken_image_is_the_headline_with_the_solvers_words(samples):
    assert headline(samples.unsolvable()) == (
        "**nginx** on s390x can no longer be installed: `nothing provides libfoo.so.2()(64bit) "
        "needed by nginx-1:1.26-2.s390x`."
    )


def test_several_broken_images_are_counted_and_listed(samples):
    (broken,) = (i for i in samples.unsolvable().images if i.changed)
    other = replace(broken, key=samples.key("s390x", "curl"))
    text = render_comment(samples.result(broken, other, verdict="failure"))
    assert "**curl** and 1 more image can no longer be installed" in text
    assert "**Can no longer be installed**" in text


def test_shrinking_is_shown_as_good_news(samples):
    assert headline(samples.shrinks()) == (
        "This change lets **nginx** shrink by 12 MB and 5 packages on all four architectures."
    )


def test_the_same_packages_grown_are_not_called_added(samples):
    image = samples.image("x86_64", (), head=samples.side(85, 58_200_000))
    assert headline(samples.result(image)) == (
        "This change makes **nginx** 1.2 MB larger on x86_64, with the same packages."
    )


def test_packages_that_come_and_go_are_both_counted(samples):
    image = samples.image(
        "x86_64", samples.perl("x86_64"), removed=(samples.package("awk", "x86_64", 5),)
    )
    assert headline(samples.result(image)) == (
        "This change adds 5 packages (31 MB) to **nginx** on x86_64, because of `Requires: perl` "
        "(`nginx.spec` line 31), and removes 1 package; in all it is 31 MB larger."
    )


def test_an_unknown_size_is_a_lower_bound_not_a_zero(samples):
    (first, *others) = samples.perl("x86_64")
    unknown = replace(first, package=replace(first.package, installed_size=None))
    result = samples.result(samples.image("x86_64", (unknown, *others)))
    assert "5 packages and at least 30.8 MB" in headline(result)
    assert tables(render_comment(result))[0][1][4] == "+30.8 MB known"


def test_many_images_are_counted_and_the_rest_folded(samples):
    text = render_comment(samples.many_images())
    assert headline(samples.many_images()) == (
        "This change adds 1 package and 570 kB to each of 25 images on all four architectures."
    )
    assert "… and 10 more images" in text
    assert "<summary>More images (10)</summary>" in text
    assert "Checked and not changed (1 image)" in text


def test_the_largest_of_many_packages_come_first_and_the_rest_is_folded(samples):
    text = render_comment(samples.many_packages())
    assert "… and 285 more packages (28.5 MB)" in text
    assert text.index("`texlive-299`") < text.index("`texlive-0`")


def test_an_image_installable_again_is_shown(samples):
    was = Side("unsolvable", ("nothing provides x",))
    image = samples.image("s390x", (), base=was, changed_packages=())
    assert headline(samples.result(image)) == "**nginx** on s390x can be installed again."


def test_an_image_broken_on_both_sides_is_shown_as_not_evaluated(samples):
    both = Side("unsolvable", ("nothing provides x",))
    image = samples.image("s390x", (), base=both, head=both, changed=False, changed_packages=())
    result = samples.result(samples.image("x86_64", samples.perl("x86_64")), image)
    assert "(s390x) could not be installed before this change either: `nothing provides x`" in (
        render_comment(result)
    )


def test_a_base_broken_everywhere_is_the_headline_of_a_neutral_result(samples):
    both = Side("unsolvable", ("nothing provides x",))
    image = samples.image("s390x", (), base=both, head=both, changed=False, changed_packages=())
    result = samples.result(image, verdict="neutral")
    assert headline(result) == (
        "Not evaluated: **nginx** on s390x could not be installed before this change either."
    )


def test_how_it_is_known_and_the_commits_and_dates_are_named(samples):
    text = render_comment(samples.rebuilt())
    assert (
        "Both sides rebuilt on x86_64, the difference transferred to aarch64, ppc64le and s390x."
        in text
    )
    assert f"Compared: {'1f' * 20} (merge base) with {'e2' * 20} (head)." in text
    assert "metadata of appstream 2024-05-07 and baseos 2024-05-06." in text
    assert "the real build follows and edits this comment" in render_comment(samples.predicted())


def test_repositories_whose_packages_run_unchecked_are_named(samples):
    unverified = replace(samples.result(samples.image("x86_64", ())), unverified=("baseos", "mine"))
    sentence = "Packages of `baseos` and `mine` run unverified: no `gpgkey` is configured."
    assert sentence in render_comment(unverified)
    assert "unverified" not in render_comment(replace(unverified, unverified=()))


def test_stale_metadata_is_shown(samples):
    old = RepositoryState("baseos", "9", "2024-01-01T00:00:00Z", "since 2024-01-02: HTTP 503")
    image = samples.image("x86_64", samples.perl("x86_64"), snapshot=SnapshotState("s", (old,)))
    assert "baseos is stale: since `2024-01-02`: HTTP 503." in render_comment(samples.result(image))


def test_a_build_from_the_cache_is_shown_and_its_log_linked(samples):
    text = render_comment(samples.rebuilt())
    assert "| `nginx.spec` | base | x86_64 | from the cache | [log](<https://bot/logs/1>) |" in text
    assert "<summary>Builds</summary>" in text


def test_a_failed_build_is_not_folded(samples):
    failed = BuildNote("head", "nginx.spec", "x86_64", "head-failed", "configure: no pcre")
    text = render_comment(replace(samples.predicted(), builds=(failed,)))
    assert "**Builds**" in text
    assert "the change does not build: configure: no pcre" in text


def test_the_hint_to_chat_and_the_page_are_there_only_when_they_are(samples):
    text = render_comment(samples.predicted())
    assert "/minimize help" not in text
    assert "full report" not in text
    text = render_comment(samples.predicted(), page_url="https://bot/checks/1", chat=True)
    assert "`/minimize help`" in text
    assert "[The full report](<https://bot/checks/1>)" in text


@pytest.mark.parametrize("limit", [65_536, 20_000, 8_000, 4_000])
def test_a_long_comment_gives_up_the_least_important_first(samples, limit):
    text = render_comment(samples.many_packages(3000), page_url="https://bot/c", limit=limit)
    assert len(text) <= limit
    assert "This change adds 3000 packages" in text
    assert "`Requires: perl`" in text
    assert "[The full report](<https://bot/c>) leaves nothing out." in text


@pytest.mark.parametrize("limit", [*range(4_000, 66_000, 3_100), 65_536])
@pytest.mark.parametrize("sample", ["many_images", "many_packages", "rebuilt"])
def test_a_comment_is_cut_at_no_place_but_between_its_parts(samples, sample, limit):
    result = samples.all[sample]()
    images = tuple(
        replace(image, added=tuple(named(a, "\N{PACKAGE}") for a in image.added))
        for image in result.images
    )
    text = render_comment(replace(result, images=images), page_url="https://bot/c", limit=limit)
    # A forge may count a character beyond the first 65,536 as two.
    assert len(text.encode("utf-16-le")) // 2 <= limit
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
    assert text.count("\n```mermaid\n") * 2 == text.count("\n```")
    assert text.rstrip().endswith("</sub>")
    assert "[The full report](<https://bot/c>) leaves nothing out." in text


def named(added, mark):
    """The package with a name in which there are signs beyond the first 65,536."""
    was = added.package.nevra
    return replace(added, package=replace(added.package, nevra=replace(was, name=was.name + mark)))


def test_the_graphs_go_before_the_tables(samples):
    whole = render_comment(samples.rebuilt())
    shorter = render_comment(samples.rebuilt(), limit=len(whole) - 1)
    assert "```mermaid" in whole
    assert "```mermaid" not in shorter
    assert "Changed packages" in shorter


def test_the_same_result_gives_the_same_comment(samples):
    result = samples.one_differs()
    turned = replace(result, images=tuple(reversed(result.images)))
    assert render_comment(turned) == render_comment(result)


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("predicted", True),
        ("unsolvable", True),
        ("shrinks", True),
        ("bad_spec", True),
        ("not_evaluated", False),
    ],
)
def test_there_is_a_comment_only_where_there_is_something_to_say(samples, name, needed):
    assert comment_needed(samples.all[name]()) is needed


def test_no_comment_while_no_image_changes(samples):
    assert not comment_needed(samples.result(samples.image("x86_64", (), changed=False)))


def test_a_change_taken_back_is_shown_in_place(samples):
    text = render_nothing_any_more(samples.result())
    assert "No image changes any more." in text
    assert "Compared:" in text


def test_the_status_is_short_plain_text(samples):
    assert status_line(samples.predicted())[0] == (
        "nginx: +5 packages, +30.7 to +31.4 MB on all four architectures (predicted)"
    )
    assert status_line(samples.rebuilt())[0] == (
        "nginx on all four architectures: installed size 90.6 to 93.2 MB, the limit is 60 MB"
        " (nginx stays small) and 1 more"
    )
    assert status_line(samples.unsolvable())[0].startswith("nginx on s390x can no longer be")
    assert status_line(samples.result())[0] == "No image changes"
    assert status_line(samples.not_evaluated())[0].startswith("Not evaluated: The sandbox")
    for make in samples.all.values():
        title, summary = status_line(make())
        assert len(title) <= 140
        assert "`" not in title and "*" not in title
        assert summary


def test_a_long_title_is_cut(samples):
    result = samples.result(verdict="neutral", problems=("word " * 100,))
    assert len(status_line(result)[0]) == 140


def test_a_figure_and_its_unit_are_not_parted_in_a_table(samples):
    text = render_comment(samples.predicted())
    assert "| 19.3\N{NO-BREAK SPACE}MB |" in text
    assert "30.7 to 31.4 MB to **nginx**" in text


def test_a_change_without_a_spec_says_so_in_comment_and_status(samples):
    assert status_line(samples.result(specs=()))[0] == "No spec file changed"
