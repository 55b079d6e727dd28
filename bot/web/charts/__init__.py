"""Charts and graphs as SVG: elements of their own, without a script; tooltips are titles."""
