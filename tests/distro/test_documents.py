"""Content Resolver's documents with the odd cases of its real corpus."""

from __future__ import annotations

import pytest

from bot.distro.documents import Placeholder, PlaceholderRpm, VexSource
from bot.distro.load import ConfigurationError, check_configuration, load_configuration
from tests.distro.documents import ENVIRONMENT, REPOSITORY, WORKLOAD


@pytest.fixture
def refused(folder):
    """The problems of one document, each as line, field and message."""

    def problems(text: str):
        with pytest.raises(ConfigurationError) as error:
            load_configuration(folder(bad=text))
        return [(p.line, p.field, p.message) for p in error.value.problems]

    return problems


@pytest.fixture
def unused(folder):
    def unused_in(**documents: str):
        return [
            (p.line, p.field, p.message) for p in check_configuration(folder(**documents)).unused
        ]

    return unused_in


# --- workloads


@pytest.mark.parametrize("packages", ["", "  packages: []\n", "  packages:\n"])
def test_a_workload_may_have_no_packages(load, packages):
    assert load(web=WORKLOAD + packages).workloads["web"].packages == ()


@pytest.mark.parametrize("prefix", ["feedback-pipeline", "content-resolver"])
def test_both_prefixes_are_known(load, prefix):
    assert "web" in load(web=WORKLOAD.replace("feedback-pipeline", prefix)).workloads


def test_capabilities_versions_and_odd_names_stay_as_they_are_written(load):
    packages = """\
  packages:
    - 'libicudata.so.77()(64bit)'  # a capability
    # a comment between
    - /usr/bin/env
    - 3.10
    - no
    - bash >= 5
    - nginx.x86_64
"""
    assert load(web=WORKLOAD + packages).workloads["web"].packages == (
        "libicudata.so.77()(64bit)",
        "/usr/bin/env",
        "3.10",
        "no",
        "bash >= 5",
        "nginx.x86_64",
    )


def test_packages_by_architecture_and_an_unknown_one_is_dropped_with_a_warning(load, unused):
    text = WORKLOAD + "  arch_packages:\n    x86_64: [grub2]\n    s390x:\n    vax: [silo]\n"
    assert load(web=text).workloads["web"].arch_packages == {"x86_64": ("grub2",)}
    assert (11, "data.arch_packages.vax", "unknown architecture `vax` is dropped") in unused(
        web=text
    )


def test_options_that_nobody_knows_are_dropped_with_a_warning(load, unused):
    text = WORKLOAD + "  options: [include-weak-deps, include-weak-dep, strict]\n"
    assert load(web=text).workloads["web"].options == ("include-weak-deps", "strict")
    assert (
        8,
        "data.options.1",
        "option `include-weak-dep` is not known; did you mean `include-weak-deps`?",
    ) in unused(web=text)


def test_placeholders(load):
    text = (
        WORKLOAD
        + """\
  package_placeholders:
  - srpm_name: new
    build_dependencies: [gcc]
    limit_arches: [x86_64, aarch64]
    rpms:
    - rpm_name: new-libs
      description: To come
      dependencies: [glibc]
      limit_arches:
      - x86_64
      build_dependencies: [not-read]
    - rpm_name: new
    - description: it has no name
  - srpm_name: newer
    limit_arches:
    rpms:
"""
    )
    assert load(web=text).workloads["web"].package_placeholders == (
        Placeholder(
            "new",
            (
                PlaceholderRpm("new-libs", "To come", ("glibc",), ("x86_64",)),
                PlaceholderRpm("new", "Description not provided."),
            ),
            ("gcc",),
            ("x86_64", "aarch64"),
        ),
        Placeholder("newer"),
    )


def test_a_repository_document_names_its_vendors_vex_documents(load, refused):
    text = REPOSITORY.replace(
        "  source:\n", "  source:\n    vex: {folder: /srv/vex, products: ['cpe:/o:v:l:9']}\n"
    )
    assert load(repo=text).repositories["repo"].vex == VexSource("/srv/vex", ("cpe:/o:v:l:9",))
    (problem,) = refused(text.replace("/srv/vex", "srv/vex"))
    assert problem[2] == "expected an absolute path of a folder, not `srv/vex`"


@pytest.mark.parametrize("value", ["{srpm_name: x}", "text", "{}", "~"])
def test_placeholders_that_are_no_list_are_ignored(load, value):
    text = WORKLOAD + f"  package_placeholders: {value}\n"
    assert load(web=text).workloads["web"].package_placeholders == ()


def test_placeholders_that_are_ignored_or_skipped_are_reported(unused):
    text = WORKLOAD + "  package_placeholders: {srpm_name: x}\n"
    assert (8, "data.package_placeholders") in [problem[:2] for problem in unused(web=text)]
    text = WORKLOAD + "  package_placeholders:\n  - srpm_name: x\n    rpms:\n    - description: y\n"
    assert "a package without `rpm_name` is skipped" in [problem[2] for problem in unused(web=text)]


