"""Which classes of the label spaces mean the same, and which take others in."""

SYNONYMS: dict[str, str] = {
    "pavement": "sidewalk",
    "tree": "vegetation",
    "trees": "vegetation",
    "sign symbol": "traffic sign",
    "signsymbol": "traffic sign",
    "trafficlight": "traffic light",
    "vegetationmisc": "vegetation",
    "motorcyclescooter": "motorcycle",
    "lanemkgsdriv": "lane markings",
    "lanemkgsnondriv": "lane markings",
    "traffic sign front": "traffic sign",
    "sign": "traffic sign",
    "pedestrian": "person",
    "human": "person",
    "column pole": "pole",
    "on rails": "train",
    "motorbike": "motorcycle",
    "bike": "bicycle",
    "cyclist": "bicyclist",
    "my car": "ego vehicle",
    "lane marking": "lane markings",
    "lane marking general": "lane markings",
    "instrument": "tool",
    "surgical tool": "tool",
    "unlabelled": "unlabeled",
    "void": "unlabeled",
}
"""Names of one meaning, in lower case and without punctuation."""

_LIVING = ("person", "rider", "bicyclist", "motorcyclist", "other rider")
_VEHICLES = (
    *("car", "truck", "bus", "train", "motorcycle", "bicycle", "caravan", "trailer", "boat", "other vehicle"),
    "wheeled slow",
)
_MARKINGS = ("lane markings", "lane marking crosswalk")
_CARS = ("suvpickuptruck", "truck bus")
_TISSUES = ("tissue 1", "tissue 2")
_CITY = {
    "road": (*_MARKINGS, "crosswalk plain", "service lane", "bike lane"),
    "sidewalk": ("curb", "curb cut", "pedestrian area"),
    "rider": ("bicyclist", "motorcyclist", "other rider"),
    "person": ("child",),
    "pole": ("utility pole",),
    "car": ("suvpickuptruck",),
}

COVERS: dict[str, dict[str, tuple[str, ...]]] = {
    "cityscapes19": _CITY,
    "cityscapes_ids": _CITY,
    "camvid11": {  # grouping of the 32 original classes in the SegNet tutorial
        "building": ("wall", "bridge", "tunnel", "archway"),
        "road": _CITY["road"],
        "pavement": ("parking", "parkingblock", "roadshoulder", *_CITY["sidewalk"]),
        "tree": ("terrain",),
        "sign_symbol": ("traffic light", "traffic sign back", "misc text"),
        "pole": ("polegroup", "utility pole", "trafficcone"),
        "car": ("truck", "bus", "train", "caravan", "trailer", "other vehicle", *_CARS, "othermoving"),
        "pedestrian": ("ground animal", "child", "cartluggagepram", "animal"),
        "bicyclist": ("rider", "bicycle", "motorcycle", "motorcyclist", "other rider"),
    },
    "comma10k": {
        "road": ("crosswalk plain", "service lane", "bike lane", "manhole", "pothole"),
        "lane markings": ("lane marking crosswalk",),
        "undrivable": (
            *("sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
            *(
                "terrain",
                "sky",
                "polegroup",
                "guard rail",
                "bridge",
                "tunnel",
                "curb",
                "curb cut",
                "barrier",
                "pedestrian area",
            ),
            *("mountain", "sand", "snow", "water", "utility pole", "street light", "traffic sign back", "billboard"),
        ),
        "movable": (*_LIVING, *_VEHICLES, "ground animal"),
    },
    "super": {"tissue": _TISSUES},
    "": {  # any other space
        "vehicle": _VEHICLES,
        "tissue": _TISSUES,
        "person": _LIVING[1:],
        "rider": _LIVING[2:],
        "marking": _MARKINGS,
        "road": _MARKINGS,
        "traffic sign": ("traffic sign back",),
    },
}
"""Target space -> its class -> classes of other spaces that it takes in, where the space has no class for them."""
