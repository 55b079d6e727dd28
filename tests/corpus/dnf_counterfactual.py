"""dnf's answers on repositories changed one source at a time; run by the system's Python.

Reads one JSON object from standard input: what `dnf_answers.opened` needs, and `questions`, each
with `source`, `keep` (NEVRAs with epoch: the packages that stand for the source), `changed` (one of
them, which repository `changed` has in another form) and `requests`. Writes a list of pairs: the
sorted NEVRAs of the image with the published form and with the changed one, null where dnf refuses.
"""

import json
import logging
import sys

sys.path.insert(0, sys.argv[1])

from dnf_answers import answer, mend_libcomps, opened


def nevra(package):
    return f"{package.name}-{package.epoch}:{package.version}-{package.release}.{package.arch}"


def pair(base, question, published, changed):
    """Everything of the source but what is kept leaves; then its changed form takes its place."""
    keep = set(question["keep"])
    own = published.get(question["source"], ())
    gone = [package for package in own if nevra(package) not in keep]
    form = changed[question["changed"]]
    others = [package for package in changed.values() if package != form]
    original = [package for package in own if nevra(package) == question["changed"]]
    answers = []
    for excluded in (gone + others + [form], gone + others + original):
        base.sack.reset_excludes()
        base.sack.add_excludes(base.sack.query().filterm(pkg=excluded))
        answers.append(answer(base, {"requests": question["requests"]}))
    return answers


def main():
    logging.disable(logging.CRITICAL)
    mend_libcomps()
    job = json.load(sys.stdin)
    base = opened(job, job["work"])
    published = {}
    changed = {}
    for package in base.sack.query():
        if package.reponame == "changed":
            changed[nevra(package)] = package
        else:
            published.setdefault(package.source_name, []).append(package)
    answers = [pair(base, question, published, changed) for question in job["questions"]]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