def test_an_unknown_key_is_refused_with_its_place_and_what_is_known(refused):
    ((line, field, message),) = refused(WORKLOAD + "  pakages: [x]\n")
    assert (line, field) == (8, "data.pakages")
    assert message.startswith("unknown key `pakages`; expected one of name, description")
    assert message.endswith("did you mean `packages`?")


def test_every_fault_of_a_document_is_said_at_once(refused):
    text = WORKLOAD.replace("  name: Web\n", "").replace("[web]", "web")
    assert refused(text + "  packages: {a: b}\n  groups: [[x]]\n") == [
        (3, "data.name", "`name` is missing, and every workload must have it"),
        (6, "data.labels", "expected a list, not `web`"),
        (7, "data.packages", "expected a list, not a mapping"),
        (8, "data.groups.0", "expected text, not a list"),
    ]


def test_empty_words_are_words(load):
    workload = load(web=WORKLOAD.replace("A web server", "")).workloads["web"]
    assert workload.description == ""


# --- environments


def test_an_environment_tolerates_keys_and_reports_them(load, unused):
    documents = {"minimal": ENVIRONMENT + "  colour: red\n", "distro": REPOSITORY, "web": WORKLOAD}
    assert load(**documents).environments["minimal"].packages == ("glibc-minimal-langpack",)
    assert unused(**documents) == [(10, "data.colour", "`colour` is not known here")]


def test_an_environment_says_packages_even_if_there_are_none(load, refused):
    text = ENVIRONMENT.replace("[glibc-minimal-langpack]", "[]")
    assert load(minimal=text, distro=REPOSITORY).environments["minimal"].packages == ()
    text = ENVIRONMENT.replace("  packages: [glibc-minimal-langpack]\n", "")
    assert (3, "data.packages") in [problem[:2] for problem in refused(text)]


def test_an_environment_of_an_unknown_repository_is_refused_with_near_names(folder):
    text = ENVIRONMENT.replace("[distro]", "\n  - distro\n  - distra")
    report = check_configuration(folder(minimal=text, distro=REPOSITORY, web=WORKLOAD))
    (problem,) = report.errors
    assert (problem.line, problem.field) == (9, "data.repositories.1")
    assert problem.message == ("no repository document is called `distra`; did you mean `distro`?")


# --- repositories


def test_a_repository_with_everything(load):
    head = REPOSITORY.partition("        baseurl:")[0]
    text = (
        head.replace("feedback-pipeline", "content-resolver")
        + """\
        name: BaseOS
        baseurl: https://example.org/$releasever/$basearch/
        priority: 10
        exclude: &kept_out
          - kernel*
          # not this one either
          - firefox
        limit_arches: [x86_64]
        koji_api_url: https://koji.example.org
        gpgkey: [file:///a, https://example.org/b]
        repo_gpgcheck: true
        module_hotfixes: true
      more:
        metalink: https://example.org/metalink?arch=$basearch
        exclude: *kept_out
        limit_arches:
        - aarch64
      most:
        mirrorlist: http://example.org/list
        exclude:
        limit_arches:
    releasever: 3.10
    architectures: [x86_64, aarch64]
    composeinfo: https://example.org/composeinfo.json
    base_buildroot_override: [rpm-build, gcc]
    modules: ["nodejs:20"]
    module_platform: platform:el9
    dist: .el9
"""
    )
    document = load(distro=text).repositories["distro"]
    base, more, most = document.repos
    assert (base.id, base.name, base.priority) == ("base", "BaseOS", 10)
    assert base.exclude == more.exclude == ("kernel*", "firefox")
    assert (base.limit_arches, more.limit_arches, most.limit_arches) == (
        ("x86_64",),
        ("aarch64",),
        (),
    )
    assert base.gpgkey == ("file:///a", "https://example.org/b")
    assert base.repo_gpgcheck and base.module_hotfixes and not more.module_hotfixes
    assert (more.name, more.priority, more.baseurl) == ("more", 100, ())
    assert most.mirrorlist == "http://example.org/list"
    assert document.releasever == "3.10"
    assert document.modules == ("nodejs:20",)
    assert (document.module_platform, document.dist) == ("platform:el9", ".el9")
    assert document.base_buildroot_override == ("rpm-build", "gcc")


def test_our_fields_may_stand_beside_source(load):
    text = REPOSITORY + "  modules: [php:8.2]\n  module_platform: platform:el9\n  dist: .el9\n"
    document = load(distro=text).repositories["distro"]
    assert document.modules == ("php:8.2",)
    assert (document.module_platform, document.dist) == ("platform:el9", ".el9")


