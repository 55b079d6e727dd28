"""Containerfiles: what their stages ask for, with its lines, and what cannot be read for sure."""

from __future__ import annotations

import pytest

from bot.requests.containerfile import ContainerImage, is_containerfile, read_containerfile


def images(text: str) -> tuple[ContainerImage, ...]:
    return read_containerfile("web/Containerfile", text.encode())


def packages(image: ContainerImage) -> list[tuple[str, int]]:
    return [(e.text, e.line.line) for e in image.request.entries if e.kind == "package"]


def unread(text: str) -> list[tuple[int, str]]:
    return [(u.line.line, u.why) for image in images(text) for u in image.request.unread]


def test_each_package_has_the_line_that_it_stands_on() -> None:
    (image,) = images(
        "FROM fedora:43\n"
        "# nothing\n"
        "RUN dnf -y install \\\n"
        "      nginx \\\n"
        "      # the reason\n"
        "      'perl-libs' && \\\n"
        "    dnf clean all\n"
    )
    assert packages(image) == [("nginx", 4), ("perl-libs", 6)]
    assert image.request.entries[0].line.text == "nginx"
    assert (image.request.name, image.request.beneath) == ("web/Containerfile", "fedora:43")
    assert [install.removes_caches for install in image.installs] == [True]
    assert not image.request.unread


def test_a_folder_that_a_stage_fills_is_the_image_that_copies_it() -> None:
    (image,) = images(
        "FROM fedora:43 AS builder\n"
        "RUN dnf install --installroot /mnt/rootfs --setopt install_weak_deps=false \\\n"
        "    --nodocs -y nginx\n"
        "FROM scratch\n"
        "COPY --from=builder /mnt/rootfs /\n"
    )
    assert (image.request.name, image.request.beneath) == ("web/Containerfile", "")
    assert image.request.source == "fedora:43"
    assert [e.kind for e in image.request.entries] == ["package"]
    assert image.installs[0].command.documentation is False


def test_stages_are_built_on_each_other_and_have_their_names() -> None:
    found = images(
        "ARG RELEASE=43\n"
        "FROM fedora:${RELEASE} AS base\n"
        "RUN dnf install -y nginx\n"
        "FROM base AS build\n"
        "RUN dnf install -y gcc\n"
        "FROM base\n"
        "RUN dnf install -y perl\n"
    )
    assert [(i.request.name, [p for p, _ in packages(i)]) for i in found] == [
        ("web/Containerfile:base", ["nginx"]),
        ("web/Containerfile:build", ["nginx", "gcc"]),
        ("web/Containerfile", ["nginx", "perl"]),
    ]
    assert {i.request.beneath for i in found} == {"fedora:43"}


def test_values_of_variables_and_here_documents_are_read() -> None:
    (image,) = images(
        'FROM fedora\nENV PKGS="a b"\nARG MORE=c\n'
        "RUN set -ex; X='d  e'; microdnf install -y $PKGS ${MORE} $X ${NONE:-f}\n"
        "RUN <<EOF\ndnf install -y \\\n  g\nEOF\n"
        'RUN ["dnf", "-y", "install", "h"]\n'
    )
    assert packages(image) == [(name, 4) for name in "abcdef"] + [("g", 7), ("h", 9)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("RUN dnf install -y $WHICH", "a value is not known"),
        ("RUN dnf install -y $(cat list)", "a value is not known"),
        ("RUN for p in a b; do dnf install -y $p; done", "a value is not known"),
        ("RUN if x; then dnf install -y a; fi", "runs only under a condition"),
        ("RUN [ -f y ] && dnf install -y a", "runs only under a condition"),
        ("RUN cat list | xargs dnf install -y", "`xargs` runs a package manager"),
        ("RUN dnf install -y https://example.org/a.rpm", "the package `https"),
        ("RUN dnf autoremove -y", "`dnf autoremove` is not evaluated"),
        ("RUN dnf module install -y a:1", "`dnf module install` is not evaluated"),
        ("RUN dnf remove -y @core", "removing the group `@core` is not"),
        ("RUN dnf swap -y a b c", "`swap` takes two packages"),
        ("RUN rpm -ivh a.rpm", "`rpm` installs or removes packages"),
        ("RUN dnf install -y --strange a", "the option `--strange` is not known"),
        ("RUN dnf install -y {a,b}-devel", "`{a,b}-devel…` has a value that only a shell knows"),
        ("COPY a.repo /etc/yum.repos.d/\nRUN dnf install -y a", "its repositories were changed"),
        ("RUN dnf install -y a\nRUN dnf install -y --setopt=install_weak_deps=0 b", "one line of"),
    ],
)
def test_a_line_that_cannot_be_read_for_sure_is_named(line: str, why: str) -> None:
    found = unread(f"FROM fedora\n{line}\n")
    assert found and found[0][0] in (2, 3) and found[0][1].startswith(why), found


