"""What tells one face from another: a small network's embedding, which ships with the package.

`scripts/make_face_identity.py` makes it of the early layers of our face network, and measures it (docs/people.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import AssetError, BundleError
from emofuse.inference.onnx_runtime import open_session
from emofuse.preprocessing.face import FaceCrops
from emofuse.provenance import ModelFile
from emofuse.reading import file_hash
from emofuse.types import Face

FACE_IDENTITY: Final = Path(__file__).parents[1] / "detectors" / "face_identity.onnx"

Embedding = NDArray[np.float32]


class FaceEmbedder:
    """Embeds faces so that two pictures of one person lie closer than pictures of two.

    Args:
        path: The ONNX file, by default the one that ships.

    Raises:
        AssetError: The file is no such network.

    Example:
        >>> import numpy as np
        >>> from emofuse.types import Face
        >>> face = Face(np.array([10, 10, 60, 70], np.float32), 0.9)
        >>> FaceEmbedder().embed(FaceCrops(np.zeros((90, 90, 3), np.uint8)), [face]).shape
        (1, 64)
    """

    def __init__(self, path: Path = FACE_IDENTITY) -> None:
        try:
            self._session = open_session(path)
        except BundleError as error:
            raise AssetError(f"{path} is not a network that can be run") from error
        if [one.name for one in self._session.get_inputs()] != ["faces"]:
            raise AssetError(f"{path} is not a network that embeds faces")
        self.model_file = ModelFile("face identity", path.name, file_hash(path))

    def embed(self, crops: FaceCrops, faces: Sequence[Face]) -> Embedding:
        """Embed the faces of a picture.

        Args:
            crops: Of the picture.
            faces: N of them.

        Returns:
            (N, D) float32, each of unit length; the dot product of two is their likeness.
        """
        batch = np.stack([crops.of(face) for face in faces])[:, None].astype(np.float32)
        found: Embedding = self._session.run(None, {"faces": batch})[0]
        return found


@cache
def shared_embedder() -> FaceEmbedder:
    """Return the embedder that ships, loaded once: it has no state."""
    return FaceEmbedder()
