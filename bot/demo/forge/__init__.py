"""A local forge that speaks GitHub's REST API, git over HTTP and signed webhooks.

It is what `minimize demo` and the tests have in the place of GitHub: nothing leaves the loopback.
"""
