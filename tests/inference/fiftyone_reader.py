"""``PYTHON fiftyone_reader.py FOLDER``, where FiftyOne is installed: imports a FiftyOneDataset and prints it as JSON.

FiftyOne keeps data sets in a MongoDB, whose server is in no package. mongomock stands for it: what reads the folder,
the fields it makes of it and the masks and maps it opens are FiftyOne's own.
"""

import importlib
import json
import os
import sys
from typing import Any

SETTINGS = {
    "FIFTYONE_DATABASE_URI": "mongodb://localhost:27017", "FIFTYONE_DATABASE_VALIDATION": "false",
    "FIFTYONE_DO_NOT_TRACK": "true", "FIFTYONE_SHOW_PROGRESS_BARS": "false",
}  # fmt: skip


def fiftyone_without_server() -> Any:
    """The library, whose clients of a data base all see one that lies in memory."""
    os.environ |= SETTINGS
    importlib.import_module("motor.motor_asyncio")  # builds its client from the real one's methods
    import bson.codec_options
    import mongomock.store
    import pymongo.mongo_client

    store = mongomock.store.ServerStore()

    class Client(mongomock.MongoClient):
        _closed = False

        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options, _store=store)

    registry = bson.codec_options.TypeRegistry
    registry.__eq__ = lambda one, other: one._decoder_map.keys() == other._decoder_map.keys()
    pymongo.MongoClient = pymongo.mongo_client.MongoClient = Client
    return importlib.import_module("fiftyone")


def read(folder: str) -> dict[str, object]:
    """What FiftyOne holds of a folder."""
    fiftyone = fiftyone_without_server()
    dataset = fiftyone.Dataset.from_dir(dataset_dir=folder, dataset_type=fiftyone.types.FiftyOneDataset)
    samples = []
    for sample in dataset:
        depth, confidence = sample.depth, sample.confidence
        samples.append(
            {
                "filepath": sample.filepath,
                "size": [sample.metadata.width, sample.metadata.height],
                "mask": sample.segmentation.get_mask().tolist(),
                "depth": depth.get_map().tolist(),
                "range": list(depth.range),
                "confidence": confidence.get_map().tolist(),
            }
        )
    return {
        "media_type": dataset.media_type,
        "targets": dataset.default_mask_targets,
        "classes": dataset.default_classes,
        "unit": dataset.info["unit"],
        "samples": samples,
    }


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1])))
