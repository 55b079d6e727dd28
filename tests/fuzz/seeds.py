"""Inputs to begin with: each has the parts that its parser tells apart."""

from __future__ import annotations

import json

from bot.spec.inside.markers import mark

SPEC = b"""%global commit 0123456789
%global short %(c=%{commit}; echo ${c:0:7})
%bcond_without check
Name: tool
Epoch: 1
Version: 1.2~rc1
Release: 3%{?dist}
Summary: A tool
License: MIT
Source0: https://example.org/%{name}-%{version}.tar.gz
Patch1: ../fix.patch
BuildRequires: gcc, pkgconfig(zlib) >= 1.2
Requires: (foo or bar) perl(A::B) >= 3
%ifarch x86_64 aarch64
Requires(post): %{name}-libs%{?_isa} = %{version}-%{release}
%endif
%description
Text.
%package libs
Summary: Libraries
%description libs
x
%prep
%autosetup -p1 -n \\
  %{name}
%patch1 -p1
%build
make %{?_smp_mflags}
%{lua: print("x")}
%install
%include extra.inc
%files
/usr/bin/tool
%files libs -f list
%changelog
"""
ANSWER = json.dumps(
    {
        "packages": [
            {
                "name": "tool",
                "epoch": 1,
                "version": "1.2~rc1",
                "release": "3",
                "arch": "x86_64",
                "files": "/usr/bin/tool\n",
                "dependencies": [
                    ["requires", "(foo or bar)", 0, ""],
                    ["provides", "a", 8, "1:2-3"],
                ],
            }
        ],
        "source": "tool",
        "buildrequires": [["requires", "gcc", 12, "4"]],
        "exclusivearch": ["x86_64"],
        "excludearch": [],
        "conditions": [["ifarch", 14, "x86_64 %{undefined}"]],
        "sources": [["https://example.org/a.tar.gz", 0, 1], ["fix.patch", 1, 2]],
        "macros": [["optflags", "-O2"]],
        "parsed": SPEC.decode(),
        "marked": {"files": ["tool.spec"], "parsed": mark(SPEC.decode(), 0)},
    }
).encode()
REFUSED = json.dumps(
    {
        "error": "error: line 3: Unknown tag: %{foo}\n",
        "requested": ["gcc >= 3, (a if b)"],
        "locations": ["x.tar.gz"],
        "buildarch": [["BuildArch", 3, "%{x}"]],
    }
).encode()
BUILT = json.dumps(
    {
        "name": "a",
        "epoch": 0,
        "version": "1",
        "release": "1",
        "arch": "x86_64",
        "source_rpm": "a-1-1.src.rpm",
        "installed_size": 1,
        "installed_size_nodocs": 1,
        "dependencies": [["requires", "b >= 1", ["pre"], False, ["/a"]]],
        "files": ["/a", "/usr/bin/b"],
    }
).encode()
HUB = (
    b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><struct>"
    b"<member><name>id</name><value><int>5</int></value></member>"
    b"<member><name>label</name><value><nil/></value></member>"
    b"<member><name>request</name><value><array><data><value><string>git+https://h/r#1</string>"
    b"</value><value><double>1.5</double></value><value><i8>9</i8></value></data></array></value>"
    b"</member></struct></value>\n</param>\n</params>\n</methodResponse>\n"
)
PRIMARY = (
    b'<?xml version="1.0"?><metadata xmlns="http://linux.duke.edu/metadata/common" packages="1">'
    b'<package type="rpm"><name>tool</name><arch>x86_64</arch>'
    b'<version epoch="0" ver="1" rel="2"/><checksum type="sha256">00ff</checksum>'
    b'<time file="1" build="1"/><size package="5"/><location href="tool.rpm"/>'
    b'<format><rpm:sourcerpm xmlns:rpm="r">tool-1-2.src.rpm</rpm:sourcerpm></format>'
    b"</package></metadata>"
)
MESSAGES = (
    b"error: line 12: Unknown tag: %{foo}\ncat: VERSION: No such file or directory\n"
    b"sh: line 1: 'x y': No such file\nfailed to load macro file /checkout/macros\n"
    b'awk: cannot open "a/b" (No such file or directory)\ntool.spec:12: error: x\n'
    b"error: Bad exit status from /var/tmp/rpm-tmp.x (%build)\nmain.c:1:2: fatal error: x\n"
)
COMMENT = (
    b"Hello\n\n/minimize why perl --workload nginx\n> /minimize help\n\n```\n/minimize check\n```\n"
    b'/minimize what-if drop "a b" from nginx\n<!-- /minimize cancel -->\n* /minimize objectives\n'
    b"/minimize accept 0123456789012345678901234567890123456789 **reason** [x](y)\n"
)
YAML = b"""repository: centos-stream-9
workloads: [nginx, "httpd"]
builder: rpmbuild
dist: .el9
branches:
  main: {repository: fedora}
thresholds: {bytes: 100 kB, percent: 1}
objectives:
- name: &n small
  workload: nginx
  limits: {packages: 3}
"""
GITHUB = json.dumps(
    {
        "action": "opened",
        "number": 1,
        "repository": {"id": 1, "full_name": "o/r", "private": False, "default_branch": "main"},
        "installation": {"id": 3},
        "sender": {"login": "a", "type": "User"},
        "pull_request": {
            "number": 1,
            "head": {"sha": "0" * 40, "ref": "b", "repo": {"id": 1, "full_name": "o/r"}},
            "base": {"sha": "1" * 40, "ref": "main", "repo": {"id": 1, "full_name": "o/r"}},
            "user": {"login": "a", "id": 4},
            "draft": False,
            "updated_at": "2024-01-01T00:00:00Z",
        },
        "issue": {"number": 1, "pull_request": {}},
        "comment": {"id": 1, "body": "/minimize help", "user": {"login": "a", "type": "User"}},
        "check_run": {"name": "minimize", "head_sha": "0" * 40, "pull_requests": [{"number": 1}]},
        "ref": "refs/heads/main",
        "after": "2" * 40,
        "commits": [{"added": ["a.spec"], "removed": [], "modified": []}],
    }
).encode()
GITLAB = json.dumps(
    {
        "object_kind": "merge_request",
        "project": {"id": 1, "path_with_namespace": "g/p", "web_url": "https://gitlab.example/g/p"},
        "user": {"username": "a", "id": 3},
        "object_attributes": {
            "iid": 1,
            "id": 2,
            "action": "open",
            "note": "/minimize help",
            "noteable_type": "MergeRequest",
            "last_commit": {"id": "0" * 40},
            "updated_at": "2024-01-01 00:00:00 UTC",
        },
        "merge_request": {"iid": 1, "last_commit": {"id": "0" * 40}},
        "ref": "refs/heads/main",
        "after": "2" * 40,
        "commits": [],
    }
).encode()
_PROJECT = {"id": 1, "fullname": "rpms/n", "full_url": "https://p.example/rpms/n"}
_USER = {"name": "a"}
PAGURE = json.dumps(
    {
        "pullrequest": {
            "id": 1,
            "branch": "main",
            "commit_stop": "0" * 40,
            "project": _PROJECT,
            "status": "Merged",
            "closed_at": "1795865472.555582",
            "last_updated": "1795865472",
            "full_url": "https://p.example/rpms/n/pull-request/1",
            "comments": [
                {
                    "id": 1,
                    "comment": "/minimize help",
                    "user": _USER,
                    "date_created": "1795865472.5",
                    "edited_on": None,
                    "editor": None,
                    "notification": False,
                }
            ],
        },
        "comment": {
            "id": 1,
            "comment": "/minimize help",
            "user": _USER,
            "date_created": "1795865472",
            "edited_on": "1795865473.5",
            "editor": _USER,
        },
        "flag": {"username": "ci", "status": "success", "commit_hash": "0" * 40},
        "repo": _PROJECT,
        "project": _PROJECT,
        "branch": "main",
        "rev": "1" * 40,
        "old_commit": "^" + "0" * 40,
        "end_commit": "2" * 40,
    }
).encode()
CONTAINERFILE = b"""# escape=\\
ARG V=43
FROM fedora:${V} AS base
ENV A="x y" B=z
RUN --mount=type=cache,target=/var/cache if [ -n "$A" ]; then dnf -y install $A ${B:-c} \\
  'd' "$(cat e)" `f`; fi && dnf clean all || true
RUN <<EOF
microdnf install --setopt=install_weak_deps=0 --installroot /mnt g
EOF
RUN ["dnf", "install", "h"]
FROM scratch
COPY --from=base /mnt /
"""
RPMS_IN = b"""packages: [a, {name: b, arches: {only: [x86_64], not: s390x}}, "@c"]
context: {containerfile: {file: Containerfile, stageNum: 1}}
installWeakDeps: true
"""
RPMS_LOCK = b"""lockfileVersion: 1
arches:
- arch: x86_64
  packages:
  - {url: "https://example.org/a-1-1.noarch.rpm", size: 7, name: a, evr: "1:1-1", sourcerpm: a.rpm}
- {arch: s390x, packages: []}
"""
TREEFILE = b"""ref: x
include: base.yaml
packages: ["a 'b >= 1'"]
packages-s390x: [c]
repo-packages: [{repo: r, packages: [d]}]
exclude-packages: [e*]
recommends: false
"""
MKOSI = b"""[Distribution]
Distribution=fedora
Release=43
[Match]
Architecture=!arm64
[Content]
WithDocs=no
Include=other
Packages=
    a # one
    b,c
RemovePackages=d
"""
KIWI = b"""<image schemaversion="7.4"><profiles><profile name="p" import="true">
<requires profile="q"/></profile><profile name="q"/></profiles><preferences>
<packagemanager>dnf5</packagemanager><type image="docker" derived_from="obs://a"/></preferences>
<packages type="image" profiles="p,q" patternType="plusRecommended"><package name="a" arch="s390x"/>
<namedCollection name="c"/><ignore name="i"/></packages><include from="this://part.xml"/>
<packages type="delete"><package name="b"/></packages></image>
"""
BLUEPRINT = b"""name = "a"
distro = "rhel-9"
[[packages]]
name = "b"
version = "1.*"
[[groups]]
name = "core"
[[enabled_modules]]
name = "m"
stream = "1"
"""
REPOMD = (
    b'<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>9</revision>'
    b'<data type="primary"><checksum type="sha256">00ff</checksum><size>10</size>'
    b'<open-checksum type="sha256">00ff</open-checksum><open-size>10</open-size>'
    b'<timestamp>1700000000.5</timestamp><location href="repodata/p.xml.gz" xml:base="http://x/"/>'
    b"</data></repomd>"
)
METALINK = (
    b'<metalink version="3.0" xmlns="http://www.metalinker.org/"><files><file name="repomd.xml">'
    b'<size>10</size><verification><hash type="sha256">00ff</hash></verification><resources>'
    b'<url protocol="https" preference="100">https://m.example/r/repodata/repomd.xml</url>'
    b"</resources></file></files></metalink>"
)
COMPS = (
    b"<comps><group><id>core</id><packagelist><packagereq type='mandatory' arch='x86_64'>a"
    b"</packagereq></packagelist></group><environment><id>e</id><grouplist><groupid>core</groupid>"
    b"</grouplist></environment></comps>"
)
MODULES = b"""---
document: modulemd
version: 2
data: {name: nginx, stream: "1.10", version: 3, context: c, arch: x86_64,
  dependencies: [{requires: {platform: [el8]}}], artifacts: {rpms: ["a-0:1-1.x86_64"]}}
---
document: modulemd-defaults
version: 1
data: {module: nginx, modified: 1, stream: "1.10"}
"""
FILELISTS = (
    b'<filelists xmlns="x" packages="1"><package pkgid="00ff" name="a" arch="x86_64">'
    b'<version epoch="0" ver="1" rel="1"/><file>/usr/bin/a&amp;b</file><file type="dir">/etc</file>'
    b"</package></filelists>"
)
REPOFILE = b"[main]\nx=1\n[baseos]\nname=B\nbaseurl=https://x/$basearch\n  https://y/\nenabled=1\n"
