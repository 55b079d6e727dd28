"""The attack surface of an image: what an attacker could use, as its packages' headers say."""
