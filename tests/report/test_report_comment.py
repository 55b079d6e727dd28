"""The comment as a maintainer reads it."""

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from bot.model.architecture import DEFAULT_ARCHITECTURES as ARCHITECTURES
from bot.model.closure import RepositoryState, SnapshotState
from bot.model.result import Reproduction, Side
from bot.model.spec import BuildNote, SpecLine
from bot.report.comment import local_command
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
    links, tokens = [], MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    for index, token in enumerate(tokens):
        if token.type == "table_open":
            links.append([])
        elif token.type == "tr_open":
            links[-1].append([])
        elif token.type in ("th_open", "td_open"):
            shown = "".join(c.content for c in tokens[index + 1].children or ())
            links[-1][-1].append(shown.replace("\N{NO-BREAK SPACE}", " "))
    return links


def fold(text, title):
    """The first table of a fold."""
    _, _, section = text.partition(f"<summary>{title}")
    return tables(section.partition("</summary>")[2])[0]


def test_the_marker_is_the_first_line(samples):
    assert render_comment(samples.predicted()).startswith(COMMENT_MARKER + "\n")
    assert render_nothing_any_more(samples.predicted()).startswith(COMMENT_MARKER + "\n")


def test_the_headline_names_the_image_and_its_sizes(samples):
    assert headline(samples.predicted()) == (
        "\N{UPWARDS BLACK ARROW}\N{VARIATION SELECTOR-16} "
        "**nginx** grows from 57 to 88 MB (+31 MB)."
    )


def test_the_table_has_a_row_for_each_cause_the_largest_first(samples):
    head, perl, xslt = tables(render_comment(samples.rebuilt()))[0]
    assert head == ["Because of", "Comes in", "Way out"]
    assert perl == [
        "Requires: perl, nginx.spec:31",
        "5 packages, 31 MB: perl-modules 19, perl-libs 9, 3 others 2",
        "Recommends: perl: \N{MINUS SIGN}31 MB",
    ]
    assert xslt == [
        "BuildRequires: libxslt-devel, nginx.spec:14; /usr/sbin/nginx now links libxslt",
        "2 packages, 2.6 MB: libxml2 2, libxslt 0.6",
        "build without it, or move the file into a subpackage: \N{MINUS SIGN}2.6 MB",
    ]


def test_a_library_that_no_line_made_possible_names_its_file(samples):
    image = samples.image("x86_64", samples.xslt("x86_64", None), "rebuilt")
    rows = tables(render_comment(samples.result(image)))[0]
    assert rows[1][0] == "/usr/sbin/nginx now links libxslt"


def test_a_prediction_does_not_claim_that_the_build_links_something(samples):
    plain = [replace(a, generated=None) for a in samples.xslt("x86_64")]
    text = render_comment(samples.result(samples.image("x86_64", tuple(plain))))
    assert "now links" not in text
    assert "`nginx` requires `libxslt.so.1()(64bit)`, which no line states" in text


def test_an_architecture_that_differs_has_its_own_figure(samples):
    text = render_comment(samples.one_differs())
    assert "aarch64 +31 MB, ppc64le +31 MB, s390x +29 MB." in text
    assert "3 to 5 packages" in text
    rows = fold(text, "Each architecture")
    assert [row[0] for row in rows[1:]] == list(ARCHITECTURES)
    assert rows[4][1] == "85 \N{RIGHTWARDS ARROW} 88 (+3)"


def test_architectures_that_agree_are_one_sentence(samples):
    image = samples.image("x86_64", samples.perl("x86_64"))
    same = (replace(image, key=samples.key(arch)) for arch in ARCHITECTURES)
    text = render_comment(samples.result(*same))
    assert (
        "All predicted from the spec: x86_64 as above; the same on aarch64, ppc64le and s390x."
        in text
    )


