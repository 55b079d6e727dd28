"""Charts, drawn by pygal as SVG: readable without JavaScript, with tooltips and links with it."""

from bot.web.charts.bars import architectures_chart, movers_chart, versions_chart
from bot.web.charts.burn_down import objective_chart
from bot.web.charts.curves import packages_chart, size_chart
from bot.web.charts.look import Look, Theme
from bot.web.charts.treemap import treemap

__all__ = [
    "Look",
    "Theme",
    "architectures_chart",
    "movers_chart",
    "objective_chart",
    "packages_chart",
    "size_chart",
    "treemap",
    "versions_chart",
]
