"""The content of each page: JSON, tables and template; HTML and CSV come from them."""

from bot.web.responses.architectures import architectures
from bot.web.responses.compare import compare
from bot.web.responses.image import image
from bot.web.responses.images import images
from bot.web.responses.objectives import objective, objectives
from bot.web.responses.overview import overview
from bot.web.responses.packages import package, packages
from bot.web.responses.response import Archive, PageResponse
from bot.web.responses.surface import surface

__all__ = [
    "Archive",
    "PageResponse",
    "architectures",
    "compare",
    "image",
    "images",
    "objective",
    "objectives",
    "overview",
    "package",
    "packages",
    "surface",
]
