"""Images: layers composed of packages' fragments, measured, and written as OCI layouts.

A layer is a sum of packages: a package's files become a piece of a tar archive once, compressed
with gzip and zstd, and a layer is such pieces one after the other. What scriptlets would have
added is not in it: they are the change author's code, and foreign architectures cannot run them.
"""
