"""The sentences of a report, by its parts, to be read as text. bot.report.template has the slots.

`tests/report/test_report_sentences.py` writes all of them with examples to `var/sentences.md`.
"""

from __future__ import annotations

from bot.report.template import Template

# The headline: nothing changes, or nothing could be checked.
NOTHING_ANY_MORE = Template("No image changes any more.")
NO_SPEC = Template("No spec file changed.")
NO_IMAGE = Template("No image changes.")
LITTLE_BUT_HARMED = Template("No image changes by much, but an objective is harmed.")
CANNOT_BE_EVALUATED = Template("This change cannot be evaluated: {problem:message}")
NOT_EVALUATED = Template("Not evaluated: {problem:message}")
NEVER_INSTALLABLE = Template(
    "Not evaluated: {image} {where:words}[ and {others:# more image}] could not be installed before"
    " this change either."
)
MORE_NEVER_INSTALLABLE = Template(
    "{images:# image} could not be installed before this change either."
)

# The headline: images that at most one side can install.
BROKEN = Template("can no longer be installed")
UNINSTALLABLE = Template("{images:is|are} new and cannot be installed")
REPAIRED = Template("can be installed again")
NEW = Template("{images:is|are} new")
TURNED = Template("{image} {where:words}[ and {others:# more image}] {turn}[: {reason}].")
TURNED_ALIKE = Template("{image} and {others:# more image} {turn} {where:words}[: {reason}].")
NEW_SIZE = Template("{packages:words}, {size:figure}")
NEW_SIZE_AT_LEAST = Template("{packages:words}, at least {size:figure}")
NEW_SIZE_UNKNOWN = Template("{packages:words}, their size is known once it is built")
FIRST_CAUSE = Template("{cause}[ ({images:# image})][, and {others:# more cause}]")

# The headline: packages that come and go, and the change in size.
ADDS = Template(
    "This change adds {packages:words} and {size:figure} to {images}{known:words}[, {because}]."
)
ADDS_UNKNOWN = Template(
    "This change adds {packages:words} of unknown size to {images}[, {because}]."
)
ADDS_AND_MOVES = Template(
    "This change adds {packages:words}[ ({size:figure})] to {images}[, {because}]{removes}{in_all}."
)
AND_REMOVES = Template(" and removes {packages:words}")
AND_REMOVES_AFTER_REASON = Template(", and removes {packages:words}")
SHRINKS = Template(
    "This change lets {subject} shrink by {size:figure} and {packages:words} {where:words}."
)
TAKES_OUT = Template("This change takes {packages:words} out of {images}{in_all}.")
RESIZES = Template(
    "This change makes {subject} {size:figure} {direction:words} {where:words}, with the same"
    " packages{known:words}."
)
CHANGES_PACKAGES = Template("This change changes packages of {images}{in_all}.")
IN_ALL = Template("; in all {each:words} {moves}{known:words}")
EACH_OF = Template("each of {images:number} images")
IS_RESIZED = Template("is {size:figure} {direction:words}")
SOME_BECAUSE = Template("{packages:words} of them {because}")
AT_LEAST = "at least {}"
UP_TO = "up to {}"
AS_FAR_AS_KNOWN = ", as far as is known"

# The headline: the other effects.
ITSELF_DIFFERS = Template("It {verb:words} {where:words}.")
OTHERS = Template("{images} {does}.")
OTHER_KINDS = Template("{images} {count:changes|change}: {kinds}.")
BESIDES = Template("Besides, {images:# image}")
MORE_IMAGES = Template("{images:# more image}")
ONE_KIND = Template("{images:number} {does}")
ON_SOME = Template("{turn} on some architectures")
MOVE_BY = Template("{verb:words} by {size:figure}[ {each:words}]{known:words}")
KEEP_SIZE = Template("{images:keeps its size|keep their sizes}")
MOVE_UNKNOWN = Template("{images:moves|move} by a size that is not known")