def test_each_added_package_has_size_requirement_and_line(samples):
    rows = {row[0]: row[1:] for row in fold(render_comment(samples.rebuilt()), "Packages")}
    assert rows["perl-modules"] == [
        "19.3 MB",
        "perl-interpreter requires perl(strict)",
        "Requires: perl (line 31)",
    ]
    assert rows["libxslt"] == [
        "570 kB",
        "nginx requires libxslt.so.1()(64bit)",
        "found by the build (libxslt.so.1()(64bit)), with BuildRequires: libxslt-devel (line 14)",
    ]


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
    assert "none: it stays, `nginx` requires `libperl.so.5` too" in text


def test_what_comes_when_a_line_goes_is_shown(samples):
    (perl, *_) = samples.perl("x86_64")
    swapped = replace(perl, instead=(samples.nevra("microperl", "x86_64"),))
    text = render_comment(samples.result(samples.image("x86_64", (swapped,))))
    assert "and `microperl` instead" in text


def test_a_multilib_package_shows_its_architecture(samples):
    (perl, *_) = samples.perl("i686")
    assert "`perl-interpreter.i686`" in render_comment(
        samples.result(samples.image("x86_64", (perl,)))
    )


def test_lines_that_must_go_together_are_named_together(samples):
    other = SpecLine("nginx.spec", 32, "Requires: perl-libs")
    added = tuple(replace(a, leaves_with=(samples.SPEC, other)) for a in samples.perl("x86_64"))
    (row,) = tables(render_comment(samples.result(samples.image("x86_64", added))))[0][1:]
    assert row[0] == "Requires: perl, nginx.spec:31; Requires: perl-libs, nginx.spec:32"
    assert row[2] == "without both: \N{MINUS SIGN}31 MB"


def limited(samples, limit, *without):
    """nginx, 91 MB, beyond a limit; what it would be without each cause and without all."""
    image = samples.rebuilt().images[-1]
    objective = broken_objective("small", "installed_size", 57_000_000, 90_612_000, limit)
    measured = tuple(
        replace(w, installed_size=s) for w, s in zip(image.without, without, strict=True)
    )
    return samples.result(replace(image, objectives=(objective,), without=measured))


@pytest.mark.parametrize(
    ("limit", "without", "sentence"),
    [
        (
            58,
            (60, 88, 57),
            "Taking out only one still breaks the limit (60 or 88 MB). Both: back to 57 MB.",
        ),
        (
            61,
            (60, 88, 57),
            "Taking out `Requires: perl`, `nginx.spec:31` is enough for the limit (60 MB).",
        ),
        (56, (60, 88, 57), "Even without all of it (57 MB) the limit would be broken."),
    ],
)
def test_whether_one_way_out_is_enough_for_the_limit_is_measured(samples, limit, without, sentence):
    sizes = (size * 1_000_000 for size in without)
    text = render_comment(limited(samples, limit * 1_000_000, *sizes))
    assert sentence in text


def test_a_broken_limit_is_in_the_headline_and_all_are_in_a_fold(samples):
    text = render_comment(samples.rebuilt())
    assert text.splitlines()[1].endswith("“nginx stays small” allows 60 MB.")
    assert "<summary>Limits (2 broken)</summary>" in text
    assert ["absent", "**broken by this change**: 30 MB for one script"] not in fold(text, "Limits")
    assert len(fold(text, "Limits")) == 4


def small_growth(samples, **others):
    objective = broken_objective(
        "stays small", "installed_size", 59_990_000, 60_010_000, 60_000_000
    )
    image = samples.image("x86_64", (), changed=False, objectives=(replace(objective, **others),))
    return samples.result(image, verdict="failure")


def test_an_objective_broken_by_a_growth_below_the_noise_is_still_explained(samples):
    text = render_comment(small_growth(samples))
    assert "No image changes by much. “stays small” allows 60 MB (10 kB more)." in text
    assert comment_needed(small_growth(samples))


