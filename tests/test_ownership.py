"""What emofuse did not write is named and left alone, by every command that writes files of fixed names."""

from pathlib import Path

import pytest

from emofuse.errors import UsageError
from emofuse.ownership import refuse_foreign
from emofuse.research.corpora.manifest import COLUMNS, is_manifest


def test_a_file_of_somebody_else_is_named_with_what_to_do(tmp_path: Path) -> None:
    absent, ours, foreign = (tmp_path / name for name in ("absent.csv", "ours.csv", "foreign.csv"))
    ours.write_text(",".join(COLUMNS) + "\na.wav,happy\n")
    foreign.write_text("path,emotion,speaker\na.wav,happy,1\n")
    refuse_foreign([absent, ours], is_manifest)
    with pytest.raises(UsageError) as caught:
        refuse_foreign([absent, ours, foreign], is_manifest)
    assert str(caught.value) == (
        f"{foreign} would be replaced, and emofuse did not write it, or it was changed since "
        "(give --overwrite to replace it, or choose another place with -o)"
    )


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_no_file_is_not_ours(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out.csv"
    path.mkdir() if kind == "folder" else path.symlink_to(tmp_path / "absent")
    with pytest.raises(UsageError, match=r"out\.csv would be replaced"):
        refuse_foreign([path], is_manifest)
