"""Known label spaces: names, colours and ids of public data sets, and which of their classes mean the same.

Colours are those of the data sets themselves; the sky of Cityscapes is (70, 130, 180), which the official Three Ways
palette has wrong (three_ways.md section 8).
"""

Colour = tuple[int, int, int]

CITYSCAPES_19: dict[str, Colour] = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
"""The evaluated classes by train id."""

CITYSCAPES_IDS: dict[str, Colour] = {
    "unlabeled": (0, 0, 0),
    "ego vehicle": (0, 0, 0),
    "rectification border": (0, 0, 0),
    "out of roi": (0, 0, 0),
    "static": (0, 0, 0),
    "dynamic": (111, 74, 0),
    "ground": (81, 0, 81),
    "road": CITYSCAPES_19["road"],
    "sidewalk": CITYSCAPES_19["sidewalk"],
    "parking": (250, 170, 160),
    "rail track": (230, 150, 140),
    "building": CITYSCAPES_19["building"],
    "wall": CITYSCAPES_19["wall"],
    "fence": CITYSCAPES_19["fence"],
    "guard rail": (180, 165, 180),
    "bridge": (150, 100, 100),
    "tunnel": (150, 120, 90),
    "pole": CITYSCAPES_19["pole"],
    "polegroup": CITYSCAPES_19["pole"],
    "traffic light": CITYSCAPES_19["traffic light"],
    "traffic sign": CITYSCAPES_19["traffic sign"],
    "vegetation": CITYSCAPES_19["vegetation"],
    "terrain": CITYSCAPES_19["terrain"],
    "sky": CITYSCAPES_19["sky"],
    "person": CITYSCAPES_19["person"],
    "rider": CITYSCAPES_19["rider"],
    "car": CITYSCAPES_19["car"],
    "truck": CITYSCAPES_19["truck"],
    "bus": CITYSCAPES_19["bus"],
    "caravan": (0, 0, 90),
    "trailer": (0, 0, 110),
    "train": CITYSCAPES_19["train"],
    "motorcycle": CITYSCAPES_19["motorcycle"],
    "bicycle": CITYSCAPES_19["bicycle"],
}
"""The 34 ids of labelIds files (0 to 33); KITTI semantics uses the same."""

GTA5: dict[str, Colour] = {**CITYSCAPES_IDS, "license plate": CITYSCAPES_19["car"]}
"""The ids and colours of Cityscapes; files hold 34 too, for what Cityscapes calls -1."""

SYNTHIA: dict[str, Colour] = {
    "void": (0, 0, 0),
    "sky": CITYSCAPES_19["sky"],
    "building": CITYSCAPES_19["building"],
    "road": CITYSCAPES_19["road"],
    "sidewalk": CITYSCAPES_19["sidewalk"],
    "fence": (64, 64, 128),
    "vegetation": CITYSCAPES_19["vegetation"],
    "pole": CITYSCAPES_19["pole"],
    "car": CITYSCAPES_19["car"],
    "traffic sign": CITYSCAPES_19["traffic sign"],
    "pedestrian": CITYSCAPES_19["person"],
    "bicycle": CITYSCAPES_19["bicycle"],
    "motorcycle": CITYSCAPES_19["motorcycle"],
    "parking slot": (250, 170, 160),
    "road work": (128, 64, 64),
    "traffic light": CITYSCAPES_19["traffic light"],
    "terrain": CITYSCAPES_19["terrain"],
    "rider": CITYSCAPES_19["rider"],
    "truck": CITYSCAPES_19["truck"],
    "bus": CITYSCAPES_19["bus"],
    "train": CITYSCAPES_19["train"],
    "wall": CITYSCAPES_19["wall"],
    "lane marking": (255, 255, 255),
}
"""The 23 ids of SYNTHIA-RAND-CITYSCAPES. Lane markings count as none (corda.md section 5.1); their white is ours."""

VIPER: dict[str, Colour] = {
    "unlabeled": (0, 0, 0),
    "ambiguous": (111, 74, 0),
    "sky": CITYSCAPES_19["sky"],
    "road": CITYSCAPES_19["road"],
    "sidewalk": CITYSCAPES_19["sidewalk"],
    "rail track": (230, 150, 140),
    "terrain": CITYSCAPES_19["terrain"],
    "tree": (87, 182, 35),
    "vegetation": (35, 142, 35),
    "building": CITYSCAPES_19["building"],
    "infrastructure": (153, 153, 153),
    "fence": CITYSCAPES_19["fence"],
    "billboard": (150, 20, 20),
    "traffic light": CITYSCAPES_19["traffic light"],
    "traffic sign": CITYSCAPES_19["traffic sign"],
    "mobile barrier": (180, 180, 100),
    "fire hydrant": (173, 153, 153),
    "chair": (168, 153, 153),
    "trash": (81, 0, 21),
    "trash can": (81, 0, 81),
    "person": CITYSCAPES_19["person"],
    "animal": (255, 0, 0),
    "bicycle": CITYSCAPES_19["bicycle"],
    "motorcycle": CITYSCAPES_19["motorcycle"],
    "car": CITYSCAPES_19["car"],
    "van": (0, 80, 100),
    "bus": CITYSCAPES_19["bus"],
    "truck": CITYSCAPES_19["truck"],
    "trailer": (0, 0, 90),
    "train": (0, 80, 100),
    "plane": (0, 100, 100),
    "boat": (50, 0, 90),
}
"""The 32 ids of VIPER; vans and trains share a colour, and a picture in colours has vans."""

