"""Makes a feature set with something to learn in it: utterances of four emotions by six speakers in three sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from make_features import packed

EMOTIONS = ("neu", "hap", "sad", "ang")
TINY = """
name = "tiny"
remark = "chosen on the validation parts"
protocol = "session"
seeds = [1, 2]
[data]
corpus = "features"
train_on = ["{corpus}"]
labels = "iemocap-4"
valid_speakers = 2
[train]
epochs = 10
batch_size = 8
lr = 0.02
[methods.early]
model = {{ name = "early-fusion", hidden = [16], dropout = 0.0 }}
[methods.attention]
model = {{ name = "attention-fusion", width = 8, heads = 2 }}
[robustness]
noise = [2.0]
loss = [0.5]
"""
"""A comparison that trains in seconds."""


def write_feature_corpus(folder: Path, n: int = 12, acoustic: int = 3, seed: int = 0) -> Path:
    """Write a feature set of n utterances a speaker, each modality of which tells two of the emotions from the others.

    One utterance has no acoustic features, and nobody has visual ones. Dialogues are scripted and improvised in turn.
    """
    random = np.random.default_rng(seed)
    tells = {"acoustic": random.normal(0, 1, (4, acoustic)), "lexical": random.normal(0, 1, (4, 4))}
    tells["acoustic"][1], tells["lexical"][3] = tells["acoustic"][0], tells["lexical"][2]
    header = (
        "file_name_list,speakers,session,dialogue,scripted,visual_features,acoustic_features,lexical_features,emotion"
    )
    rows = [header]
    for speaker in range(6):
        session, place = 1 + speaker // 2, speaker % 2
        for number in range(n):
            emotion = number % 4
            dialogue = f"d{session}{number // 6}"
            name = f"{dialogue}_s{speaker}_{number:02}"
            files = []
            for modality, centres in tells.items():
                path = f"features/{modality}_features/{name}.npy"
                array = 2 * centres[emotion] + random.normal(0, 1, (1, centres.shape[1])) + 0.3 * place
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                if (speaker, number, modality) != (0, 0, "acoustic"):
                    target.write_bytes(packed(array.astype(np.float32)))
                files.append(f"/{path}")
            rows.append(
                f"{name},s{speaker},{session},{dialogue},{number // 6 % 2},,{','.join(files)},{EMOTIONS[emotion]}"
            )
    (folder / "dataset.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder
