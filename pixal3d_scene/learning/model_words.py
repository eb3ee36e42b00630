"""From a model's catalogue name to a word of the vocabulary and to where it stands in a room; None: not for rooms."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Where a thing may be: on the floor anywhere, on the floor with its back to a wall, on top of something, on a wall
# at its height, under the ceiling.
PLACES = ("free", "back", "top", "hung", "ceiling")

_NOT_FOR_ROOMS = (
    r"mail ?box|letters box|smart car|truck|sedan|\bbus\b|\bvan\b|suv|focus|leon|scenic|peugeot|chevrolet|beetle"
    r"|motorbike|yamaha|container|fork lift|escalator|stair|elevator|railing|column|sidewalk|hydrant|parking|crossing|rails"
    r"|pool$|swimming|pool lounge|sandpit|barnum|tent|hut\b|dog house|goal|children game|swing|trampoline|jacuzzi|diving"
    r"|hedge|pine|poplar|maple|palm|coconut|cypress|acacia|sycamore|beech|peach|bush|rock\b|arrow|street|lamppost"
    r"|fountain|rowboat|mower|fence|external|garden faucet|stone|snowman|plug|switch|socket|intercom|speech unit|bell"
    r"|antenna|sign|bill |smoke|park|outdoor|porch|basketball net|punching|seesaw|hammock|shutter|contemporary|chimney"
    r"|\bdoors?$|with panes|window|^horse$|deer|shower|cooktop|induction|\bring$|curtain|faucet|mezzanine|little bank"
)
_BACK, _FREE, _TOP, _HUNG, _CEILING = "back", "free", "top", "hung", "ceiling"
_RULES: tuple[tuple[str, str, str | None], ...] = (  # name, word, place (None: by its size and elevation)
    (r"clothes horse|clothes rack|wire|hanger|hanging clothes", "object", None),
    (r"xylophone|car model|rocking horse", "toy", None),
    (r"remote control|keyboard", "object", _TOP),
    (r"tablet", "phone", _TOP),
    (r"island bath", "bathtub", _BACK),
    (r"vanity|washbasin|^sink$|lavatory", "sink", None),
    (r"piano bench", "stool", _FREE),
    (r"baby high chair|high chair|wheelchair", "chair", _FREE),
    (r"hanging light|pendant|chandelier|ceiling lamp|fluorescent|track lights|japanese lantern", "lamp", None),
    (r"wall light|wall lamp|wall spot", "lamp", _HUNG),
    (r"lamp|lantern|candle", "lamp", None),
    (r"ceiling fan", "fan", _CEILING),
    (r"\bfan\b", "fan", None),
    (r"convertible|sofa|couch|futon couch|day bed", "sofa", _BACK),
    (r"bed$|bed |crib|futon|bunk", "bed", _BACK),
    (r"bedside|night", "nightstand", _BACK),
    (r"ottoman|puff|stool", "stool", _FREE),
    (r"armchair|relax chair|deck chair|beach chair|winchester", "armchair", _FREE),
    (r"chair|class seat", "chair", _FREE),
    (r"coffee table", "coffee table", _FREE),
    (r"desk(?! lamp)|technical table", "desk", _BACK),
    (r"table tennis$|pool table|tennis table|flipper|workbench", "table", _FREE),
    (r"table(?! fan| tennis| football)", "table", _FREE),
    (r"bench|wood bank", "bench", _FREE),
    (r"bookcase", "bookcase", _BACK),
    (r"upper|range hood|hood$", "cabinet", _HUNG),
    (r"tv stand|television cabinet|dresser|drawers|sideboard|chest\b|changing", "sideboard", _BACK),
    (r"wardrobe|cupboard|locked locker", "wardrobe", _BACK),
    (r"shelves", "shelf", _BACK),
    (r"cabinet|island|safe$", "cabinet", _BACK),
    (r"fridge|refrigerator|freezer", "refrigerator", _BACK),
    (r"washing machine|dryer", "washing machine", _BACK),
    (r"stove|cooker|oven$", "stove", None),
    (r"microwave|coffee machine|coffee brewer|coffee maker|toaster|blender|mixer|fryer|espresso|sandwich|squeezer"
     r"|grill|scale$|boiler", "kitchen appliance", None),
    (r"water heater", "object", _HUNG),
    (r"bath$|bathtub", "bathtub", _BACK),
    (r"toilets? unit|bidet|urinal", "toilet", _BACK),
    (r"basin", "sink", None),
    (r"radiator", "radiator", _HUNG),
    (r"fireplace|furnace", "fireplace", _BACK),
    (r"piano", "piano", _BACK),
    (r"^tv|flat tv|screen$|imac", "television", None),
    (r"ibook|laptop", "laptop", _TOP),
    (r"phone(?!s)|tablet", "phone", _TOP),
    (r"speaker|stereo|radio$|mp3", "speaker", None),
    (r"plant|cactus|orchid|bamboo|bonsai|ficus|tree|yucca|lily|tulip|spathiphyllum|flowers|flower box|arbolito",
     "plant", None),
    (r"vase|pottery|old jar|utensils pot|^pot", "vase", None),
    (r"book$|newspaper|calendar", "book", _TOP),
    (r"bottle|flacon|wine|milk|oil|salt|sugar|creamer|spray", "bottle", _TOP),
    (r"glass$|cup$|mug|beer glass|cocktail|teapot|kettle|coffee press", "cup", _TOP),
    (r"plate|tray|chopping|steak|bread$|hamburger|fries|roasted|birthday|sushi|hot dog", "plate", _TOP),
    (r"bowl|apples|ashtray|hashtray|basin", "bowl", _TOP),
    (r"trash|dustbin|recycling|bin$|basket$|clothes basket", "trash can", _FREE),
    (r"box|crate|barrel|trunck|gift|bread box", "box", None),
    (r"suitcase|briefcase", "suitcase", _FREE),
    (r"backpack|handbag|sleeping bag", "backpack", None),
    (r"shoe|slipper|sneaker|mocassin|bootie", "shoes", _FREE),
    (r"cuckoo|dart", "clock", _HUNG),
    (r"clock|watch", "clock", _TOP),
    (r"frame", "picture", _HUNG),
    (r"bicycle|^bike|tricycle|scooter|indoor bike|skateboard|stroller", "bicycle", _FREE),
    (r"teddy|doll|toy|puzzle|rubik|xylophone|chess|biplane|rocking|model|ball$|basketball", "toy", None),
    (r"female|male|boy|girl|mannequin", "person", _FREE),
    (r"cat$|dog$|bulldog|rabbit|chicken", "pet", _FREE),
    (r"carpet|rug$|bathmat|doormat|tatami", "rug", _FREE),
    (r"air conditioning|conditioning|calendar|wall hanger|thermometer|extinguisher|cctv|surveillance", "object", _HUNG),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """label: a word of `vocabulary.LABELS`. place: one of PLACES."""

    label: str
    place: str


def role_of(name: str, category: str, size_m: tuple[float, float, float], elevation_m: float) -> Role | None:
    """What a model is in a room; None for what does not belong indoors (or is part of the building)."""
    word = name.lower()
    if category in ("Doors and windows", "Staircases") or re.search(_NOT_FOR_ROOMS, word):
        return None
    if max(size_m) > 3.4 or max(size_m) < 0.03 or size_m[1] > 2.6:
        return None
    for pattern, label, place in _RULES:
        if re.search(pattern, word):
            return Role(label=label, place=place or _usual_place(size_m, elevation_m))
    return Role(label="object", place=_usual_place(size_m, elevation_m))


def _usual_place(size_m: tuple[float, float, float], elevation_m: float) -> str:
    width, height, depth = size_m
    if elevation_m + height > 1.9 and elevation_m > 1.2 and min(width, depth) > 0.12 * max(width, depth):
        return _CEILING if elevation_m + height > 2.2 or height > 0.45 else _HUNG
    if elevation_m > 0.35:
        return _HUNG
    if max(size_m) < 0.62:
        return _TOP
    return _FREE if width < 2.5 * depth else _BACK
