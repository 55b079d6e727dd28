"""The limits of what is parsed: an input beyond one is refused before it is read to its end.

Each parser takes its own from here. Sizes are bytes, lengths are characters, counts are items. The
limits are above what distributions have, and low enough that an input at its limit takes less than
64 MiB of the server's memory.
"""

MEBIBYTE = 1024 * 1024

# Spec files, the files that they include, and an evaluation's copy of the checkout.
SPEC = 2 * MEBIBYTE
SPEC_TREE = 32 * MEBIBYTE
SPEC_TREE_FILES = 5000
MACRO_FILE = 8 * MEBIBYTE  # a file in a package of macros
SOURCE_LIST = 1_000_000  # `sources` and similar files
MACROS_IN_TREE = 1_000_000  # a file beside a spec file that may define its macros

# One fetch of commits or files, as packed by git: all commits and trees of the Linux kernel are
# half of it.
FETCHED_PACK = 4_000_000_000

# A commit's files, on disk, and those of them in memory at a time.
CHECKOUT = 2_000_000_000
CHECKOUT_FILES = 200_000
CHECKOUT_TOGETHER = 64_000_000

# A build: one source, its log, the output of an installation of packages.
SOURCE = 2_000_000_000
BUILD_LOG = 64 * MEBIBYTE
INSTALL_LOG = 16 * MEBIBYTE

# The answer of an evaluation, for each architecture: packages, dependencies, expanded text.
SPEC_ANSWER = 4 * MEBIBYTE
SPEC_PACKAGES = 5000
SPEC_DEPENDENCIES = 20_000
SPEC_SOURCES = 20_000
SPEC_WORDS = 5000  # architectures, conditions, macros, included files
SPEC_MESSAGE = 8192
SPEC_REFUSAL = 2000  # characters of a message that are shown
SPEC_REQUESTED = 2000  # build requirements that a refused spec file names

# Of an uninstallable side of an image: the solver's texts, and causes as data. Of a change: the
# annotations of its lines.
SIDE_CAUSES = 100
ANNOTATIONS = 200

# The result of a change that nobody trusts or allows, as the server receives it from the computing
# process: reading, storing and rendering it takes about fifteen times this memory.
LARGE_ANSWER = 3 * MEBIBYTE

# The headers of RPM files (in rpm's format), and the data read from those of one build: the 25,000
# files of a kernel-devel are 1.5 MB.
HEADER = 16 * MEBIBYTE
HEADER_VALUES = 500_000  # of one tag
PACKAGE_FILES = 150_000
PACKAGE_PATHS = 32 * MEBIBYTE  # characters of all their paths, with repeated directories
BUILT_HEADERS = 16 * MEBIBYTE
BUILT_PACKAGES = 3000
BUILT_DEPENDENCIES = 20_000
BUILT_FILES = 250_000

# Repositories of builds elsewhere: primary.xml, and the data read from it.
LISTING_PACKED = 30_000_000
LISTING = 120_000_000
LISTING_ANSWER = 4 * MEBIBYTE
LISTING_TEXT = 4096  # characters of one element or attribute
LISTING_DEPTH = 20  # nesting of elements; primary.xml has six levels
EXTERNAL = 4_000_000_000  # all packages together
# A base image's rpm database, the JSON documents of its OCI layout, the time to read a layer.
IMAGE_DATABASE = 128 * MEBIBYTE
IMAGE_DOCUMENT = 4 * MEBIBYTE
IMAGE_LAYER_SECONDS = 120.0
HUB_ANSWER = 4 * MEBIBYTE  # an answer of Koji's hub, or of Copr's API

# Webhooks, whose bodies the settings limit: one larger than WEBHOOK_WHOLE is decoded in a process
# of its own, and its lists and texts are truncated. No event needs more of a large body: the
# commits of a push are not read, a comment has its own limit.
WEBHOOK_WHOLE = MEBIBYTE
WEBHOOK_ITEMS = 100
WEBHOOK_TEXT = 200_000
WEBHOOK_NAME = 200  # characters of a delivery's id and of its event

# Files of a repository: repomd.xml, metalinks and lists of mirrors, keys, signatures; the files
# that repomd.xml lists, packed and unpacked, read as a stream; comps and modules; RPM files.
REPOMD = 2_000_000
MIRRORS = 2_000_000
KEY = 1_000_000
SIGNATURE = 100_000
METADATA_PACKED = 1_000_000_000
METADATA = 4_000_000_000
GROUPS = 32 * MEBIBYTE
PACKAGE = 8_000_000_000

# Documents: any YAML, `.minimize.yaml` of a repository, the server's settings, files of dnf.
YAML = 4_000_000
YAML_NODES = 1_000_000  # aliases counted in full
YAML_DEPTH = 100
REPOSITORY_FILE = 100_000
REQUEST_CANDIDATES = 2000  # files of a branch that may be request files
REQUEST_FILES = 64 * MEBIBYTE  # all files that are read of one side for images' requests
SETTINGS = 1_000_000
REPOFILE = 1_000_000

# One request file, and a value of its variables.
REQUEST_FILE = 1_000_000
RPMS_LOCK = 4_000_000
REQUEST_VALUE = 64 * 1024  # characters

# Comments: characters of one (GitLab allows a million, for which a parser may need minutes), of a
# line and of a word, and the number of commands: each is answered, and some take seconds.
COMMENT = 100_000
COMMENT_LINE = 2000
COMMENT_WORD = 256
COMMENT_COMMANDS = 10

# The end of a log that is searched for a cause.
LOG_TAIL = 64 * 1024

# Names of packages, and capabilities.
NAME = 256
CAPABILITY = 4096
RICH_WORDS = 400  # words of a rich dependency, brackets and operators included
RICH_DEPTH = 40
PATH = 4096
EPOCH = 2**32 - 1
