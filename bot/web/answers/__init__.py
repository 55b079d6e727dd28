"""What each page says, as JSON, with its tables and its template; HTML and CSV come from them."""

from bot.web.answers.answer import Answer, Archive
from bot.web.answers.architectures import architectures
from bot.web.answers.compare import compare
from bot.web.answers.image import image
from bot.web.answers.images import images
from bot.web.answers.objectives import objective, objectives
from bot.web.answers.overview import overview
from bot.web.answers.packages import package, packages
from bot.web.answers.surface import surface

__all__ = [
    "Answer",
    "Archive",
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
