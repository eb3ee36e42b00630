"""Between latents and geometry: structure, shape and texture networks, the flexible dual grid, PBR voxels."""