# The title of a status, without markup.
TITLE_CONFIGURATION_WRONG = Template("{path:path} is not valid. {title}")
TITLE_CONFIGURATION = Template("{path:path} changes. {title}")
TITLE_ACCEPTED = Template("Accepted by {user:words}: {title}")
TITLE_PREDICTED = Template("{title} (predicted)")
TITLE_NOT_ALL = Template("Not all evaluated. {title}")
TITLE_MOVES = Template("{subject}: {moves:words} {where:words}[; {images:# image} changed]")

# The headline and the table of packages: why packages come in.
BECAUSE_OF_LINES = Template("because of {lines}")
BECAUSE_LINKED = Template("because {links}")
NOW_LINKS = Template("the build now links {library:capability}")
MORE_REASONS = {
    "line": Template("[ and {others:# more line}]"),
    "library": Template("[ and {others:#} more {others:library|libraries}]"),
    "cause": Template("[ and {others:# more cause}]"),
}
NEED = Template(
    "{source:package} {verb:words} {capability:capability}[ for {file:file}]{others:words}"
)
AND_OTHERS = " and others"

# Why an image cannot be installed.
INCOMPATIBLE = Template(
    "{package:package}, which the image requests, is of an architecture that it cannot install"
)
NOTHING_PROVIDES_REQUEST = Template(
    "nothing provides {capability:capability}, which the image requests"
)
NOTHING_PROVIDES = Template(
    "nothing provides {capability:capability}, which {package:package} requires"
)
CONFLICTS = Template("{package:package} conflicts with {capability:capability}")
NOT_BESIDE = Template("{package:package} cannot be installed beside {other:package}")
EXCLUDES = Template("{package:package} excludes {other:package}[ through {capability:capability}]")
CAUSE_AT = Template("{cause} ({place})")
CAUSE_BY = Template("{cause} because of {line:line}")
CAUSES = Template("{causes}[; and {others:# more cause}]")

# Images.
IMAGE_ON = Template("{image} ({arches:words})")
EVERYWHERE = Template("everywhere")
WHERE = Template("{workload} on {environment:name}[ ({arches:words})]")

NO_REASON = Template("{image}: the solver gives no reason")
BREAKAGE = Template("{cause}: {images}[ ({chain})]")
BEFORE_AND_AFTER = Template("{before:figure} \N{RIGHTWARDS ARROW} {after:figure}")
COUNTS = Template("{before:words} \N{RIGHTWARDS ARROW} {after:words} ({change:words})")
CANNOT_BE_INSTALLED = Template("cannot be installed")
IS_NEW = Template("**new**")
IS_BROKEN = Template("**broken**")
WORKS_AGAIN = Template("**works again**")
CHANGE = Template("{change}[ ({percent:figure})]")
CHANGE_KNOWN = Template("{change} known")
FILE_NEW = Template("new, {after:size}")
FILE_GONE = Template("gone, was {before:size}")
FILE_RESIZED = Template("{before:size} \N{RIGHTWARDS ARROW} {after:size}")

# Packages.
REQUESTED = Template("asked for by the workload or its environment")
CHOSEN_ANEW = Template("the solver chose it, nothing requires it anew")
LINKED_NO_LINE = Template("linked by the build, no line names it")
LINKED = Template("linked by the build ({library:capability})")
NO_LINE = Template("no line can be named")
BROUGHT = Template("{line}[, and so does {alternatives}][, only together with {others}]")
BROUGHT_STAYS = Template("{line}; it stays without it: {need}")
SHORT_LINE = Template("{text:code} (line {line:number})")
VERSIONS = Template("{before:code} \N{RIGHTWARDS ARROW} {after:code}")
INSTEAD_OF_LINE = Template(
    "{replacement:code} instead of {line:line} keeps out {packages:words}[ ({come:words} instead)],"
    " {size:figure}, {images}."
)
COMES = "{} comes"
COME = "{} come"
STAYS = Template("{package:package} stays without {line:line}: {need} too.")
LEAVES_WHEN_UNLINKED = Template(
    "{packages} {count:leaves|leave} only when the build no longer links what needs"
    " {count:it|them}: no line of the spec names {count:it|them}."
)
EITHER_KEEPS = Template(
    "Either of {lines} keeps {packages:words} in: both must go ({size:figure})."
)
EACH_KEEPS = Template(
    "Each of {lines} keeps {packages:words} in: all of them must go ({size:figure})."
)
WITHOUT_LINES = Template(
    "Without {lines}{together:words}, {packages:words} {leave:words} again: {size:figure}"
    "[; {others} {come:comes|come} instead]."
)
IN_IMAGES = Template("in {images:# image}")
IN_IMAGE = Template("in {workload} ({arches:words})")
MORE_GRAPHS = Template("\N{HORIZONTAL ELLIPSIS} and {graphs:# more graph}")