def test_a_target_says_how_far_it_is_and_what_the_change_does_to_that(samples):
    towards = {"limit": 70_000_000, "target": 50_000_000, "target_by": "2027-03-01"}
    objective = small_growth(samples, **towards, met=True, worse=False, value=61_000_000)
    text = render_comment(replace(objective, verdict="success")).replace("\N{NO-BREAK SPACE}", " ")
    assert "70 MB, 50 MB by 2027-03-01" in text
    assert "met; 11 MB to go to the target, 1 MB more than before" in text
    objective = small_growth(
        samples, **towards, met=True, worse=False, before=61_000_000, value=49_000_000
    )
    text = render_comment(objective).replace("\N{NO-BREAK SPACE}", " ")
    assert "met; the target is reached, 12 MB less than before" in text


def test_a_change_that_moves_away_from_a_late_target_names_the_target(samples):
    late = {"limit": None, "target": 45_000_000, "target_by": "2027-03-01", "due": True}
    text = render_comment(small_growth(samples, **late, value=61_000_000))
    assert "“stays small” wanted 45 MB by 2027-03-01; it was broken before." in text


def test_an_objective_that_was_broken_before_is_not_broken_by_this_change(samples):
    text = render_comment(small_growth(samples, before=60_005_000))
    assert "it was broken before" in text
    assert "**further from it**" in text


def test_a_growth_limited_in_percent_alone_says_its_reason(samples):
    growth = {"metric": "growth", "before": 0, "value": 1_200_000, "limit": None}
    text = render_comment(small_growth(samples, **growth, reason="more than 2 % in one change"))
    assert "“stays small” forbids that: more than 2 % in one change." in text


def test_a_package_that_no_workload_holds_is_said_to_be_alone(samples):
    result = replace(
        samples.image("x86_64", samples.perl("x86_64")), key=samples.key("x86_64", "@self")
    )
    text = render_comment(samples.result(result))
    assert "The package alone, on minimal, grows from" in text
    assert "@self" not in text
    result = replace(result, key=samples.key("x86_64", "@self:nginx-core"))
    assert "**`nginx-core`** alone, on minimal, grows" in render_comment(samples.result(result))


def test_a_broken_image_is_the_headline_with_the_solvers_words(samples):
    assert headline(samples.unsolvable()) == (
        "\N{CROSS MARK} **nginx** can no longer be installed on s390x: `nothing provides "
        "libfoo.so.2()(64bit) needed by nginx-1:1.26-2.s390x`."
    )


def test_two_broken_images_are_both_named(samples):
    (broken,) = (i for i in samples.unsolvable().images if i.changed)
    other = replace(broken, key=samples.key("s390x", "curl"))
    text = render_comment(samples.result(broken, other, verdict="failure"))
    assert "**curl** and **nginx** can no longer be installed" in text


def test_shrinking_is_shown_as_good_news(samples):
    text = render_comment(samples.shrinks())
    assert headline(samples.shrinks()) == (
        "\N{WHITE HEAVY CHECK MARK} **nginx** shrinks from 91 to 79 MB (\N{MINUS SIGN}12 MB)."
    )
    assert "5 packages leave, **12 MB**: `perl-0` 2, `perl-1` 2, `perl-2` 2, 2 others 5." in text


def test_the_same_packages_grown_are_not_called_added(samples):
    image = samples.image("x86_64", (), head=samples.side(85, 58_200_000))
    text = render_comment(samples.result(image))
    assert "**nginx** grows from 57 to 58 MB (+1.2 MB)." in text
    assert "No package comes in: `nginx` itself +4.1 kB." in text


def test_packages_that_come_and_go_are_both_shown(samples):
    image = samples.image(
        "x86_64", samples.perl("x86_64"), removed=(samples.package("awk", "x86_64", 5_000_000),)
    )
    text = render_comment(samples.result(image))
    assert "| 5 packages, **31\N{NO-BREAK SPACE}MB**" in text
    assert "1 package leaves, **5 MB**: `awk` 5." in text
    assert "<summary>Packages (5 in, 1 out, 1 changed)</summary>" in text


