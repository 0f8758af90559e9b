"""What a study can teach a network besides cells: twins, leaks, and shortcuts.

`audit_study` looks at a study before any training; `join_twins` keeps twins out of each other's folds;
`verdict` says whether a model is better than the best shortcut; `find_patch_twins` tells two studies apart.
"""
