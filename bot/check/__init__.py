"""One change's run: plan, compare, verdict. Names load their modules when they are first used."""