# Objectives.
BREAKS = Template(
    "This breaks the objective {objective:title} {values}[; and {others:# more value}]."
)
MOVES_FURTHER = Template(
    "This moves further from the objective {objective:title} {values}[; and {others:# more value}]."
)
VALUES = Template("for {subject}: {values}")
ACCEPTED = Template("**Accepted** for this commit by {user:user} on {time:day}: {reason}")
VIOLATION_TITLE = Template("{subject}: {value} ({objective:words})[ and {others:#} more]")
ON = Template("{image} {where:words}")
UNWANTED_IS = Template("{package:package} is {presence:words}[ ({reason:prose})]")
VALUE = Template(
    "[{metric} ]{value:figure}[, the {bound:words} is {limit:figure}][ ({reason:prose})]"
)
VALUE_OVER = Template(
    "[{metric} ]{over:figure} over the {bound:words} of {limit:figure}[ ({reason:prose})]"
)
UNWANTED = Template("unwanted {package:package}")
LIMIT_AND_TARGET = Template("[{limit}, ]{target} by {by:words}")
TO_GO = Template(
    "{amount:figure} to go to the target[, {more:figure} more than before]"
    "[, {less:figure} less than before]"
)
TARGET_REACHED = Template(
    "the target is reached[, {more:figure} more than before][, {less:figure} less than before]"
)

# Problems, builds and evidence.
NOT_BEFORE_EITHER = Template("{image} could not be installed before this change either[: {reason}]")
INTERRUPTED = Template("Something around the check failed, not the change: try again.")
OUTCOMES = {
    "built": "built",
    "cached": "from the cache",
    "base-failed": "the base does not build",
    "head-failed": "the change does not build",
    "missing-requirement": "a build requirement is missing",
    "not-built": "not built",
}
OUTCOME = Template("{outcome:words}[ in {seconds:figure}][: {message:message}]")
ALL_PREDICTED = Template(
    "Predicted from the spec: the change's dependency lines, applied to the published packages."
    " What only a build finds is not in it{follows:words}."
)
BUILD_FOLLOWS = "; the real build follows and edits this comment"
EVIDENCE = {
    "rebuilt": Template("both sides rebuilt on {arches}"),
    "external": Template("built elsewhere for {arches}"),
    "transferred": Template("the difference transferred to {arches}"),
    "predicted": Template("predicted from the spec for {arches}"),
}
COMPARED = Template("Compared: {base:commit} (merge base) with {head:commit} (head).")
METADATA = Template("Both sides on the repositories' metadata of {repositories}.")
METADATA_OF = Template("{repository:name} {days:words}")
STALE = Template("{repository:name} is stale: {reason:message}.")

# The table of objectives.
NOT_MEASURED = Template("not measured[: {reason:prose}][; {way}]")
MET = Template("met[: {reason:prose}][; {way}]")
FURTHER_FROM_IT = Template("**further from it**[: {reason:prose}][; {way}]")
BROKEN_BY_THIS = Template("**broken by this change**[: {reason:prose}][; {way}]")
BROKEN_BEFORE = Template("broken before, no worse[: {reason:prose}][; {way}]")
BROKEN_NOW = Template("broken[: {reason:prose}][; {way}]")

# The comment as a whole.
TOO_LONG = Template("This report is too long for a comment.")
ANSWER_TOO_LONG = Template("{command}: the answer is too long for a comment.")
FULL_REPORT = Template("{page_url:link The full report} leaves nothing out.")
PARTS_LEFT_OUT = Template("Parts of this report are left out: they do not fit in a comment.")
CHAT_HELP = Template("Comment `/minimize help` for what to ask.")
