"""Measures who is told to be who, on films of known people (docs/people.md).

    python benchmarks/people.py DATA [--out FOLDER] [--only NAME]

Face time under a wrong person: each person that emofuse tells stands for whom they cover longest; the time in which
they are told to be seen while somebody else is, is wrong. Unknown: somebody is seen, and nobody is told.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from _people_films import SIZE, Shot, actors, cut_film, strangers, tiled_film

from emofuse import analyze
from emofuse.timeline import Timeline

EDGE_S: Final = 0.15  # around a cut that is not counted: a picture stands for a tenth of a second


def main() -> None:
    """Make the films, analyse them, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, help="keep the films here")
    parser.add_argument("--only", help="make this film alone")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = args.out or Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        for name, film in FILMS.items():
            if args.only in (None, name):
                shots = film(args.data, out / f"{name}.mp4")
                began = time.perf_counter()
                timeline = analyze(out / f"{name}.mp4")
                print(
                    json.dumps({"film": name, **score(timeline, shots), "took_s": round(time.perf_counter() - began)})
                )


FILMS: Final = {
    "two-actors-3-min": lambda data, path: cut_film(path, actors(data), 180, 40, seed=1),
    "two-actors-10-min": lambda data, path: cut_film(path, actors(data), 600, 40, seed=2),
    "two-strangers-3-min": lambda data, path: cut_film(path, strangers(data, 2, 3), 180, 40, seed=3),
    "five-strangers-3-min": lambda data, path: cut_film(path, strangers(data, 5, 4), 180, 40, seed=4),
    "six-tiled-1-min": lambda data, path: tiled_film(path, strangers(data, 6, 5), 60, 0, seed=5),
    "six-tiled-5-cuts": lambda data, path: tiled_film(path, strangers(data, 6, 5), 60, 5, seed=6),
}


def score(timeline: Timeline, shots: Sequence[Shot]) -> dict[str, float]:
    """Count people, and how much of the time that faces are seen is under a wrong one or under none."""
    covered: dict[tuple[int | None, str], float] = {}
    for person_id, who, length_s in _faces(timeline, shots):
        covered[person_id, who] = covered.get((person_id, who), 0.0) + length_s
    names = sorted({who for shot in shots for who in shot.people})
    owner = {p.id: max(names, key=lambda who: covered.get((p.id, who), 0.0)) for p in timeline.people}
    wrong = sum(s for (i, who), s in covered.items() if i is not None and owner[i] != who)
    total = sum(covered.values())
    return {
        "known_people": len(names),
        "people": len(timeline.people),
        "tracks": len({f.track_id for m in timeline.moments for f in m.faces}),
        "wrong_percent": round(100 * wrong / total, 2),
        "unknown_percent": round(100 * sum(s for (i, _), s in covered.items() if i is None) / total, 2),
    }


def _faces(timeline: Timeline, shots: Sequence[Shot]) -> Iterator[tuple[int | None, str, float]]:
    """Yield who is told to be seen, who is, and for how long: of one in view by the times, of tiles by the places."""
    for shot in (shot for shot in shots if len(shot.people) == 1):
        told = 0.0
        for person in timeline.people:
            common = sum(_common(stretch, shot) for stretch in person.seen)
            told += common
            yield person.id, shot.people[0], common
        yield None, shot.people[0], max(shot.end_s - shot.start_s - 2 * EDGE_S - told, 0.0)
    for moment in timeline.moments:
        for shot in shots:
            # a moment holds the faces of the last second
            if len(shot.people) == 6 and shot.start_s + 1 < moment.time_s <= shot.end_s:
                for face in moment.faces:
                    x, y = (face.box_xyxy[:2] + face.box_xyxy[2:]) / 2
                    yield face.person_id, shot.people[3 * int(y > SIZE[0] / 2) + int(x / (SIZE[1] / 3))], 1.0


def _common(stretch: tuple[float, float], shot: Shot) -> float:
    return max(0.0, min(stretch[1], shot.end_s - EDGE_S) - max(stretch[0], shot.start_s + EDGE_S))


if __name__ == "__main__":
    main()
