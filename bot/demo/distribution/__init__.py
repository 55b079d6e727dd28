"""A small real distribution, made of Debian's packages: for the demo and for the tests.

Debian 12 (or 13, if the mirror does not have all of 12) for four architectures, repackaged by
rpmbuild; rpm's own generator finds the ELF dependencies. About 165 packages for x86_64, where it is
a buildroot too, 87 for each of the others. Made once below the cache (two minutes on two cores, 230
MB fetched, 850 MB on the disk), used without a network afterwards.

A machine needs apt-get, dpkg-deb, rpmbuild and Debian's archive keys, but no root, and its own
packages are not touched. On Debian and Ubuntu they are in `apt`, `dpkg`, `rpm` and
`debian-archive-keyring`, on Fedora in `apt`, `dpkg`, `rpm-build` and `debian-keyring`. The error
names what is missing. Environment: MINIMIZE_CACHE (the cache directory), MINIMIZE_DEBIAN_MIRROR (a
mirror; it must have Debian's signature).

The modules say where it differs from Debian, and why: `relations` (dependencies), `tweaks` (files
that maintainer scripts would have made), `unpack` (merged /usr), `own_packages` (`filesystem` and
the macros to build with).
"""
