"""The schemas of the JSON under `/api`, for its OpenAPI description: names, types, units.

Sizes are bytes, times RFC 3339 in UTC; null is not known. The tests hold every answer to them.
"""

from bot.web.schemas.pages import (
    Architectures,
    Checks,
    Comparison,
    Image,
    Images,
    Objective,
    Objectives,
    Overview,
    PackagePage,
    Packages,
    Surface,
)
from bot.web.schemas.parts import Problem, Schema

__all__ = [
    "Architectures",
    "Checks",
    "Comparison",
    "Image",
    "Images",
    "Objective",
    "Objectives",
    "Overview",
    "PackagePage",
    "Packages",
    "Problem",
    "Schema",
    "Surface",
]
