"""`minimize image`: an OCI image layout; `minimize advisories`: the fixes that one lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import Choice, Places, formats, image_choice, on_documents, pools_and_requests
from bot.cli.output import echo, print_json, print_text, progress_bar
from bot.errors import ChangeError, UsageError

if TYPE_CHECKING:
    from bot.distro.documents import Configuration
    from bot.image.compose import ComposedImage, ComposedLayout
    from bot.image.lock import ImageDescription
    from bot.model.image import ImageKey
    from bot.model.package import Package
    from bot.surface.advisories import PinnedFixes

_SCHEME = "oci:"


@click.command()
@image_choice(workload_argument=True)
@click.option("--output", metavar="oci:DIR", required=True, help="The layout's folder.")
@click.option(
    "--lock",
    "lock_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Make the image of this lock file again, from its packages.",
)
@click.option(
    "--compression", type=click.Choice(["gzip", "zstd"]), help="Of the layer; default: gzip."
)
@click.option("--revision", metavar="COMMIT", help="The source commit, for the image's labels.")
@click.option("--push", metavar="REGISTRY/NAME:TAG", help="Send the result to a registry, too.")
@click.option("--jobs", type=click.IntRange(1), help="Packages at once; default: processors.")
@formats("text", "json")
@on_documents
def image(
    choice: Choice,
    output: str,
    lock_file: Path | None,
    compression: str | None,
    revision: str | None,
    push: str | None,
    jobs: int | None,
    form: str,
    places: Places,
) -> int:
    """Composes the image of WORKLOAD into an OCI layout, and prints its digest.

    Several architectures make an index. A lock file, DIR.lock, stands beside the layout.
    """
    from bot.distro.cache import Cache
    from bot.distro.keys import key_urls
    from bot.image.compose import compose_images
    from bot.image.lock import read_lock
    from bot.sandbox.cgroup import run_without_control_groups

    run_without_control_groups()  # without files: headers of the repositories' packages
    layout = _layout(output)
    cache = Cache(places.cache)
    lock, signers = None, {}
    if lock_file is not None:
        _refuse_beside_lock(choice, compression, revision, places.on)
        lock = read_lock(lock_file)
        images = lock.images
    else:
        configuration = places.configuration(named=bool(choice.repositories))
        keys = _one_image(choice.keys(configuration))
        document = configuration.repositories[keys[0].repository]
        signers = dict(key_urls(document, keys[0].arch))
        images = _descriptions(keys, configuration, places, compression or "gzip", revision or "")
    lock_path = layout.with_name(f"{layout.name}.lock")
    counter = count(1)
    with progress_bar("packages", sum(len(description.packages) for description in images)) as bar:

        def advance(package: Package) -> None:
            if bar is not None:
                bar(next(counter), None, package.nevra.name)

        composed = compose_images(
            images,
            cache,
            layout,
            lock_path,
            keys=signers,
            expected=lock,
            jobs=jobs,
            progress=advance,
        )
    if push is not None:
        from bot.image.oci import push_layout

        push_layout(composed.layout, push)
    if form == "json":
        print_json(_to_json(composed))
    else:
        _print(composed)
    return 0


def _layout(output: str) -> Path:
    if not output.startswith(_SCHEME) or output == _SCHEME:
        raise UsageError(f"--output {output} cannot be written as an image.", "Say oci:DIR.")
    return Path(output.removeprefix(_SCHEME)).absolute()


def _refuse_beside_lock(
    choice: Choice, compression: str | None, revision: str | None, on: str | None
) -> None:
    choices = (choice.workloads, choice.environments, choice.repositories, choice.arches)
    if any(choices) or compression or revision or on:
        raise UsageError(
            "A lock file already determines the image.",
            "Leave out workload, --environment, --repository, --on, --arch, --compression and"
            " --revision.",
        )


def _one_image(keys: Sequence[ImageKey]) -> tuple[ImageKey, ...]:
    """Return the keys, which differ only in their architecture; UsageError for several images."""
    images = sorted({(key.workload, key.environment, key.repository) for key in keys})
    if len(images) > 1:
        names = "; ".join(f"{w} on {e}, {r}" for w, e, r in images[:5])
        rest = f"; and {len(images) - 5} more" if len(images) > 5 else ""
        raise UsageError(
            f"These are {len(images)} images, and a layout holds one: {names}{rest}.",
            "Choose with WORKLOAD, --environment and --repository.",
        )
    return tuple(keys)


def _descriptions(
    keys: Sequence[ImageKey],
    configuration: Configuration,
    places: Places,
    compression: str,
    revision: str,
) -> tuple[ImageDescription, ...]:
    from bot.image.lock import ImageDescription
    from bot.image.selection import selection_of
    from bot.report.answers import unsolvable_text

    descriptions = []
    for pool, request in pools_and_requests(keys, configuration, places):
        closure, key = pool.solve(request), request.key
        if closure.status == "unsolvable":
            raise ChangeError(unsolvable_text(closure))
        environment = configuration.environments[key.environment]
        descriptions.append(
            ImageDescription(
                key=key,
                snapshot=closure.snapshot,
                requests=request.requests,
                packages=closure.packages,
                selection=selection_of(environment, configuration.workloads[key.workload]),
                database=environment.rpmdb == "keep",
                compression="zstd" if compression == "zstd" else "gzip",
                revision=revision,
            )
        )
    return tuple(descriptions)


def _to_json(composed: ComposedLayout) -> dict[str, object]:
    images = [_image_json(image, composed) for image in composed.images]
    if len(images) == 1:
        return {**images[0], "images": []}
    return {
        **images[0],
        **dict.fromkeys(("arch", "layer", "packages")),
        "digest": composed.digest,
        "media_type": composed.media_type,
        "images": images,
    }


def _image_json(image: ComposedImage, composed: ComposedLayout) -> dict[str, object]:
    return {
        **asdict(image.description.key),
        "digest": image.digest,
        "media_type": image.media_type,
        "layer": {name: getattr(image.layer, name) for name in ("uncompressed", "gzip", "zstd")},
        "packages": sorted(str(package.nevra) for package in image.description.packages),
        "lock": str(composed.lock),
        "layout": str(composed.layout),
    }


def _print(composed: ComposedLayout) -> None:
    from bot.report.sizes import format_size

    for image in composed.images:
        key, layer = image.description.key, image.layer
        echo(
            f"{key.workload} on {key.environment}, {key.repository} {key.arch}:"
            f" {len(image.description.packages)} packages, layer {format_size(layer.uncompressed)},"
            f" gzip {format_size(layer.gzip)}, zstd {format_size(layer.zstd)}"
        )
    echo(f"layout {composed.layout}")
    echo(f"lock   {composed.lock}")
    echo(composed.digest)


@click.command()
@click.argument(
    "lock_file", metavar="LOCK", type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@formats("text", "json")
@on_documents
def advisories(lock_file: Path, form: str, places: Places) -> int:
    """List the security fixes that today's repositories have and the images of LOCK have not.

    And the CVEs without a fix, where the repository document names its vendor's VEX documents.
    """
    from bot.distro.cache import Cache
    from bot.image.lock import read_lock
    from bot.report.surface import pinned_text
    from bot.surface.advisories import pinned_fixes

    cache = Cache(places.cache)
    lock = read_lock(lock_file)
    repositories = places.configuration(named=True).repositories

    def fixes_of(image: ImageDescription) -> PinnedFixes:
        document = repositories.get(image.key.repository)
        if document is None:
            raise UsageError(
                f"{lock_file} is of the repository document `{image.key.repository}`,"
                " which is not there.",
                f"There are {', '.join(sorted(repositories))}; --config names other ones.",
            )
        return pinned_fixes(image.key, image.packages, document, cache)

    images = [fixes_of(image) for image in lock.images]
    if form == "json":
        print_json({"images": [{**asdict(i.key), **i.figures} for i in images]})
    else:
        print_text(pinned_text((i.key, i.unapplied, i.unfixed) for i in images))
    return 0
