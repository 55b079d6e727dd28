"""A local forge that speaks GitHub's and GitLab's REST APIs, git over HTTP and signed webhooks.

It is what `minimize demo` and the tests have in the place of the two: nothing leaves the loopback.
One state, and what is done to it, stands behind both; `github` and `gitlab` have the same modules.
It serves what the bot calls.
"""
