"""History: what every image was, day by day, what moved it, and how its objectives stood.

It lives in the store's file and is written under the store's lock; reading has a connection of its
own. Closures are kept as differences: a package's stay in an image is one row.
"""
