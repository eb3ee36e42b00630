from __future__ import annotations

import subprocess
import sys

LIGHT = ("dual_grid", "mesh_to_dual_grid", "pbr_voxels", "pbr_from_mesh", "surface_repair", "triangle_cells")


def test_voxel_geometry_needs_no_torch() -> None:
    program = "import sys\n"
    program += "".join(f"import pixal3d_scene.autoencoder.{name}\n" for name in LIGHT)
    program += "sys.exit(any(heavy in sys.modules for heavy in ('torch', 'trimesh', 'open3d')))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
