# Sourced by deploy/demo and deploy/test: installs what is missing and makes .venv.
# Safe to run again; needs no network when nothing is missing.

set -euo pipefail

MINIMIZE_HOME=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
SYSTEM_PYTHON=/usr/bin/python3

say() { printf '%s\n' "== $*" >&2; }

fail() {
    printf '%s\n' "error: $1" >&2
    if [ -n "${2:-}" ]; then printf '%s\n' "       $2" >&2; fi
    exit 1
}

OS_RELEASE=${OS_RELEASE:-/etc/os-release}

# A field of os-release; empty where it has none.
release_field() {
    # shellcheck disable=SC1090
    (. "$OS_RELEASE" && printf %s "${!1:-}")
}

# What this system is: sets SYSTEM_ID, SYSTEM_VERSION, FAMILY (apt, dnf or zypper) and ENTERPRISE
# (the release of Enterprise Linux that it is, else empty), or refuses.
recognize_system() {
    [ -r "$OS_RELEASE" ] || fail "this system has no $OS_RELEASE." "$SUPPORTED"
    local like major machine
    machine=$(uname -m)
    case "$machine" in
        ppc64le | s390x)
            fail "minimize cannot be installed on $machine: PyPI has neither a build of createrepo-c for it nor its source." \
                "It is installed on x86_64 and aarch64, and checks images of $machine from there." ;;
    esac
    ENTERPRISE=
    SYSTEM_ID=$(release_field ID)
    SYSTEM_VERSION=$(release_field VERSION_ID)
    like=" $(release_field ID_LIKE) "
    major=${SYSTEM_VERSION%%.*}
    major=${major:-0}
    case "$SYSTEM_ID $like $(release_field PLATFORM_ID)" in
        centos\ * | rhel\ * | *" rhel "* | *" centos "* | *platform:el*) ENTERPRISE=$major ;;
    esac
    case "$SYSTEM_ID" in
        debian) FAMILY=apt; [ "$major" = 0 ] || [ "$major" -ge 12 ] || too_old; return ;;
        ubuntu) FAMILY=apt; [ "$major" -ge 24 ] || too_old; return ;;
        fedora) FAMILY=dnf; return ;;
    esac
    if [ -n "$ENTERPRISE" ]; then
        FAMILY=dnf
        [ "$major" -ge 10 ] || too_old
        return
    fi
    # Of others ID_LIKE names what they are made from, nearest first. Their versions are their own:
    # all that counts is Python's, which check_python looks at.
    case "$like" in
        *" fedora "*) FAMILY=dnf ;;
        *" suse "* | *" opensuse "*) FAMILY=zypper ;;
        *" debian "* | *" ubuntu "*) FAMILY=apt ;;
        *) fail "$SYSTEM_ID $SYSTEM_VERSION is not a system that minimize knows." "$SUPPORTED" ;;
    esac
}

SUPPORTED="Debian 12, Ubuntu 24.04, Fedora, CentOS Stream 10, RHEL 10, openSUSE and newer, and what is made from them."

too_old() {
    fail "$SYSTEM_ID $SYSTEM_VERSION is too old: its own Python, and so its rpm module, is too old." \
        "$SUPPORTED"
}

# A Python that is too old is told before anything else is installed.
check_python() {
    "$SYSTEM_PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || too_old
}

