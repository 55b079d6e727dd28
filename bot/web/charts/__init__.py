"""Charts, drawn by pygal as SVG: readable without JavaScript, with tooltips and links with it."""