def test_a_lookaside_is_a_url_with_known_fields(load, refused):
    url = "https://l.example/{name}/{file}/{hashtype}/{hash}/{file}"
    for place in ("  lookaside: ", "    lookaside: "):
        document = load(distro=f"{REPOSITORY}{place}{url}\n").repositories["distro"]
        assert document.lookaside == url
    for bad in ("ftp://l.example/{file}", "https://l.example/{secret}", "https://l.example/{file"):
        ((_, place, message),) = refused(f"{REPOSITORY}    lookaside: '{bad}'\n")
        assert place == "data.source.lookaside"
        assert message.startswith("expected an http(s) URL with {name}")


def test_version_1_is_refused(refused):
    assert refused(REPOSITORY.replace("version: 2", "version: 1")) == [
        (
            2,
            "version",
            "version 1 is not read; expected version 2: state its repositories under"
            " `data.source.repos`",
        )
    ]


def test_an_unknown_architecture_is_dropped_with_a_warning(load, unused):
    text = REPOSITORY.replace("aarch64]", "riscw64]")
    assert load(distro=text).repositories["distro"].architectures == ("x86_64",)
    assert (12, "data.source.architectures.1") in [problem[:2] for problem in unused(distro=text)]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("baseurl: https://example.org/$basearch/", "priority: 1", (9, "data.source.repos.base")),
        ("https://example.org/", "ftp://example.org/", (10, "data.source.repos.base.baseurl.0")),
        ("https://example.org/", "/srv/", (10, "data.source.repos.base.baseurl.0")),
        ("[x86_64, aarch64]", "[vax]", (12, "data.source.architectures")),
        ("[x86_64, aarch64]", "[]", (12, "data.source.architectures")),
        ("    releasever: 9\n", "", (7, "data.source.releasever")),
        ("releasever: 9", "releasever: 9\n    dist: el9", (12, "data.source.dist")),
        ("releasever: 9", "releasever: 9\n    modules: [a]", (12, "data.source.modules.0")),
        ("baseurl:", "priority: high\n        baseurl:", (10, "data.source.repos.base.priority")),
    ],
)
def test_a_wrong_repository_is_refused_with_its_place(refused, old, new, place):
    assert place in [problem[:2] for problem in refused(REPOSITORY.replace(old, new))]


# --- the other types


def test_views_are_accepted_and_those_that_need_a_build_root_reported(folder):
    common = """\
version: 1
data:
  name: A view
  description: A view
  maintainer: web-sig
  labels: [web]
  repository: distro
  buildroot_strategy: root_logs
"""
    view = f"document: feedback-pipeline-compose-view\n{common}  unwanted_packages: [x]\n"
    addon = f"document: feedback-pipeline-view-addon\n{common}  base_view_id: all\n"
    documents = {"distro": REPOSITORY, "web": WORKLOAD, "minimal": ENVIRONMENT}
    report = check_configuration(folder(all=view, more=addon, **documents))
    assert report.errors == ()
    assert [(u.file.rpartition("/")[2], u.line, u.message) for u in report.unused] == [
        ("all.yaml", 9, "a view that needs a build root is not used"),
        ("more.yaml", 10, "`all` needs a build root: not used"),
    ]
    views = load_configuration(folder()).views
    assert views["more"].base_view_id == "all"


def test_unwanted_lists(load, refused):
    text = """\
document: feedback-pipeline-unwanted
version: 1
data:
  name: No
  description: No
  maintainer: web-sig
  labels: [web]
  unwanted_packages: [perl]
  unwanted_arch_packages: {x86_64: [grub2]}
  unwanted_source_packages: [perl]
  unwanted_arch_source_packages: {s390x: [s390utils]}
"""
    unwanted = load(no=text).unwanted["no"]
    assert unwanted.unwanted_packages == unwanted.unwanted_source_packages == ("perl",)
    assert unwanted.unwanted_arch_packages == {"x86_64": ("grub2",)}
    assert unwanted.unwanted_arch_source_packages == {"s390x": ("s390utils",)}
    assert (12, "data.packages") in [problem[:2] for problem in refused(text + "  packages: []\n")]


def test_labels_and_legacy_build_roots(folder):
    label = """\
document: content-resolver-label
version: 1
data: {name: W, description: D, maintainer: M}
"""
    buildroot = """\
document: feedback-pipeline-buildroot
version: 1
data:
  maintainer: web-sig
  view_id: all
  base_buildroot:
    x86_64: [gcc]
    ppc64le:
    i386: [gcc]
  source_packages:
    x86_64: {bash: {requires: [gcc]}}
    s390x:
  failed_buildroot:
    s390x:
"""
    directory = folder(web=label, lonely=label, root=buildroot, app=WORKLOAD)
    configuration = load_configuration(directory)
    assert set(configuration.labels) == {"lonely", "web"}
    assert configuration.buildroots["root"].view_id == "all"
    messages = [u.message for u in check_configuration(directory).unused]
    assert "nothing has the label `lonely`" in messages
    assert "nothing has the label `web`" not in messages
    assert "build roots of Content Resolver are not used" in messages
