"""`minimize check --ci`: the change and the reports of the continuous-integration systems."""
