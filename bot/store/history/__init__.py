"""History: every image's closures over time, the causes of its steps, its objectives' states.

It lives in the store's file and is written under the store's lock; reading has a connection of its
own. Closures are stored as differences: a package's interval in an image is one row.
"""
