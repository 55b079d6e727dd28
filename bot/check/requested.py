"""The images whose request a change edits, and their configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.build.installed import BaseDatabases
from bot.check.change import Change
from bot.check.images import CheckedImage, Rules, requested_images
from bot.check.locked import Locked, locked_images
from bot.check.plan import CheckOptions
from bot.check.pools import Pools
from bot.check.processes import FEW, in_processes
from bot.check.repository_file import RepositoryFile
from bot.check.target import Remarks, Target, requested_target
from bot.check.together import Part
from bot.check.verdict import Unevaluated
from bot.distro.documents import Configuration, RepositoryDocument
from bot.errors import in_backticks
from bot.model.spec import SpecFailure
from bot.requests.containerfile import ContainerImage, read_containerfile
from bot.requests.documents import (
    Choice,
    DocumentTree,
    changed_images,
    is_document,
    is_repository,
    read_documents,
    with_documents,
)
from bot.requests.file_images import Choices, FileImages, Place, images_of_files, with_images
from bot.requests.kinds import images_of
from bot.requests.values import RequestedImage

# The number of removed images that one sentence names.
_NAMED = 10
# The number of processes that share the images of one architecture of a target.
SHARES = 4


@dataclass(frozen=True, slots=True)
class Requests:
    """The images of the changed files that request packages.

    `configuration` has head's documents added to the bot's, `base_repositories` the base's version
    of repository documents that the change edits. `refused` are head's documents that are invalid
    and that the change edits; `problems` and `notes` are sentences, `undecided` says that an image
    could not be judged. `places` are those of images from files, by workload.
    """

    configuration: Configuration
    images: tuple[RequestedImage, ...] = ()
    paths: tuple[str, ...] = ()
    base_repositories: Mapping[str, RepositoryDocument] = field(default_factory=dict)
    refused: tuple[Unevaluated, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    undecided: bool = False
    places: Mapping[str, Place] = field(default_factory=dict)
    container_images: tuple[ContainerImage, ...] = ()
    locked: Locked = field(default_factory=Locked)

    @property
    def arches(self) -> Mapping[str, tuple[str, ...]]:
        """The architectures of the images by the ids of their repository documents."""
        arches: dict[str, dict[str, None]] = {}
        repositories = self.configuration.repositories
        locked = [image.key for image in self.locked.images if image.key.repository in repositories]
        for key in (*(image.key for image in self.images), *locked):
            arches.setdefault(key.repository, {})[key.arch] = None
        return {id_: tuple(arches) for id_, arches in arches.items()}

    def of(self, repository: str, arch: str) -> tuple[RequestedImage, ...]:
        """The images on a repository document and an architecture."""
        place = repository, arch
        return tuple(i for i in self.images if (i.key.repository, i.key.arch) == place)


def with_requests(part: Part, requests: Requests, pools: Pools, remarks: Remarks) -> Part:
    """The change with targets for the images of its requests."""
    targets = {target.document.id: target for target in part.targets}
    for id_, arches in requests.arches.items():
        target = requested_target(
            pools,
            requests.configuration.repositories[id_],
            arches,
            targets.get(id_),
            requests.base_repositories.get(id_),
            remarks,
        )
        if target is not None:
            targets[id_] = target
    return replace(part, targets=tuple(targets.values()))


def images_of_requests(
    requests: Requests, targets: Iterable[Target], rules: Rules
) -> list[CheckedImage]:
    """The images whose request the change edits, on both sides; those whose target could not be
    opened are left out."""
    shares = [
        (target, arch, own[start::SHARES])
        for target in targets
        for arch in target.sides
        for own in [requests.of(target.document.id, arch)]
        for start in range(min(SHARES, len(own)))
    ]

    def of(share: tuple[Target, str, Sequence[RequestedImage]]) -> tuple[CheckedImage, ...]:
        target, arch, own = share
        base_pool = target.base_pools.get(arch)
        return requested_images(target.pools[arch], own, target.sides[arch], rules, base_pool)

    few = len(requests.images) < FEW
    by_share = list(map(of, shares)) if few else in_processes(of, shares)
    return [image for images in by_share for image in images]


def requests_of(
    change: Change, file: RepositoryFile, options: CheckOptions, configuration: Configuration
) -> Requests:
    """The images of the changed request files of a change."""
    files = change.requests
    if not files.changed:
        problems = (files.problem,) if files.problem else ()
        return Requests(configuration, problems=problems, undecided=bool(problems))
    trees = list(_document_trees(change, options, configuration))
    choice = Choice(options.workloads, options.repositories, options.arches)
    of_documents = [image for base, head in trees for image in changed_images(base, head, choice)]
    own = with_documents(configuration, (head for _, head in trees))
    of_files = _images_of_files(change, file, options, own)
    solved = {image.key.workload for image in of_files.images}
    locked = locked_images(files, file.images, options.base_images, solved)
    images = tuple(
        sorted(
            (i for i in (*of_documents, *of_files.images) if i.head is not None),
            key=lambda i: i.key,
        )
    )
    removed = [f"{i.key.workload} in {i.key.environment}" for i in of_documents if i.head is None]
    refused = tuple(f for base, head in trees for f in _refused(base, head))
    unknown = [
        sentence
        for _, head in trees
        for sentence in (
            *_not_ours(change, head, own=options.own_repositories),
            *_unknown_repositories(head),
        )
    ]
    return Requests(
        with_images(own, of_files),
        images,
        tuple(sorted({file.path for file in files.changed})),
        _edited_repositories(trees),
        refused,
        (
            *(_sentence(failure) for failure in refused),
            *unknown,
            *of_files.problems,
            *locked.problems,
        ),
        (*_removed_images_note([*removed, *of_files.gone]), *of_files.notes),
        undecided=bool(unknown or of_files.problems or locked.problems),
        places=of_files.places,
        container_images=_container_images(change),
        locked=locked,
    )


def _images_of_files(
    change: Change, file: RepositoryFile, options: CheckOptions, configuration: Configuration
) -> FileImages:
    """The images of files that are not documents, on both sides."""
    files = change.requests
    base, head = (
        [
            image
            for file in files.changed
            for path in [(file.base_path if side is files.base else file.head_path) or file.path]
            for image in images_of(file.kind, path, side)
        ]
        for side in (files.base, files.head)
    )
    arches = options.arches or file.architectures
    databases = BaseDatabases()
    choices = Choices(
        configuration,
        file.images,
        options.base_images,
        options.workloads,
        arches,
        databases.packages,
    )
    images = images_of_files(base, head, choices)
    images.notes += databases.problems
    return images


def _container_images(change: Change) -> tuple[ContainerImage, ...]:
    """Head's images of Containerfiles, with their install lines."""
    files = change.requests
    return tuple(
        image
        for file in files.changed
        if file.kind == "containerfile" and file.head_path is not None
        for image in read_containerfile(file.head_path, files.head[file.head_path])
    )


