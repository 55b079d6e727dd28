"""The sandbox (bubblewrap): the files and resources that untrusted code may use.

Untrusted is everything that a change's author wrote: `%(shell)` and Lua of a spec file, the build
itself, scriptlets. It has no network, no secrets, no home, only the environment given to it, a
read-only view of the directories that it needs, and limits on time, memory, processes and output.
"""
