"""The flow models of Pixal3D: one transformer, with a dense grid or a list of active cells as its tokens.

tokens.py       which rows of a token matrix belong to which object; attention within an object
attention.py    self-attention, cross-attention, and the sum with back-projected features (Pixal3D's idea)
blocks.py       time embedding, feed-forward, the modulated block
transformer.py  blocks in a row, and what of the condition can be computed once per object
dense.py        volume in, volume out (structure);  sparse.py  list of cells in, list out (shape, material)
"""

from .dense import DenseFlow
from .sparse import SparseFlow

# The names under which config files know the two classes.
FLOW_CLASSES: dict[str, type[DenseFlow] | type[SparseFlow]] = {
    "SparseStructureFlowModel": DenseFlow,
    "SLatFlowModel": SparseFlow,
    "ElasticSLatFlowModel": SparseFlow,  # differs only in training
}

__all__ = ["FLOW_CLASSES", "DenseFlow", "SparseFlow"]
