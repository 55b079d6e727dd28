"""Git: commits, trees and files of untrusted repositories, without running their code.

Hooks, filters, submodules and LFS smudging never run; nothing is checked out through git itself.
"""
