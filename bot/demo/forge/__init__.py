"""A local forge that speaks the REST APIs of GitHub, GitLab and Forgejo, git over HTTP and signed
webhooks.

It is what `minimize demo` and the tests have in the place of them: nothing leaves the loopback.
One state, and what is done to it, stands behind all; `github`, `gitlab` and `forgejo` have the same
modules.
It serves what the bot calls.
"""
