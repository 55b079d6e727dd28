"""Traces of what would leave in the files of what stays, and other distributions without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.advice.advise import Wish, advise
from bot.advice.contents import Names, _is_data, _mentioned, without_string_tables
from bot.advice.evidence import evidence_of
from bot.advice.headers import HeaderFacts, OwnedFile
from bot.advice.precedents import with_precedents
from bot.advice.requests import Job
from bot.advice.swaps import offer_of
from bot.advice.trial import native
from bot.advice.trial import test_passes as run_test
from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.images import image_keys, image_request
from bot.distro.load import load_configuration
from bot.distro.snapshot import open_snapshot
from bot.model.advice import Advice
from bot.report.advice import advice_text
from tests.closure.conftest import request
from tests.specs import EMPTY_SECTIONS, build_repository, built_pool, program, shell, tags

HELPER = program("helper", file="/usr/bin/helping-hand", size=9000)
APP = f"""\
{tags("app", "Requires: helper")}{EMPTY_SECTIONS}\
%install
mkdir -p %{{buildroot}}/usr/bin %{{buildroot}}/usr/share/doc/app
echo 'CONTENT' > %{{buildroot}}/usr/bin/app
echo 'see helping-hand' > %{{buildroot}}/usr/share/doc/app/README
%files
/usr/bin/app
%doc /usr/share/doc/app/README
"""


def plans(root, content: str):
    specs = {"app": APP.replace("CONTENT", content), "helper": HELPER}
    pool = built_pool(root, specs)
    cache = Cache(root / "cache")
    (advised,) = advise([Job(pool, request("app"))], Wish(1), HeaderFacts(cache))
    return advised.plans


@pytest.mark.parametrize(
    ("content", "traces"),
    [
        ("echo nothing helping", ()),
        ("exec helping-hand --now", ("/usr/bin/app",)),
        ("exec /usr/bin/helping-hand", ("/usr/bin/app",)),
        ("helping-handle", ()),
        ("\\177ELF...\\0helping-hand\\0", ("/usr/bin/app",)),
        ("\\177ELF...\\0a helping-hand is not called\\0", ()),
    ],
)
def test_a_file_that_names_a_program_that_leaves_is_a_trace(tmp_path, content, traces):
    text = content if "177" not in content else ""
    spec = f"' > /dev/null; printf '{content}" if "177" in content else text
    (plan,) = plans(tmp_path, spec)
    assert [c.evidence.use for c in plan.changes] == [traces]


def test_without_the_files_nothing_is_known_of_traces(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["helper"]).package("helper-0:1-1.x86_64")
    headers = HeaderFacts(tiny.cache)
    (advised,) = advise([Job(tiny.pool(base), request("app"))], Wish(1), headers)
    assert [c.evidence.use for c in advised.plans[0].changes] == [None]


def with_empty_filelists(root, specs):
    """A pool of built packages whose filelists.xml has none of them, as after a broken compose."""
    folder = build_repository(root / "repository", "x86_64", specs)
    (listed,) = (folder / "repodata").glob("*filelists.xml*")
    repomd = folder / "repodata" / "repomd.xml"
    text = re.sub(r'<data type="filelists">.*?</data>', "", repomd.read_text(), flags=re.DOTALL)
    repomd.write_text(text)
    listed.unlink()
    source = RepoSource("base", "base", (folder.as_uri() + "/",))
    document = RepositoryDocument("d", "D", "", "", "9", ("x86_64",), (source,))
    cache = Cache(root / "cache")
    return open_pool(open_snapshot(document, "x86_64", cache), cache), folder


LIBEXEC = program("helper", file="/usr/libexec/hand/helping", size=9000)


def test_files_that_filelists_lack_are_looked_for_all_the_same(tmp_path):
    specs = {"app": APP.replace("CONTENT", "exec /usr/libexec/hand/helping"), "helper": LIBEXEC}
    pool, _ = with_empty_filelists(tmp_path, specs)
    (advised,) = advise(
        [Job(pool, request("app"))], Wish(1), HeaderFacts(Cache(tmp_path / "cache"))
    )
    (change,) = advised.plans[0].changes
    assert (change.evidence.use, change.standing) == (("/usr/bin/app",), "contradicted")


def test_an_edit_is_not_supported_where_the_files_of_what_leaves_are_unknown(tmp_path):
    pool, folder = with_empty_filelists(tmp_path, {"app": APP, "helper": LIBEXEC})
    next(folder.rglob("helper-*.rpm")).unlink()
    headers = HeaderFacts(Cache(tmp_path / "cache"))
    (advised,) = advise([Job(pool, request("app"))], Wish(1), headers)
    (change,) = advised.plans[0].changes
    assert (change.evidence.use, change.standing) == (None, "possible")


def test_a_program_that_filelists_lack_is_kept_where_it_is_required_by_name(tmp_path):
    named = program("helper", file="/usr/libexec/hand/helper", size=9000)
    pool, _ = with_empty_filelists(tmp_path, {"app": APP, "helper": named})
    (advised,) = advise(
        [Job(pool, request("app"))], Wish(1), HeaderFacts(Cache(tmp_path / "cache"))
    )
    assert advised.plans == ()


def test_another_distribution_that_does_without_a_requirement_is_a_precedent(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["helper(x86-64)", "other"])
    base.package("helper-0:1-1.x86_64", size=9000, provides=["helper(x86-64)"])
    base.package("other-0:1-1.x86_64", size=100)
    newer = tiny.repository("newer").package("app-0:2-1.x86_64", requires=["other"])
    same = tiny.repository("same").package("app-0:2-1.x86_64", requires=["helper(x86-64) >= 2"])
    own = tiny.pool(base)
    pools = [
        own,
        tiny.pool(newer, document="newer"),
        tiny.pool(same, document="same"),
        tiny.pool(newer, arch="aarch64", document="newer"),
    ]
    advised = advise([Job(own, request("app"))], Wish(2))
    (image,) = with_precedents(advised, pools)
    precedents = {c.capability: c.evidence.precedent for c in image.plans[1].changes}
    assert [(p.repository, str(p.nevra)) for p in precedents["helper"]] == [
        ("newer", "app-0:2-1.x86_64")
    ]
    assert [p.repository for p in precedents["other"]] == ["same"]


ORDERED = f"""\
{tags("app", "Requires(post): helper", "Requires: used")}{EMPTY_SECTIONS}\
%install
mkdir -p %{{buildroot}}/usr/bin
echo 'exec writer' > %{{buildroot}}/usr/bin/app
%post
if [ -x /usr/bin/helping-hand ]; then
  helping-hand --now
