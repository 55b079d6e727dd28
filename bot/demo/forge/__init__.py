"""A local forge with the REST APIs of GitHub, GitLab, Forgejo and Pagure, git over HTTP and signed
webhooks.

`minimize demo` and the tests use it in place of real forges, on the loopback only. All APIs work on
one state (`state`), and serve the requests that the bot makes.
"""
