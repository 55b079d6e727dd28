"""comps and modules beyond their limit are not read."""

from pathlib import Path

import pytest

from bot.closure.comps import read_comps
from bot.closure.modules import read_modules
from bot.errors import SurroundingsError
from bot.limits import GROUPS


def test_a_file_beyond_the_limit_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(GROUPS + 1)
    with pytest.raises(SurroundingsError, match="is not read"):
        read_comps([path], "x86_64")
    with pytest.raises(SurroundingsError, match="is not read"):
        read_modules([("r", path)])
