"""What the report says of composed layers and of the files that move."""

from dataclasses import replace

from bot.model.result import CheckResult, FileChange, LayerSize
from bot.model.result_json import check_from_json, check_to_json
from bot.report.render import render_comment


def comment_of(result: CheckResult) -> str:
    """The comment, its no-break spaces as plain ones."""
    return render_comment(result).replace("\xa0", " ")


def with_layers(result: CheckResult) -> CheckResult:
    """Every side weighs something; x86_64 only names a file."""
    images = tuple(
        replace(
            image,
            base=replace(image.base, layer=LayerSize(30_000_000, 12_000_000, 9_000_000)),
            head=replace(image.head, layer=LayerSize(99_000_000, 43_000_000, 39_000_000)),
            files=(FileChange("libicu", "/usr/lib64/libicudata.so.72", None, 31_300_000),),
        )
        for image in result.images
    )
    return replace(result, images=images)


def test_what_a_registry_transfers_is_in_the_headline_once_layers_are_composed(samples) -> None:
    rebuilt = samples.rebuilt()
    assert "pull" not in comment_of(rebuilt).splitlines()[1]
    comment = comment_of(with_layers(rebuilt))
    assert "; pull 12 → 43 MB)." in comment.splitlines()[1]
    assert "12 MB → 43 MB" in comment


def test_the_files_that_move_are_behind_a_fold(samples) -> None:
    rebuilt = samples.rebuilt()
    comment = comment_of(with_layers(rebuilt))
    _, _, folded = comment.partition("<summary>Files that move most</summary>")
    assert "`/usr/lib64/libicudata.so.72`" in folded
    assert "new, 31.3 MB | +31.3 MB |" in folded


def test_a_file_that_goes_and_one_that_grows_are_distinguished(samples) -> None:
    removed = FileChange("a", "/a", 2_000_000, None)
    grown = FileChange("b", "/b", 2_000_000, 3_000_000)
    image = replace(samples.image("x86_64", samples.perl("x86_64")), files=(removed, grown))
    comment = comment_of(samples.result(image))
    assert "gone, was 2 MB | \N{MINUS SIGN}2 MB |" in comment
    assert "2 MB → 3 MB | +1 MB |" in comment


def test_layers_and_files_survive_their_json(samples) -> None:
    rebuilt = samples.rebuilt()
    result = with_layers(rebuilt)
    again = check_from_json(check_to_json(result))
    assert [i.files for i in again.images] == [i.files for i in result.images]
    assert [i.head.layer for i in again.images] == [i.head.layer for i in result.images]
