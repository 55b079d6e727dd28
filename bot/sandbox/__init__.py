"""The sandbox: what untrusted code may see and use (bubblewrap).

Untrusted is whatever a change's author wrote: `%(shell)` and Lua of a spec file, the build itself,
scriptlets. It sees no network, no secrets, no home, no environment but a given one, a read-only
view of the directories it needs, and it is limited in time, memory, processes and output.
"""