fi
%files
/usr/bin/app
"""


def test_each_edit_of_a_plan_has_the_traces_of_what_it_takes_out_itself(tmp_path):
    used = program("used", file="/usr/bin/writer", size=700)
    specs = {"app": ORDERED, "helper": HELPER, "used": used, "shell": shell()}
    pool = built_pool(tmp_path, specs)
    headers = HeaderFacts(Cache(tmp_path / "cache"))
    (advised,) = advise([Job(pool, request("app"))], Wish(2), headers)
    traces = {(c.kind, c.capability): c.evidence.use for c in advised.plans[1].changes}
    # The scriptlet looks for what it runs: that is no trace against the order.
    assert traces == {("order", "helper"): (), ("weaken", "used"): ("/usr/bin/app",)}


def test_evidence_is_of_an_architecture_on_which_something_leaves(tiny, tmp_path, monkeypatch):
    looked = []
    plain = evidence_of

    def noted(images, headers):
        looked.extend(smaller.job.pool.arch for smaller in images)
        return plain(images, headers)

    monkeypatch.setattr("bot.advice.evidence.evidence_of", noted)
    jobs = []
    for arch in ("aarch64", "s390x", "x86_64"):
        base = tiny.repository(arch)
        needs = ["helper"] if arch != "aarch64" else []
        base.package(f"app-0:1-1.{arch}", requires=needs).package(f"helper-0:1-1.{arch}")
        jobs.append(Job(tiny.pool(base, arch=arch), request("app", arch=arch)))
    monkeypatch.setattr("bot.advice.evidence.native", lambda arch: arch == "x86_64")
    advised = advise(jobs, Wish(1), HeaderFacts(tiny.cache))
    assert [len(image.plans) for image in advised] == [1, 1, 1]
    assert looked == ["x86_64", "s390x"]


@pytest.mark.skipif(not Path("/usr/lib/x86_64-linux-gnu/libc.so.6").exists(), reason="no such libc")
def test_the_names_of_symbols_are_none_of_an_elf_files_own_data():
    data = Path("/usr/lib/x86_64-linux-gnu/libc.so.6").read_bytes()
    assert b"shutdown" in data.split(b"\0")
    found = without_string_tables(data).split(b"\0")
    assert b"shutdown" not in found
    assert _mentioned(data, Names(words=frozenset((b"shutdown",)))) == frozenset()
    # Its own text stays, and the name of the library that it needs.
    assert {b"/bin/sh", b"ld-linux-x86-64.so.2"} <= set(found)


@pytest.mark.parametrize("data", [b"\x7fELF", b"\x7fELF\2\1" + b"\xff" * 90, b"\x7fELF\x09\1x"])
def test_an_elf_file_whose_sections_cannot_be_read_is_looked_into_whole(data):
    assert without_string_tables(data) == data


# -- headers, integrity, the workload's test ----------------------------------------------------

CALLER = f"""\
{tags("app", "Requires: helper", "%global __requires_exclude helping-hand")}{EMPTY_SECTIONS}\
%install
mkdir -p %{{buildroot}}/usr/bin %{{buildroot}}/usr/lib/systemd/system
CONTENT
%files
/usr
SCRIPTLET
"""
SCRIPT = (
    "printf '#!/usr/bin/helping-hand\\n' > %{buildroot}/usr/bin/app;"
    " chmod 755 %{buildroot}/usr/bin/app"
)
UNIT = (
    "printf '[Service]\\nExecStart=-/usr/bin/helping-hand x\\n'"
    " > %{buildroot}/usr/lib/systemd/system/app.service"
)
LINK = "ln -s /usr/bin/helping-hand %{buildroot}/usr/bin/app"
RELATIVE = "ln -s helping-hand %{buildroot}/usr/bin/app"
PLAIN = "echo text > %{buildroot}/usr/bin/app"
FAR_LINK = f"{PLAIN}; ln -s /usr/bin/helping-hand %{{buildroot}}/usr/lib/hand"


def evidence(root, content: str, scriptlet: str = ""):
    ((change,),) = (plan.changes for plan in planned(root, content, scriptlet))
    return change


def planned(root, content: str, scriptlet: str = ""):
    return advised(root, content, scriptlet).plans


def advised(root, content: str, scriptlet: str = ""):
    spec = CALLER.replace("CONTENT", content).replace("SCRIPTLET", scriptlet)
    pool = built_pool(root, {"app": spec, "helper": HELPER, "shell": shell()})
    (advised,) = advise([Job(pool, request("app"))], Wish(1), HeaderFacts(Cache(root / "cache")))
    return advised


@pytest.mark.parametrize("content", [UNIT, LINK, RELATIVE])
def test_what_a_program_leads_to_or_a_unit_starts_is_what_the_image_is_for(tmp_path, content):
    assert planned(tmp_path, content) == ()


@pytest.mark.parametrize(("content", "whole"), [(SCRIPT, False), (FAR_LINK, False), (PLAIN, True)])
def test_what_a_file_runs_or_links_to_must_still_be_there(tmp_path, content, whole):
    change = evidence(tmp_path, content)
    assert change.evidence.integrity is whole
    assert change.evidence.looked_into == "files"
    assert change.standing == ("supported" if whole else "contradicted")


@pytest.mark.parametrize(
    ("content", "scriptlet", "use"),
    [
        (PLAIN, "", ()),
        (SCRIPT, "", ()),  # only the file itself would say so
        (FAR_LINK, "", ("/usr/lib/hand",)),
        (PLAIN, "%post\nhelping-hand --now", ("scriptlets of app",)),
        (PLAIN, "%post\nhelping-hand --now || :", ("scriptlets of app (which do without)",)),
    ],
)
def test_without_the_files_headers_are_looked_into(tmp_path, monkeypatch, content, scriptlet, use):
    monkeypatch.setattr("bot.advice.contents.package_at_hand", lambda package, cache: None)
    found = evidence(tmp_path, content, scriptlet).evidence
    assert (found.use, found.looked_into) == (use, "headers")


def test_headers_alone_do_not_say_that_nothing_needs_it(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.advice.contents.package_at_hand", lambda package, cache: None)
    assert evidence(tmp_path, PLAIN).standing == "possible"


def test_a_unit_that_could_not_be_read_is_no_proof_of_integrity(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.advice.contents.package_at_hand", lambda package, cache: None)
    assert evidence(tmp_path, UNIT).evidence.integrity is None


@pytest.mark.parametrize(
    ("content", "lacking", "known_by", "said"),
    [
        (UNIT.replace("helping-hand", "app"), "", "files", ""),
        (
            UNIT,
            "bot.advice.contents.package_at_hand",
            "headers",
            "Packages with units are not available",
        ),
        (PLAIN, "bot.advice.contents.package_at_hand", "files", ""),
        (UNIT, "bot.advice.headers.fetch_header", "metadata", "Not all headers could be read"),
    ],
)
def test_an_advice_says_what_was_read_to_know_the_programs(
    tmp_path, monkeypatch, content, lacking, known_by, said
):
    if lacking:
        monkeypatch.setattr(lacking, lambda *_: None)
    found = advised(tmp_path, content)
    assert (len(found.plans), found.programs_by) == (1, known_by)
    text = advice_text(Advice("installed", (found,)))
    assert said in text
    assert ("Each plan keeps" in text) is bool(said)


def test_where_only_some_headers_are_readable_the_text_says_that_use_is_not_known(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("bot.advice.evidence.evidence_of", lambda images, _: [None for _ in images])
    text = advice_text(Advice("installed", (advised(tmp_path, PLAIN),)))
    assert "what stays may use what would leave" in text


def test_data_that_a_program_names_is_a_trace(tmp_path):
    data = program("helper", file="/usr/share/zones/all", size=9000)
    app = CALLER.replace(
        "CONTENT", "printf '\\177ELF\\0/usr/share/zones/x\\0' > %{buildroot}/usr/bin/app"
    )
    pool = built_pool(tmp_path, {"app": app.replace("SCRIPTLET", ""), "helper": data})
    headers = HeaderFacts(Cache(tmp_path / "cache"))
    (advised,) = advise([Job(pool, request("app"))], Wish(1), headers)
    assert [c.evidence.use for c in advised.plans[0].changes] == [("/usr/bin/app",)]


@pytest.mark.reference
@pytest.mark.parametrize(
    ("workload", "test", "runs"),
    [
        ("nginx", "nginx -v", True),
        ("nginx", "exec no-such-program", None),
        ("curl", "curl --version", True),
    ],
)
def test_each_plan_of_the_reference_distribution_is_composed_and_run(
    reference, tmp_path, workload, test, runs
):
    if not native("x86_64"):
        pytest.skip("the images are of x86_64")
    configuration = load_configuration(reference.config_dir)
    (key,) = image_keys(configuration, workloads=(workload,), arches=("x86_64",))
    cache = Cache(tmp_path)
    snapshot = open_snapshot(configuration.repositories[key.repository], key.arch, cache)
    job = Job(open_pool(snapshot, cache), image_request(configuration, key), test=test)
    (advised,) = advise([job], Wish(2), HeaderFacts(cache))
    assert advised.plans
    for plan in advised.plans:
        for change in plan.changes:
            assert change.evidence.runs is runs
            assert change.evidence.integrity is not None


def test_a_plan_whose_image_fails_the_test_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.advice.evidence.native", lambda arch: True)
    gone: list[str] = []

    def passes(packages, test, cache, without=()):
        names = {package.nevra.name for package in packages}
        gone.append(",".join(sorted({"helper", "used"} - names)))
        return "used" in names

    monkeypatch.setattr("bot.advice.evidence.test_passes", passes)
    used = program("used", file="/usr/bin/writer", size=700)
    specs = {"app": ORDERED, "helper": HELPER, "used": used, "shell": shell()}
    job = Job(built_pool(tmp_path, specs), request("app"), test="app")
    (advised,) = advise([job], Wish(2), HeaderFacts(Cache(tmp_path / "cache")))
    # That of both fails and is made again without what only it has.
    assert "helper,used" in gone
    ((change,),) = (plan.changes for plan in advised.plans)
    assert (change.capability, change.evidence.runs) == ("helper", True)


@pytest.mark.reference
def test_files_that_a_split_moves_are_not_in_the_image_that_is_tested(reference, tmp_path):
    if not native("x86_64"):
        pytest.skip("the images are of x86_64")
    configuration = load_configuration(reference.config_dir)
    (key,) = image_keys(configuration, workloads=("curl",), arches=("x86_64",))
    cache = Cache(tmp_path)
    snapshot = open_snapshot(configuration.repositories[key.repository], key.arch, cache)
    closure = open_pool(snapshot, cache).solve(image_request(configuration, key))
    assert run_test(closure.packages, "curl --version", cache) is True
    assert run_test(closure.packages, "curl --version", cache, {"/usr/bin/curl"}) is False


@pytest.mark.parametrize(
    "path",
    [
        "/usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so",
        "/usr/lib64/python3.9/site-packages/_ssl.abi3.so",
        "/usr/lib/python3.11/_ssl.py",
        "/usr/lib/python3.11/site-packages/_ssl/__init__.py",
    ],
)
def test_a_file_of_python_has_the_module_of_its_name(path):
    assert offer_of([path], ()).modules == {"_ssl"}


def test_a_module_of_one_word_is_no_trace_in_a_program_and_one_of_several_is():
    names = Names(modules=frozenset((b"POSIX", b"File::Temp")))
    assert _mentioned(b"\x7fELF\0en_US\0POSIX\0", names) == frozenset()
    assert _mentioned(b"\x7fELF\0File::Temp\0", names) == {b"File::Temp"}
    assert _mentioned(b"#!/usr/bin/perl\nuse POSIX;\n", names) == {b"POSIX"}


@pytest.mark.parametrize(
    ("needs", "provides", "data"),
    [
        ((), ("libicudata.so.72()(64bit)",), True),
        (("rtld(GNU_HASH)",), ("libicudata.so.72()(64bit)",), True),
        (("libc.so.6(GLIBC_2.2.5)(64bit)",), ("libz.so.1()(64bit)",), False),
        ((), (), False),  # a program of Go's, say
    ],
)
def test_a_library_that_needs_none_is_data(needs, provides, data):
    assert _is_data(OwnedFile("/usr/lib64/x", needs=needs, provides=provides)) is data
