"""Images: layers composed of packages' fragments, measured, and written as OCI layouts.

A layer is a concatenation of packages: a package's files become a piece of a tar archive once,
compressed with gzip and zstd, and a layer consists of such pieces. The effects of scriptlets are
missing: they are the change author's code, and foreign architectures cannot run them.
"""
