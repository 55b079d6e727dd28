"""The base of `minimize demo` and the tests: a small distribution, a local forge, the demo's run.
Light to import: the names below load their modules at their first use."""