def test_an_unknown_size_is_a_lower_bound_not_a_zero(samples):
    (first, *others) = samples.perl("x86_64")
    unknown = replace(first, package=replace(first.package, installed_size=None))
    result = samples.result(samples.image("x86_64", (unknown, *others)))
    assert "(at least +31 MB)" in headline(result)
    assert "5 packages, at least 31 MB: " in tables(render_comment(result))[0][1][1]


def test_many_images_are_counted_and_the_rest_folded(samples):
    text = render_comment(samples.many_images())
    assert "25 images grow by 570 kB each (+14 MB in all)." in headline(samples.many_images())
    assert "**workload00**, **workload01**, **workload02**, **workload03** and 21 more" in text
    assert "<summary>All 26 images</summary>" in text
    assert "1 image checked and not changed:" in text


def test_images_with_the_same_arrivals_are_one_row_and_the_largest_come_first(samples):
    result = samples.image("x86_64", samples.xslt("x86_64")[:1])
    few = [replace(result, key=samples.key("x86_64", workload)) for workload in ("curl", "git")]
    more = replace(
        samples.image("x86_64", samples.perl("x86_64")), key=samples.key("x86_64", "php")
    )
    rows = tables(render_comment(samples.result(*few, more)))[1]
    assert [row[0] for row in rows] == ["Images", "php", "curl and git"]
    assert [row[2] for row in rows[1:]] == ["+31 MB", "+570 kB"]


def test_the_image_of_the_changes_own_source_leads(samples):
    many = samples.many_images(3)
    result = replace(many, sources={"workload02": None})
    assert "The same in each: **workload02**, **workload00** and **workload01**." in (
        render_comment(result)
    )


def test_the_largest_of_many_packages_come_first(samples):
    text = render_comment(samples.many_packages())
    assert "300 packages, **30\N{NO-BREAK SPACE}MB**: `texlive-299` 0" not in text
    assert "<summary>Packages (300 in, 1 changed)</summary>" in text
    assert text.index("`texlive-299`") < text.index("`texlive-0`")


def test_an_image_installable_again_is_good_news(samples):
    was = Side("unsolvable", ("nothing provides x",))
    image = samples.image("s390x", (), base=was, changed_packages=())
    assert headline(samples.result(image)) == (
        "\N{WHITE HEAVY CHECK MARK} **nginx** can be installed again: 85 packages, 60 MB."
    )


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
    assert headline(result).endswith(
        "Not evaluated: **nginx** on s390x could not be installed before this change either: "
        "`nothing provides x`."
    )
    assert render_comment(result).count("nothing provides") == 1


def test_how_it_is_known_and_the_commits_and_dates_are_named(samples):
    text = render_comment(samples.rebuilt())
    assert "x86_64, rebuilt. aarch64 +33 MB, ppc64le +34 MB, s390x +33 MB, carried over" in text
    assert f"{'e2' * 6} against {'1f' * 6}" in text
    assert "metadata of appstream 2024-05-07 and baseos 2024-05-06." in text
    assert "The build follows; then this comment is edited." in render_comment(samples.predicted())


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
    assert "<summary>Builds and metadata</summary>" in text


def test_a_failed_build_is_not_folded(samples):
    failed = BuildNote("head", "nginx.spec", "x86_64", "head-failed", "configure: no pcre")
    text = render_comment(replace(samples.predicted(), builds=(failed,)))
    shown, _, _ = text.partition("<details>")
    assert "`nginx.spec` on x86_64: the change does not build: `configure: no pcre`" in shown


def test_a_build_that_fails_on_base_alike_is_not_the_changes_fault(samples):
    head = BuildNote("head", "nginx.spec", "x86_64", "head-failed", "no sources")
    base = replace(head, side="base", outcome="base-failed")
    fine = samples.predicted()
    alone, both = (replace(fine, builds=builds) for builds in ((head,), (base, head)))
    assert "The change does not build" in headline(alone)
    assert "does not build" not in headline(both)
    first, _, _ = render_comment(both).partition("\n\n")
    assert "does not build" not in first