def has_repositories(change: Change) -> bool:
    """Return whether there are repository documents beside the documents that a change touches."""
    folders = {o.path.rpartition("/")[0] for o in change.requests.changed if o.kind == "document"}
    return any(
        path.rpartition("/")[0] in folders and is_repository(content)
        for path, content in change.requests.head.items()
    )


def _document_trees(
    change: Change, options: CheckOptions, configuration: Configuration
) -> Iterator[tuple[DocumentTree, DocumentTree]]:
    """The documents of each folder in which a document changed, on both sides."""
    files = change.requests
    folders = {file.path.rpartition("/")[0] for file in files.changed if file.kind == "document"}
    for folder in sorted(folders):
        base = read_documents(
            folder,
            _documents(folder, files.base),
            configuration,
            own_repositories=options.own_repositories,
        )
        head = read_documents(
            folder,
            _documents(folder, files.head),
            configuration,
            own_repositories=options.own_repositories,
            previous=base,
        )
        yield base, head


def _documents(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    documents = {}
    for path, content in files.items():
        own, _, name = path.rpartition("/")
        if own == folder and name.endswith(".yaml") and is_document(path, content):
            documents[name.removesuffix(".yaml")] = content
    return documents


def _refused(base: DocumentTree, head: DocumentTree) -> Iterator[Unevaluated]:
    """Head's documents that are invalid and that the change edits."""
    before = {path for path, _ in base.refused()}
    for path, finding in head.refused():
        id_ = path.rpartition("/")[2].removesuffix(".yaml")
        if base.contents.get(id_) == head.contents[id_]:
            continue
        place = f"{finding.field}: " if finding.field else ""
        failure = SpecFailure(path, "", "invalid", f"{place}{finding.message}", finding.line)
        if path in before:
            yield Unevaluated(failure, "base", ("base", "head"))
        else:
            yield Unevaluated(failure, "change", ("head",))


def _not_ours(change: Change, tree: DocumentTree, *, own: bool) -> Iterator[str]:
    """A sentence for each changed repository document, if only the bot's own documents count."""
    changed = {file.path for file in change.requests.changed}
    for id_, document in tree.documents.items() if not own else ():
        if document.kind == "repository" and tree.path(id_) in changed:
            yield (
                f"{tree.path(id_)}: not evaluated: a repository document counts once the bot's own"
                " configuration has it."
            )


def _unknown_repositories(tree: DocumentTree) -> Iterator[str]:
    """A sentence for each unknown repository document that an environment names."""
    repositories = tree.configuration.repositories
    missing: dict[str, str] = {}
    for environment in tree.configuration.environments.values():
        for id_ in environment.repositories:
            if id_ not in repositories and environment.id in tree.contents:
                missing.setdefault(id_, tree.path(environment.id))
    for id_, path in missing.items():
        yield f"{path}: not evaluated on `{id_}`: there is no repository document of this name."


def _sentence(failed: Unevaluated) -> str:
    failure = failed.failure
    ending = " The base is invalid too." if failed.fault == "base" else ""
    return f"{failure.path}:{failure.line}: {in_backticks(failure.message.rstrip('.'))}.{ending}"


def _edited_repositories(
    trees: Iterable[tuple[DocumentTree, DocumentTree]],
) -> dict[str, RepositoryDocument]:
    return {
        id_: before
        for base, head in trees
        for id_, before in base.configuration.repositories.items()
        if (after := head.configuration.repositories.get(id_)) is not None and after != before
    }


def _removed_images_note(names: list[str]) -> Iterator[str]:
    """A sentence on the images that head's files no longer request."""
    if names:
        places = list(dict.fromkeys(names))
        rest = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
        yield f"No longer requested: {', '.join(places[:_NAMED])}{rest}."
