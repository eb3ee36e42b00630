"""Sparse voxel grids: tensors on them, the 3x3x3 submanifold convolution, and the octree step between two levels."""
