"""`minimize check --ci`: the changes and the reports of continuous-integration systems."""
