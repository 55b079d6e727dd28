"""The attack surface of an image: what an attacker could use, by its packages' headers."""