CAMVID_11: dict[str, Colour] = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "sign_symbol": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
"""Order of the SegNet tutorial."""

COMMA10K: dict[str, Colour] = {
    "road": (64, 32, 32),
    "lane markings": (255, 0, 0),
    "undrivable": (128, 128, 96),
    "movable": (0, 255, 102),
    "my car": (204, 0, 255),
}

MAPILLARY: dict[str, Colour] = {
    "Bird": (165, 42, 42),
    "Ground Animal": (0, 192, 0),
    "Curb": (196, 196, 196),
    "Fence": (190, 153, 153),
    "Guard Rail": (180, 165, 180),
    "Barrier": (90, 120, 150),
    "Wall": (102, 102, 156),
    "Bike Lane": (128, 64, 255),
    "Crosswalk - Plain": (140, 140, 200),
    "Curb Cut": (170, 170, 170),
    "Parking": (250, 170, 160),
    "Pedestrian Area": (96, 96, 96),
    "Rail Track": (230, 150, 140),
    "Road": (128, 64, 128),
    "Service Lane": (110, 110, 110),
    "Sidewalk": (244, 35, 232),
    "Bridge": (150, 100, 100),
    "Building": (70, 70, 70),
    "Tunnel": (150, 120, 90),
    "Person": (220, 20, 60),
    "Bicyclist": (255, 0, 0),
    "Motorcyclist": (255, 0, 100),
    "Other Rider": (255, 0, 200),
    "Lane Marking - Crosswalk": (200, 128, 128),
    "Lane Marking - General": (255, 255, 255),
    "Mountain": (64, 170, 64),
    "Sand": (230, 160, 50),
    "Sky": (70, 130, 180),
    "Snow": (190, 255, 255),
    "Terrain": (152, 251, 152),
    "Vegetation": (107, 142, 35),
    "Water": (0, 170, 30),
    "Banner": (255, 255, 128),
    "Bench": (250, 0, 30),
    "Bike Rack": (100, 140, 180),
    "Billboard": (220, 220, 220),
    "Catch Basin": (220, 128, 128),
    "CCTV Camera": (222, 40, 40),
    "Fire Hydrant": (100, 170, 30),
    "Junction Box": (40, 40, 40),
    "Mailbox": (33, 33, 33),
    "Manhole": (100, 128, 160),
    "Phone Booth": (142, 0, 0),
    "Pothole": (70, 100, 150),
    "Street Light": (210, 170, 100),
    "Pole": (153, 153, 153),
    "Traffic Sign Frame": (128, 128, 128),
    "Utility Pole": (0, 0, 80),
    "Traffic Light": (250, 170, 30),
    "Traffic Sign (Back)": (192, 192, 192),
    "Traffic Sign (Front)": (220, 220, 0),
    "Trash Can": (140, 140, 20),
    "Bicycle": (119, 11, 32),
    "Boat": (150, 0, 255),
    "Bus": (0, 60, 100),
    "Car": (0, 0, 142),
    "Caravan": (0, 0, 90),
    "Motorcycle": (0, 0, 230),
    "On Rails": (0, 80, 100),
    "Other Vehicle": (128, 64, 64),
    "Trailer": (0, 0, 110),
    "Truck": (0, 0, 70),
    "Wheeled Slow": (0, 0, 192),
    "Car Mount": (32, 32, 32),
    "Ego Vehicle": (120, 10, 10),
}
"""The 65 classes of Mapillary Vistas 1.2; id 65, black, is "unlabeled"."""

SEMANTIC_SUPER: dict[str, Colour] = {
    "tissue 1": (222, 140, 130),
    "tissue 2": (150, 40, 60),
    "tool": (90, 170, 220),
}
"""Two tissues and the tool of Semantic-SuPer; the order of the ids is from memory, the colours are ours."""

SUPER: dict[str, Colour] = {"tissue": SEMANTIC_SUPER["tissue 1"], "tool": SEMANTIC_SUPER["tool"]}
"""One tissue and the tool of SuPer V1; from memory, the colours are ours."""

SYNONYMS: dict[str, str] = {
    "pavement": "sidewalk",
    "tree": "vegetation",
    "trees": "vegetation",
    "sign symbol": "traffic sign",
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
_TISSUES = ("tissue 1", "tissue 2")
_CITY = {
    "road": (*_MARKINGS, "crosswalk plain", "service lane", "bike lane"),
    "sidewalk": ("curb", "curb cut", "pedestrian area"),
    "rider": ("bicyclist", "motorcyclist", "other rider"),
    "pole": ("utility pole",),
}

COVERS: dict[str, dict[str, tuple[str, ...]]] = {
    "cityscapes19": _CITY,
    "cityscapes_ids": _CITY,
    "camvid11": {  # grouping of the 32 original classes in the SegNet tutorial
        "building": ("wall", "bridge", "tunnel"),
        "road": _CITY["road"],
        "pavement": ("parking", *_CITY["sidewalk"]),
        "tree": ("terrain",),
        "sign_symbol": ("traffic light", "traffic sign back"),
        "pole": ("polegroup", "utility pole"),
        "car": ("truck", "bus", "train", "caravan", "trailer", "other vehicle"),
        "pedestrian": ("ground animal",),
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