# Whether the system's Python is one that the locked libraries have no wheels for yet.
python_is_newer() {
    "$SYSTEM_PYTHON" -c 'import sys; sys.exit(sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

# The operating system's packages: a command or Python module that must be there, and the
# package of each family that has it. Lines: KIND NAME APT-PACKAGE DNF-PACKAGE ZYPPER-PACKAGE; where a
# family has none (-), or this release of it has not got one that is marked (?), what wants it does
# without; where a family has none and nothing does without (!), it is said.
requirements() {
    cat <<'END'
command git git git git
command rpm rpm rpm rpm
command rpmbuild rpm rpm-build rpm-build
command bwrap bubblewrap bubblewrap bubblewrap
command setpriv util-linux util-linux util-linux
command newuidmap uidmap shadow-utils shadow
command gcc gcc gcc gcc
command make make make make
command patch patch patch patch
command tar tar tar tar
command gzip gzip gzip gzip
command xz xz-utils xz xz
library libgobject-2.0.so.0 libglib2.0-0 glib2 libgobject-2_0-0
library libseccomp.so.2 libseccomp2 libseccomp libseccomp2
module rpm python3-rpm python3-rpm python3-rpm
module venv python3-venv python3-libs python3-base
module ensurepip python3-venv python3-pip python3-base
END
    # For a Python that is newer than the libraries' releases pip compiles two of them: zstandard with
    # Python's headers, solv with the rest too (cmake and ninja are wheels that pip fetches for it).
    if python_is_newer; then
        cat <<'END'
header Python.h python3-dev python3-devel python3-devel
command swig swig swig swig
file /usr/include/libxml2/libxml/xmlversion.h libxml2-dev libxml2-devel libxml2-devel
file /usr/include/zlib.h zlib1g-dev zlib-devel zlib-devel
END
    fi
    if [ "${WITH_DEMO_TOOLS:-}" = 1 ]; then
        # The demo's distribution is made from Debian's packages.
        cat <<'END'
command apt-get apt apt !
command dpkg-deb dpkg dpkg dpkg
file /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring debian-keyring -
END
    fi
    if [ "${WITH_TEST_TOOLS:-}" = 1 ]; then
        # Not every rpm distribution has it.
        [ "$FAMILY" != apt ] || echo "command installcheck libsolv-tools libsolv-tools -"
        cat <<'END'
command dnf dnf dnf dnf
module dnf python3-dnf python3-dnf python3-dnf
command skopeo skopeo skopeo skopeo
command curl curl curl curl
command systemd-analyze systemd systemd systemd
file /usr/sbin/setcap libcap2-bin libcap libcap-progs
command npm npm /usr/bin/npm npm-default
either /usr/bin/initdb|/usr/lib/postgresql/*/bin/initdb postgresql postgresql-server postgresql-server
command pg_dump postgresql-client postgresql postgresql
END
        # Not every system that has dnf has these: the tests that want them are skipped there.
        if [ "$FAMILY" = apt ]; then
            cat <<'END'
command umoci umoci? - -
command qemu-aarch64 qemu-user - -
module gi python3-gi - -
module gi.repository.Modulemd gir1.2-modulemd-2.0 - -
END
        fi
        # A real Pagure, which Debian has from 13 on.
        [ "$FAMILY" != apt ] || echo "module pagure pagure? - -"
        # A broker, which the tests start themselves.
        [ "$FAMILY" != apt ] || echo "file /usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server - -"
        # Ubuntu's is a snap, CentOS has none: the pages are not looked at in a browser there.
        case "$SYSTEM_ID" in
            debian) printf '%s\n' "command chromium chromium - -" ;;
            fedora) printf '%s\n' "command chromium-browser - chromium -" ;;
        esac
    fi
}

is_there() {
    case "$1" in
        command) command -v "$2" >/dev/null 2>&1 ;;
        file) [ -e "$2" ] ;;
        header) [ -e "$("$SYSTEM_PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')/$2" ] ;;
        either) compgen -G "${2%%|*}" >/dev/null || compgen -G "${2#*|}" >/dev/null ;;
        # createrepo_c's wheel brings all but GLib, pyseccomp is libseccomp's interface alone.
        library) PATH=$PATH:/sbin:/usr/sbin ldconfig -p | grep -F "$2" >/dev/null ;;
        module) "$SYSTEM_PYTHON" -c "import $2" >/dev/null 2>&1 ;;
    esac
}

# Those of the packages that this release has.
known_to_apt() {
    local package
    for package in "$@"; do
        if apt-cache show "$package" >/dev/null 2>&1; then echo "$package"; fi
    done
}

declare -A INSTALL=(
    [apt]="apt-get install -y --no-install-recommends"
    [dnf]="dnf install -y"
    [zypper]="zypper --non-interactive install --no-recommends"
)

may_install() { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null 2>&1; }

# install_packages NEEDED... [-- OPTIONAL...]: of the second those that this release has.
install_packages() {
    local needed=() as_root=()
    while [ "$#" -gt 0 ] && [ "$1" != -- ]; do needed+=("$1"); shift; done
    if ! may_install; then
        fail "these packages are missing, and this is neither root nor is there sudo: ${needed[*]}" \
            "Run this again after, as root: ${INSTALL[$FAMILY]} ${needed[*]}"
    fi
    say "installing operating-system packages: ${needed[*]}"
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    case "$FAMILY" in
        apt)
            "${as_root[@]}" apt-get update -qq || say "apt-get update failed; going on with the lists there are"
            mapfile -t needed < <(printf '%s\n' "${needed[@]}" $(known_to_apt "${@:2}") | sort -u)
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                ${INSTALL[apt]} -q "${needed[@]}" >&2 ||
                fail "apt-get could not install: ${needed[*]}" "Its messages above say why." ;;
        dnf)
            "${as_root[@]}" ${INSTALL[dnf]} "${needed[@]}" >&2 ||
                fail "dnf could not install: ${needed[*]}" "$(dnf_remedy "${needed[@]}")" ;;
        zypper)
            "${as_root[@]}" ${INSTALL[zypper]} "${needed[@]}" >&2 ||
                fail "zypper could not install: ${needed[*]}" "Its messages above say why." ;;
    esac
}

install_system_packages() {
    local missing=() optional=() kind name apt dnf zypper package
    # It depends on the system's Python what else is needed; whoever may not install it is told all.
    if [ ! -x "$SYSTEM_PYTHON" ] && may_install; then install_packages python3; fi
    if [ -x "$SYSTEM_PYTHON" ]; then check_python; else missing=(python3); fi
    while read -r kind name apt dnf zypper; do
        case "$FAMILY" in apt) package=$apt ;; dnf) package=$dnf ;; zypper) package=$zypper ;; esac
        if [ "$package" = - ] || is_there "$kind" "$name"; then continue; fi
        case "$package" in
            !) fail "$SYSTEM_ID has no package with $name." "$(demo_remedy)" ;;
            *\?) optional+=("${package%\?}") ;;
            *) missing+=("$package") ;;
        esac
    done < <(requirements)
    # Where nothing else is missing, apt's lists are as good as they are.
    [ "${#missing[@]}" -gt 0 ] || mapfile -t missing < <(known_to_apt "${optional[@]}")
    [ "${#missing[@]}" -gt 0 ] || return 0
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    install_packages "${missing[@]}" -- "${optional[@]}"
    while read -r kind name apt dnf zypper; do
        case "$FAMILY" in apt) package=$apt ;; dnf) package=$dnf ;; zypper) package=$zypper ;; esac
        case "$package" in - | *\?) continue ;; esac
        is_there "$kind" "$name" ||
            fail "$kind $name is still missing after the packages were installed." \
                "Expected in the package $package."
    done < <(requirements)
}

# What to do where the demo's tools are not to be had.
demo_remedy() {
    local document=centos-stream-10
    [ "$FAMILY" != zypper ] || document=opensuse-tumbleweed
    printf '%s' "Only the demo and the tests need Debian's tools, for the distribution that they make. Without: deploy/install, then minimize check --on $document."
}

# RHEL, CentOS Stream and their rebuilds have Debian's tools in EPEL.
dnf_remedy() {
    case "$ENTERPRISE $* " in
        [1-9]*" apt "* | [1-9]*" dpkg "* | [1-9]*" debian-keyring "*)
            echo "apt and dpkg are in EPEL: dnf install -y https://dl.fedoraproject.org/pub/epel/epel-release-latest-$ENTERPRISE.noarch.rpm && crb enable, then run this again. Where it has no debian-keyring: put debian-archive-keyring.gpg, of Debian's package of that name, into /usr/share/keyrings. $(demo_remedy)" ;;
        *) echo "Its messages above say why." ;;
    esac
}

# The files of deploy/ that name what .venv has: the tests' tools are a third of a gigabyte more.
lock_files() {
    if [ "${WITH_TEST_TOOLS:-}" = 1 ]; then
        echo requirements.txt
    else
        printf '%s\n' requirements-install.txt requirements-build.txt
    fi
}

# What .venv is made from: where it changes, what it has is installed anew.
setup_stamp() {
    local lock files=("$MINIMIZE_HOME/pyproject.toml")
    for lock in $(lock_files); do files+=("$MINIMIZE_HOME/deploy/$lock"); done
    { "$SYSTEM_PYTHON" -VV; cat "${files[@]}"; echo "$MINIMIZE_HOME"; } | sha256sum
}

make_virtual_environment() {
    local venv=$MINIMIZE_HOME/.venv wanted stamp lock locks=()
    stamp=$venv/.minimize-setup
    for lock in $(lock_files); do locks+=(-r "$MINIMIZE_HOME/deploy/$lock"); done
    wanted=$(setup_stamp)
    # What the tests were set up with has all that the others need.
    if [ -r "$stamp" ] && { [ "$(cat "$stamp")" = "$wanted" ] ||
        [ "$(cat "$stamp")" = "$(WITH_TEST_TOOLS=1 setup_stamp)" ]; }; then
        return 0
    fi
    say "making .venv (Python packages from PyPI; some minutes the first time)"
    if [ ! -x "$venv/bin/python" ] || [ "$(readlink -f "$venv/bin/python")" != "$(readlink -f "$SYSTEM_PYTHON")" ]; then
        rm -rf "$venv"
        "$SYSTEM_PYTHON" -m venv "$venv"
    fi
    local pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check)
    # What has no wheel is made one: the pip of Debian 12 would install it without a list of its files,
    # which deploy/rpm needs, and warn.
    "${pip[@]}" install --no-compile --use-pep517 --require-hashes "${locks[@]}" >&2 ||
        fail "pip could not install what $(lock_files | paste -sd ' ') of deploy/ name." \
            "Its messages above say why; with a network, run this again."
    # Nothing more is fetched for the checkout itself.
    "${pip[@]}" install --no-deps --no-build-isolation -e "$MINIMIZE_HOME" >&2 ||
        fail "pip could not install the checkout itself." "Its messages above say why."
    # By all processors, where pip takes one; what is written for another Python is left as it is.
    "$venv/bin/python" -m compileall -q -j 0 "$venv/lib" >/dev/null || :
    "$venv/bin/python" -c 'import rpm, solv' ||
        fail "rpm or solv cannot be imported in .venv." "Is python3-rpm installed for $SYSTEM_PYTHON?"
    printf '%s\n' "$wanted" >"$stamp"
}

# GitHub's own description of its API and examples of its webhooks, and the schema of SARIF as
# Microsoft's matchers carry it, for the tests alone. They are in npm; the tests that want them are
# skipped where npm does not answer. Lines: package, file in it, and the
# SHA-512 of the whole (npm's dist.integrity).
FORGE_DESCRIPTIONS=(
    "@octokit/openapi@23.0.2 package/generated/api.github.com.json pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
    "@octokit/webhooks-examples@7.6.1 package/api.github.com/index.json De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ=="
    "@microsoft/jest-sarif@1.0.0-beta.0 package/lib/schemas/sarif-2.1.0-rtm.5.json A1fOhPd6Ic5iDk4F9YPw1qNB4XF+7+IviR7xl8r2F6QzQkx5cpY9LsGk2rExiFIEcBbjpVnSmwWGBukASkiQ9A=="
)

# Whether a file has this SHA-512, in base64.
has_integrity() {
    "$SYSTEM_PYTHON" - "$1" "$2" <<'END'
import base64, hashlib, sys
with open(sys.argv[1], "rb") as file:
    digest = hashlib.file_digest(file, "sha512").digest()
sys.exit(base64.b64encode(digest).decode() != sys.argv[2])
END
}

get_forge_descriptions() {
    local folder=$MINIMIZE_HOME/.venv/forge-descriptions entry package file integrity scratch
    for entry in "${FORGE_DESCRIPTIONS[@]}"; do
        read -r package file integrity <<<"$entry"
        [ ! -s "$folder/$package.json" ] || continue
        say "getting $package from npm (for tests)"
        mkdir -p "$(dirname -- "$folder/$package")"
        scratch=$(mktemp -d "$folder/XXXXXX")
        if (cd "$scratch" && timeout 120 npm pack --silent "$package" >/dev/null) &&
            has_integrity "$scratch"/*.tgz "$integrity" &&
            tar -xzf "$scratch"/*.tgz -C "$scratch" "$file"; then
            mv "$scratch/$file" "$folder/$package.json"
        else
            say "npm has not given $package: the tests that want it are skipped"
        fi
        rm -rf "$scratch"
    done
}

set_up() {
    recognize_system
    install_system_packages
    make_virtual_environment
    # Where PYTHONDONTWRITEBYTECODE is set, every command would compile what it imports.
    "$MINIMIZE_HOME/.venv/bin/python" -m compileall -q "$MINIMIZE_HOME/bot"
    if [ "${WITH_TEST_TOOLS:-}" = 1 ]; then get_forge_descriptions; fi
}