def test_the_hint_to_chat_and_the_page_are_there_only_when_they_are(samples):
    text = render_comment(samples.predicted())
    assert "/minimize help" not in text
    assert "full report" not in text
    assert "minimize check" not in text  # nobody said how it was made
    text = render_comment(samples.predicted(), page_url="https://bot/checks/1", chat=True)
    assert "`/minimize help`" in text
    assert "`/minimize advise nginx`" in text
    assert "[full report](<https://bot/checks/1>)" in text


def test_the_line_for_ones_own_machine_names_commits_documents_and_what_narrows(samples):
    way = Reproduction(
        ("https://forge/rpms/nginx.git", "pull/1/head", "heads/a$(b)"), ("--on", "fedora-45")
    )
    result = replace(samples.predicted(), reproduction=way)
    fetch = "git fetch https://forge/rpms/nginx.git pull/1/head 'heads/a$(b)'"
    check = "minimize check --base 1f1f1f1f1f1f --head e2e2e2e2e2e2 --on fedora-45"
    assert f"`{fetch} && {check}`" in render_comment(result)
    assert local_command(replace(result, stage="final")).endswith("--on fedora-45 --no-build")
    assert local_command(replace(samples.rebuilt(), reproduction=way)) == f"{fetch} && {check}"
    here = replace(result, head="working tree", reproduction=Reproduction())
    assert local_command(here) == "minimize check --base 1f1f1f1f1f1f"


@pytest.mark.parametrize("limit", [65_536, 20_000, 8_000, 4_000])
def test_a_long_comment_gives_up_the_least_important_first(samples, limit):
    text = render_comment(samples.many_packages(3000), page_url="https://bot/c", limit=limit)
    assert len(text) <= limit
    assert "**nginx** grows from 57 to 361 MB" in text
    assert "`Requires: perl`" in text
    assert "[full report](<https://bot/c>)" in text


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
    assert "[full report](<https://bot/c>)" in text


def named(added, mark):
    """The package with a name in which there are signs beyond the first 65,536."""
    was = added.package.nevra
    return replace(added, package=replace(added.package, nevra=replace(was, name=was.name + mark)))


def test_the_graphs_go_before_the_tables(samples):
    whole = render_comment(samples.rebuilt())
    shorter = render_comment(samples.rebuilt(), limit=len(whole) - 1)
    assert "```mermaid" in whole
    assert "```mermaid" not in shorter
    assert "| Changes | Version |" in shorter


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
    assert f"{'e2' * 6} against {'1f' * 6}" in text


def test_the_status_is_short_plain_text(samples):
    assert status_line(samples.predicted())[0] == (
        "nginx grows from 57 to 88 MB (+31 MB) (predicted)"
    )
    assert status_line(samples.rebuilt())[0] == (
        "nginx grows from 57 to 91 MB (+34 MB). “nginx stays small” allows 60 MB"
    )
    assert status_line(samples.unsolvable())[0].startswith(
        "nginx can no longer be installed on s390x"
    )
    assert status_line(samples.result())[0] == "No image changes"
    assert status_line(samples.not_evaluated())[0].startswith("Not evaluated: The sandbox")
    for make in samples.all.values():
        title, summary = status_line(make())
        assert len(title) <= 140
        assert title.count("`") % 2 == 0 and "*" not in title
        assert summary


def test_a_long_title_is_cut(samples):
    result = samples.result(verdict="neutral", problems=("word " * 100,))
    assert len(status_line(result)[0]) == 140


def test_a_figure_and_its_unit_are_not_parted_in_a_table(samples):
    text = render_comment(samples.predicted())
    assert "| 19.3\N{NO-BREAK SPACE}MB |" in text
    assert "from 57 to 88 MB" in text


def test_a_change_without_a_spec_says_so_in_comment_and_status(samples):
    assert status_line(samples.result(specs=()))[0] == "No spec file changed"
