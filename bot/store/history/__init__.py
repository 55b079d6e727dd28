"""History: every image's closures over time, the causes of its steps, its objectives' states.

It is in the store's file and is written under the store's lock; reading has a connection of its
own. Closures are stored as differences: one row has the interval of a package in an image.
"""
