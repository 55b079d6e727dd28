"""Charts and graphs as SVG elements, without scripts; tooltips are titles."""
