"""The limits of what is parsed: beyond one, an input is refused before it is read to its end.

Each parser takes its own from here. Sizes are bytes, lengths characters, counts items. The numbers
are above what distributions have, and low enough that what is made of an input at its limit takes
less than 64 MiB of the server's memory.
"""

MEBIBYTE = 1024 * 1024

# Spec files, and what they include.
SPEC = 2 * MEBIBYTE

# The answer of an evaluation, for each architecture: packages, dependencies, expanded text.
SPEC_ANSWER = 4 * MEBIBYTE
SPEC_PACKAGES = 5000
SPEC_DEPENDENCIES = 20_000
SPEC_SOURCES = 20_000
SPEC_WORDS = 5000  # architectures, conditions, macros, included files
SPEC_MESSAGE = 8192

# The headers of RPM files (of the file, as rpm writes it), and what is read of those of one build:
# the 25,000 files of a kernel-devel are 1.5 MB.
HEADER = 16 * MEBIBYTE
HEADER_VALUES = 500_000  # of one tag
PACKAGE_FILES = 150_000
PACKAGE_PATHS = 32 * MEBIBYTE  # characters of all their paths, in which directories repeat
BUILT_HEADERS = 16 * MEBIBYTE
BUILT_PACKAGES = 3000
BUILT_DEPENDENCIES = 20_000
BUILT_FILES = 250_000

# The repositories of others' builds: primary.xml, and what of it is taken.
LISTING_PACKED = 30_000_000
LISTING = 120_000_000
LISTING_ANSWER = 4 * MEBIBYTE

# comps and modules of a repository, unpacked.
GROUPS = 32 * MEBIBYTE

# The end of a log that is searched for a cause.
LOG_TAIL = 64 * 1024

# Names as packages have them, and what they provide or require.
NAME = 256
CAPABILITY = 4096
RICH_WORDS = 400  # of a rich dependency, brackets and operators too
RICH_DEPTH = 40
PATH = 4096
EPOCH = 2**32 - 1