def test_only_files_that_name_a_package_manager_are_containerfiles() -> None:
    assert is_containerfile("a/Containerfile.web", b"from x\nRUN dnf install a\n")
    assert is_containerfile("web.dockerfile", b"FROM x\nRUN microdnf install a\n")
    assert not is_containerfile("Dockerfile", b"FROM debian\nRUN apt-get install a\n")
    assert not is_containerfile("dockerfile.py", b"FROM x\nRUN dnf install a\n")
    assert not is_containerfile("Dockerfile", b"FROM x\n# dnf is not needed\n")
    assert not is_containerfile("readme.md", b"FROM x\nRUN dnf install a\n")


def test_a_file_without_a_command_that_can_be_read_is_not_silent() -> None:
    assert unread("FROM x\n{% if y %}\n  yum install\n") == [
        (3, "no command of a package manager could be read")
    ]


def test_values_that_grow_without_end_are_not_known() -> None:
    doubled = "".join("X=$X$X; " for _ in range(60))
    assert unread(f"FROM x\nRUN X=aaaa; {doubled} dnf install -y $X\n")


def kinds(text: str) -> list[tuple[str, str, int]]:
    (image,) = images(text)
    return [(e.kind, e.text, e.line.line) for e in image.request.entries if e.kind != "weak"]


def test_what_a_later_command_removes_no_earlier_one_installs() -> None:
    text = (
        "FROM fedora\n"
        "RUN dnf install -y a gcc\n"
        "RUN dnf remove -y gcc 'perl*'\n"
        "RUN dnf swap -y b c\n"
    )
    assert kinds(text) == [
        ("package", "a", 2),
        ("remove", "gcc", 3),
        ("remove", "perl*", 3),
        ("swap", "b", 4),
        ("package", "c", 4),
    ]
    again = "FROM fedora\nRUN dnf remove -y a\nRUN microdnf install -y a\n"
    assert kinds(again) == [("package", "a", 3)]


def test_groups_and_reinstalled_packages_are_requested_and_an_upgrade_is_named() -> None:
    lines = "RUN yum groupinstall -y core\nRUN dnf reinstall -y bash\nRUN dnf -y upgrade\n"
    (image,) = images(f"FROM ubi8\n{lines}")
    written = image.request
    assert [e.text for e in written.entries if e.kind == "package"] == ["@core", "bash"]
    assert written.upgraded is not None
    assert (written.upgraded.line, written.unread) == (4, ())


def test_an_upgrade_of_the_builder_is_none_of_the_folder_it_fills() -> None:
    (image,) = images(
        "FROM ubi8 AS b\nRUN dnf -y update && dnf install -y --installroot /mnt a\n"
        "FROM scratch\nCOPY --from=b /mnt /\n"
    )
    assert image.request.upgraded is None


def test_an_enabled_module_is_named_with_its_line() -> None:
    (image,) = images("FROM ubi8\nRUN dnf module enable -y a:1 && dnf install -y a\n")
    assert [(text, line.line) for text, line in image.request.streams] == [("a:1", 2)]
    assert not image.request.unread


FILLED = """\
FROM fedora AS builder
COPY --from=micro / /mnt/
RUN dnf install -y --installroot /mnt --nodocs nginx
FROM BASE
COPY --from=builder /mnt /
"""


@pytest.mark.parametrize("base", ["scratch", "micro"])
def test_a_folder_that_is_filled_from_an_image_stands_on_it(base: str) -> None:
    (image,) = images(FILLED.replace("BASE", base))
    written = image.request
    assert (written.beneath, written.onto, written.documentation) == ("micro", "", False)
    assert packages(image) == [("nginx", 3)]


def test_a_folder_is_copied_onto_an_image_that_is_none_of_packages() -> None:
    (image,) = images(FILLED.replace("COPY --from=micro / /mnt/\n", "").replace("BASE", "busybox"))
    assert (image.request.beneath, image.request.onto) == ("", "busybox")
    assert packages(image) == [("nginx", 2)]


def test_packages_beside_a_folder_that_is_copied_are_named() -> None:
    text = FILLED.replace("BASE", "fedora") + "RUN dnf install -y perl\n"
    assert unread(text)[0] == (
        4,
        "packages are copied from another stage, and more are installed beside them",
    )


def test_a_word_of_a_megabyte_takes_no_longer_than_its_length() -> None:
    """A search for NAME= that began at each letter took hours."""
    text = b"FROM scratch\nARG V=1 " + b"a" * 900_000 + b"\nRUN dnf -y install nginx\n"
    read_containerfile("Containerfile", text)
